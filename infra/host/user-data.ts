/**
 * The user data of the launch template: one cloud-boothook that writes what is in this folder to the
 * host and runs it. AWS Batch adds a part of its own, with the name of the cluster.
 */
import { readdirSync, readFileSync } from 'node:fs';

const LIBRARY = '/usr/local/lib/batchwell';
const UNITS = '/etc/systemd/system';
/** What EC2 takes, less a quarter for the part of Batch and for later. */
export const MOST_USER_DATA_BYTES = 12_288;

interface HostFile {
  path: string;
  mode: string;
  text: string;
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const namesIn = (folder: string): string[] =>
  readdirSync(new URL(folder, import.meta.url)).toSorted();

/** Comments and indentation are for readers of the repository; the host has 16 KiB. */
const withoutComments = (script: string): string =>
  script
    .replaceAll(/^ *#(?!!).*\n/gm, '')
    .replaceAll(/\n{2,}/g, '\n')
    .replaceAll(/^ +/gm, '');

/** The settings of the agent; AWS Batch appends ECS_CLUSTER. */
const ECS_CONFIG = [
  // The default of 3 h keeps the data of ended tasks on the disk for that long.
  ['ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION', '1m'],
  ['ECS_IMAGE_CLEANUP_INTERVAL', '10m'],
  ['ECS_CONTAINER_STOP_TIMEOUT', '60s'],
  ['ECS_ENABLE_SPOT_INSTANCE_DRAINING', 'true'],
  ['ECS_RESERVED_MEMORY', '@{ReservedMemoryMiB}'],
  ['ECS_AWSVPC_BLOCK_IMDS', 'true'],
] as const;

/** `@{Name}` is a parameter or an attribute of the template. */
const HOST_ENV = [
  ['REGION', '@{AWS::Region}'],
  ['URL_SUFFIX', '@{AWS::URLSuffix}'],
  ['RELEASE_BUCKET', '@{ReleaseBucketOfHosts}'],
  ['RELEASE', '@{HostRelease}'],
  ['HOST_LOG_GROUP', '@{HostLogGroup}'],
  ['DISK_MODE', '@{DiskMode}'],
  ['DISK_GIB', '@{FirstGiB}'],
  ['DISK_MAX_GIB', '@{DiskMaxGiB}'],
  ['DISK_IOPS', '@{DiskIops}'],
  ['DISK_THROUGHPUT', '@{DiskThroughput}'],
  ['DISK_KMS_KEY_ARN', '@{KmsKeyArn}'],
  ['STACK', '@{AWS::StackName}'],
  ['ENTRYPOINT_WRAPPER', '@{EntrypointWrapper}'],
] as const;

const assignments = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([name, value]) => `${name}=${value}\n`).join('');

/** Of the host release: Docker starts after it is there. */
const RUNTIME = '/opt/batchwell/host/runtime';
const DAEMON_JSON = `{"default-runtime":"batchwell","runtimes":{"batchwell":{"path":"${RUNTIME}"}}}\n`;

export function hostFiles(): HostFile[] {
  const programs = namesIn('bin').map((name) => ({
    path: `${LIBRARY}/${name}`,
    mode: '755',
    text: withoutComments(read(`bin/${name}`)),
  }));
  const units = namesIn('units')
    .filter((name) => name.endsWith('.service'))
    .map((name) => ({ path: `${UNITS}/${name}`, mode: '644', text: read(`units/${name}`) }));
  const gates = [
    ['docker', 'storage'],
    ['containerd', 'storage'],
    ['ecs', 'host'],
  ].map(([unit = '', gate = '']) => ({
    path: `${UNITS}/${unit}.service.d/batchwell.conf`,
    mode: '644',
    text: read(`units/gate-${gate}.conf`),
  }));
  return [
    { path: '/etc/batchwell/host.env', mode: '644', text: assignments(HOST_ENV) },
    { path: `${LIBRARY}/ecs.config`, mode: '644', text: assignments(ECS_CONFIG) },
    { path: `${LIBRARY}/daemon.json`, mode: '644', text: DAEMON_JSON },
    ...programs,
    ...units,
    ...gates,
  ];
}

const END = 'EOF';

const short = (path: string): string => path.replace(LIBRARY, '$L').replace(UNITS, '$U');

/** A file with the text of an earlier one is a copy of it. */
const writeFile = (
  { path, mode, text }: HostFile,
  at: number,
  files: readonly HostFile[],
): string => {
  const same = files.slice(0, at).find((earlier) => earlier.text === text);
  return same
    ? `put ${mode} ${short(path)} <"$BATCHWELL_ROOT${short(same.path)}"\n`
    : `put ${mode} ${short(path)} <<'${END}'\n${text}${END}\n`;
};

/** With `@{Name}` for what the template fills in. */
export function userData(): string {
  const head = [
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="batchwell"',
    '',
    '--batchwell',
    'Content-Type: text/cloud-boothook; charset="us-ascii"',
    '',
    '#!/bin/sh',
    'put() { mkdir -p "$BATCHWELL_ROOT${2%/*}"; cat >"$BATCHWELL_ROOT$2"; chmod "$1" "$BATCHWELL_ROOT$2"; }',
    `L=${LIBRARY} U=${UNITS}`,
    ': "${BATCHWELL_ROOT=}"',
  ].join('\n');
  const files = hostFiles().map(writeFile).join('');
  return `${head}\n${files}exec "$BATCHWELL_ROOT${LIBRARY}/boothook"\n--batchwell--\n`;
}

/** As a text of `Fn::Sub`, in which `${` of the shell must be escaped. */
export const userDataTemplate = (): string =>
  userData().replaceAll('${', '${!').replaceAll('@{', '${');
