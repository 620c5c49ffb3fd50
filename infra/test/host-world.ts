/**
 * A host: a folder as its root, the user data of the template core written to it, and programs of the
 * system that only take notes. S3, the metadata and CloudWatch Logs are one server on loopback.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { tarOf } from '../host/tar.ts';
import { answer, createAws, putRelease, type PlayedAws } from './played-aws.ts';
import { userDataOf } from './world.ts';

export interface Ran {
  code: number | null;
  out: string;
}

export interface Host {
  root: string;
  objects: PlayedAws['objects'];
  faults: PlayedAws['faults'];
  seen: PlayedAws['seen'];
  release: string;
  path(name: string): string;
  read(name: string): string;
  has(name: string): boolean;
  /** Runs the user data as cloud-init does. */
  boot(): Promise<Ran>;
  run(program: string, ...args: string[]): Promise<Ran>;
  start(program: string, ...args: string[]): ReturnType<typeof spawn>;
  /** A program of the system that notes its arguments and then runs this shell text. */
  stub(name: string, text: string): void;
  notes(): string[];
  stop(): Promise<void>;
}

/** A release whose loader ends as the stager does without its variables. */
export function smallRelease(loader = '#!/bin/sh\nexit 123\n'): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'batchwell-small-'));
  for (const name of ['lib/ld.so', 'bin/node', 'stager.mjs']) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), loader, { mode: 0o755 });
  }
  const archive = gzipSync(tarOf(folder));
  rmSync(folder, { recursive: true });
  return archive;
}

/** Programs that come with the host release run from the repository. */
function inRelease(program: string): string | undefined {
  if (program.startsWith('/')) return program;
  const file = fileURLToPath(new URL(`../host/release/${program}`, import.meta.url));
  return existsSync(file) ? file : undefined;
}

export async function createHost(
  parameters: Record<string, string> = {},
  archive: Buffer = smallRelease(),
): Promise<Host> {
  const root = mkdtempSync(join(tmpdir(), 'batchwell-root-'));
  const aws = createAws();
  const release = putRelease(aws, archive);
  const { objects, faults, seen } = aws;
  const server = createServer((request, response) => {
    void answer(aws, request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : '';
  const bin = join(root, 'test-bin');
  mkdirSync(bin);

  const path = (name: string): string => join(root, name);
  const start = (program: string, ...args: string[]) =>
    spawn(program, args, {
      // A group of its own: a test that kills it kills its children.
      detached: true,
      env: {
        PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
        BATCHWELL_ROOT: root,
        BATCHWELL_PAUSE: '0',
        BATCHWELL_LAST_LOOK: '0',
        CONSOLE: path('console'),
        NOTES: path('notes'),
        IMDS_URL: url,
        S3_URL: url,
        LOGS_URL: url,
      },
    });
  const run = async (program: string, ...args: string[]): Promise<Ran> => {
    const child = start(program, ...args);
    let out = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out };
  };
  const host: Host = {
    root,
    objects,
    faults,
    seen,
    release,
    path,
    start,
    read: (name) => (existsSync(path(name)) ? readFileSync(path(name), 'utf8') : ''),
    has: (name) => existsSync(path(name)),
    run: (program, ...args) =>
      run(inRelease(program) ?? path(`usr/local/lib/batchwell/${program}`), ...args),
    boot: () => run('/bin/sh', path('boothook')),
    stub: (name, text) => {
      writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>"$NOTES"\n${text}\n`);
      chmodSync(join(bin, name), 0o755);
    },
    notes: () => host.read('notes').trimEnd().split('\n').filter(Boolean),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      rmSync(root, { recursive: true, force: true });
    },
  };
  writeFileSync(path('boothook'), boothookOf({ HostRelease: release, ...parameters }));
  host.stub('systemctl', 'case $1 in cat) echo ExecStart=/bin/true ;; esac');
  host.stub('iptables', 'case "$*" in *" -C "*) exit 1 ;; esac');
  host.stub('modprobe', '');
  appendFileSync(path('notes'), '');
  return host;
}

/** The part of the user data that cloud-init runs. */
function boothookOf(parameters: Record<string, string>): string {
  const text = userDataOf(parameters);
  const [, part = ''] = /text\/cloud-boothook[^\n]*\n\n([\s\S]*)--batchwell--\n$/.exec(text) ?? [];
  return part;
}
