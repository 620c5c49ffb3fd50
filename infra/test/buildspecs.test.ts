/**
 * The buildspecs, run: a shell executes their commands as CodeBuild does, with an `aws` that plays S3 and
 * CloudFormation from files. What the host release is, and that nothing is overwritten, is seen for real.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { listRelease } from '../host/build.ts';
import { deploy, propertiesOf } from './world.ts';

interface BuildSpec {
  version: number;
  env: { shell: string; 'exported-variables'?: string[] };
  phases: Record<string, { commands: string[] }>;
  artifacts?: { 'base-directory': string; files: string[] };
}

const folder = new URL('../pipeline/', import.meta.url);
const files = readdirSync(folder).toSorted();
const read = (text: string): BuildSpec => parse(text, { version: '1.1' }) as BuildSpec;
const specOf = (file: string): BuildSpec => read(readFileSync(new URL(file, folder), 'utf8'));
/** As the template has it. */
const inlineOf = (id: string): BuildSpec =>
  read((propertiesOf(deploy('pipeline'), id)['Source'] as { BuildSpec: string }).BuildSpec);

const scriptOf = ({ phases }: BuildSpec): string =>
  Object.values(phases)
    .flatMap(({ commands }) => commands)
    .join('\n');

let work: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'batchwell-buildspec-'));
  mkdirSync(join(work, 'bin'));
  mkdirSync(join(work, 'src'));
});
afterEach(() => {
  rmSync(work, { recursive: true, force: true });
});

function stub(name: string, text: string): void {
  const file = join(work, 'bin', name);
  writeFileSync(file, `#!/bin/bash\necho "${name} $*" >>"$WORK/calls"\n${text}\n`);
  chmodSync(file, 0o755);
}

const calls = (): string[] =>
  existsSync(join(work, 'calls'))
    ? readFileSync(join(work, 'calls'), 'utf8').trim().split('\n')
    : [];

interface Ran {
  code: number | null;
  out: string;
  variables: Record<string, string>;
}

/** CodeBuild runs the commands in one shell, stops at the first that fails, and reads exported variables. */
function run(spec: BuildSpec, environment: Record<string, string>): Ran {
  const exported = spec.env['exported-variables'] ?? [];
  const commands = Object.values(spec.phases).flatMap((phase) => phase.commands);
  const show = exported.map((name) => `echo "exported ${name}=\${${name}-}"`);
  const script = [...commands.map((command) => `${command}\n[ $? = 0 ] || exit 1`), ...show].join(
    '\n',
  );
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
    cwd: join(work, 'src'),
    encoding: 'utf8',
    env: {
      PATH: `${join(work, 'bin')}:/usr/bin:/bin`,
      WORK: work,
      CODEBUILD_SRC_DIR: join(work, 'x86'),
      CODEBUILD_SRC_DIR_Arm: join(work, 'arm'),
      CODEBUILD_SRC_DIR_Source: join(work, 'src'),
      ...environment,
    },
  });
  const pairs = [...stdout.matchAll(/^exported (\w+)=(.*)$/gm)].map(
    ([, name = '', value = '']) => [name, value] as const,
  );
  return { code: status, out: `${stdout}${stderr}`, variables: Object.fromEntries(pairs) };
}

describe.each(files)('%s', (file) => {
  it('It has the form that CodeBuild reads: every command is a text.', () => {
    const spec = specOf(file);
    expect(spec.version).toBe(0.2);
    expect(spec.env.shell).toBe('bash');
    for (const { commands } of Object.values(spec.phases))
      for (const command of commands) expect(typeof command).toBe('string');
  });

  it.skipIf(spawnSync('shellcheck', ['--version']).error !== undefined)(
    'shellcheck finds nothing.',
    () => {
      // CodeBuild sets the variables of its environment.
      const { stdout } = spawnSync('shellcheck', ['--shell=bash', '--exclude=SC2154', '-'], {
        input: `set -e\n${scriptOf(specOf(file))}\n`,
        encoding: 'utf8',
      });
      expect(stdout).toBe('');
    },
  );
});

describe('checks and builds', () => {
  it('The sources are linted and tested, and those of the fleet only where it is asked for.', () => {
    for (const name of ['npm', 'apt-get']) stub(name, '');
    run(specOf('check.yml'), { TESTS: 'infra' });
    expect(calls()).toContain('npm run lint');
    expect(calls()).toContain('npm run test:infra');
    expect(calls()).not.toContain('npm test');
    run(specOf('check.yml'), { TESTS: 'all' });
    expect(calls()).toContain('npm test');
  });

  it('A check that fails ends the build, and nothing after it runs.', () => {
    stub('apt-get', '');
    stub('npm', '[ "$2" != lint ] || exit 1');
    expect(run(specOf('check.yml'), { TESTS: 'infra' }).code).toBe(1);
    expect(calls()).not.toContain('npm run test:infra');
  });

  it('Every npm script that a buildspec runs is there.', () => {
    const { scripts } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { scripts: Record<string, string> };
    const used = files.flatMap((file) =>
      [...scriptOf(specOf(file)).matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name),
    );
    expect(used.length).toBeGreaterThan(3);
    expect(used.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('The host release is taken from where build:host puts it.', () => {
    stub('apt-get', '');
    stub(
      'npm',
      '[ "$2" != build:host ] || { mkdir -p "$4"; touch "$4/batchwell-host-x86_64.tar.gz"; }',
    );
    const spec = specOf('build-host.yml');
    expect(run(spec, {}).code).toBe(0);
    const base = join(work, 'src', spec.artifacts?.['base-directory'] ?? '');
    expect(readdirSync(base)).toEqual(['batchwell-host-x86_64.tar.gz']);
    expect(spec.artifacts?.files).toContain('batchwell-host-*.tar.gz');
  });
});

describe('the image', () => {
  const environment = {
    ARCHITECTURE: 'arm64',
    BUILD_IMAGE: 'node',
    REGISTRY: '111122223333.dkr.ecr.eu-west-1.amazonaws.com',
    REPOSITORY: 'batchwell',
  };
  const URI = `${environment.REGISTRY}/batchwell@sha256:1`;
  const TAG_PROGRAM = fileURLToPath(new URL('../deploy/image-tag.ts', import.meta.url));

  beforeEach(() => {
    // The tag is that of aws:deploy.
    stub(
      'docker',
      `case "$1" in
      run) "${process.execPath}" "${TAG_PROGRAM}" "\${@: -1}" ;;
      login) cat >"$WORK/password" ;;
      push) touch "$WORK/pushed" ;;
    esac`,
    );
    stub(
      'aws',
      `case "$2" in
      get-login-password) echo secret ;;
      describe-images)
        [ ! -e "$WORK/broken" ] || { echo 'An error occurred (AccessDeniedException)' >&2; exit 254; }
        [ -e "$WORK/pushed" ] || { echo 'An error occurred (ImageNotFoundException)' >&2; exit 254; }
        echo sha256:1 ;;
    esac`,
    );
  });

  it('It is built, pushed under the tag of its sources, and handed on by digest.', () => {
    const { code, variables } = run(specOf('build-image.yml'), environment);
    expect(code).toBe(0);
    expect(variables).toEqual({ IMAGE_URI: URI });
    const built = calls().find((call) => call.startsWith('docker build'));
    expect(built).toMatch(/--platform linux\/arm64 --tag \S+batchwell:[0-9a-f]{16}-arm64 \.$/);
    expect(readFileSync(join(work, 'password'), 'utf8')).toBe('secret\n');
  });

  it('One that is in the repository is not built again.', () => {
    writeFileSync(join(work, 'pushed'), '');
    expect(run(specOf('build-image.yml'), environment).variables).toEqual({ IMAGE_URI: URI });
    expect(calls().filter((call) => /docker (build|push)/.test(call))).toEqual([]);
  });

  it('A repository that cannot be read is an error and not a missing image.', () => {
    writeFileSync(join(work, 'broken'), '');
    const { code, out } = run(specOf('build-image.yml'), environment);
    expect(code).toBe(1);
    expect(out).toContain('AccessDeniedException');
  });
});

/** Options of the CLI as the stub reads them. */
const AWS = `option() { local name=$1; shift; while [ $# -gt 0 ]; do [ "$1" != "$name" ] || { echo "$2"; return; }; shift; done; }
key=$(option --key "$@"); file="$WORK/bucket/$key"
case "$2" in
  put-object)
    [ "$(option --if-none-match "$@")" = '*' ] || exit 9
    [ ! -e "$WORK/deny" ] || { echo 'An error occurred (AccessDenied)' >&2; exit 254; }
    [ ! -e "$file" ] || { echo 'An error occurred (PreconditionFailed)' >&2; exit 254; }
    mkdir -p "$(dirname "$file")"; cp "$(option --body "$@")" "$file" ;;
  head-object) openssl dgst -sha256 -binary "$file" | base64 ;;
  deploy)
    [ ! -e "$WORK/unchanged" ] || { echo 'No changes to deploy. Stack batchwell is up to date'; exit 0; }
    [ ! -e "$WORK/refused" ] || { echo 'An error occurred (ValidationError)' >&2; exit 254; }
    echo 'Changeset created successfully. Run the following command to review changes:'
    echo 'aws cloudformation describe-change-set --change-set-name arn:aws:cloudformation:eu-west-1:111122223333:changeSet/awscli-1/2' ;;
  describe-stacks) sed -n 1p "$WORK/statuses"; [ "$(wc -l <"$WORK/statuses")" = 1 ] || sed -i 1d "$WORK/statuses" ;;
  describe-stack-events) echo 'SpotEnvironment The instance profile is not valid' ;;
esac`;

describe('publishing', () => {
  const environment = { RELEASE_BUCKET: 'releases', CORE_STACK: 'batchwell' };
  const CHANGE_SET = 'arn:aws:cloudformation:eu-west-1:111122223333:changeSet/awscli-1/2';
  let expected: string;

  beforeEach(() => {
    stub('aws', AWS);
    const all = join(work, 'all');
    mkdirSync(all);
    for (const [name, arch] of [
      ['x86', 'x86_64'],
      ['arm', 'arm64'],
    ] as const) {
      const archive = `batchwell-host-${arch}.tar.gz`;
      mkdirSync(join(work, name));
      for (const folder_ of [join(work, name), all])
        writeFileSync(join(folder_, archive), `the archive for ${arch}`);
    }
    expected = listRelease(all);
  });

  const released = (): string[] => readdirSync(join(work, 'bucket/releases', expected)).toSorted();

  it('Both archives and their list are under the name that build:host gives such a release.', () => {
    const { code, variables } = run(inlineOf('Publish'), environment);
    expect(code).toBe(0);
    expect(variables).toEqual({ RELEASE: expected, CHANGE_SET });
    expect(released()).toEqual([
      'SHA256SUMS',
      'batchwell-host-arm64.tar.gz',
      'batchwell-host-x86_64.tar.gz',
    ]);
    const sums = readFileSync(join(work, 'bucket/releases', expected, 'SHA256SUMS'));
    expect(createHash('sha256').update(sums).digest('hex')).toBe(expected);
    const puts = calls().filter((call) => call.includes('put-object'));
    expect(puts.at(-1)).toContain('SHA256SUMS');
  });

  it('The change set names the release and nothing else, and is not executed.', () => {
    run(inlineOf('Publish'), environment);
    const change = calls().find((call) => call.includes('cloudformation deploy'));
    expect(change).toContain(`--parameter-overrides HostRelease=${expected} `);
    expect(change).toContain('--no-execute-changeset');
    expect(change).toContain('/infra/templates/core.yaml');
  });

  it('Run again, what is there stays, and the release is the same.', () => {
    run(inlineOf('Publish'), environment);
    rmSync(join(work, 'src/release'), { recursive: true });
    const { code, out, variables } = run(inlineOf('Publish'), environment);
    expect([code, variables['RELEASE']]).toEqual([0, expected]);
    expect(out).toContain('is there already');
  });

  it('A release with other content is never overwritten, and nothing is deployed.', () => {
    const there = join(work, 'bucket/releases', expected);
    mkdirSync(there, { recursive: true });
    writeFileSync(join(there, 'batchwell-host-arm64.tar.gz'), 'something else');
    const { code, out } = run(inlineOf('Publish'), environment);
    expect(code).toBe(1);
    expect(out).toContain('exists with other content');
    expect(calls().filter((call) => call.includes('cloudformation'))).toEqual([]);
    expect(readFileSync(join(there, 'batchwell-host-arm64.tar.gz'), 'utf8')).toBe('something else');
  });

  it.each(['deny', 'refused'])('A failure (%s) ends the build with what AWS said.', (fault) => {
    writeFileSync(join(work, fault), '');
    const { code, out } = run(inlineOf('Publish'), environment);
    expect(code).not.toBe(0);
    expect(out).toMatch(/An error occurred/);
  });

  it('Where core has the release already, there is no change set.', () => {
    writeFileSync(join(work, 'unchanged'), '');
    const { code, variables } = run(inlineOf('Publish'), environment);
    expect([code, variables['CHANGE_SET']]).toEqual([0, 'none']);
  });
});

describe('deploying', () => {
  const play = (statuses: string[], changeSet = 'arn:1') => {
    stub('aws', AWS);
    writeFileSync(join(work, 'statuses'), `${statuses.join('\n')}\n`);
    return run(inlineOf('Deploy'), {
      CORE_STACK: 'batchwell',
      CHANGE_SET: changeSet,
      PAUSE_SECONDS: '0',
      MOST_LOOKS: '3',
    });
  };

  it('The change set is executed and followed to its end.', () => {
    const { code, out } = play(['UPDATE_IN_PROGRESS', 'UPDATE_COMPLETE']);
    expect(code).toBe(0);
    expect(out).toContain('has the new release');
    expect(calls()[0]).toContain('execute-change-set --change-set-name arn:1');
  });

  it('Hosts whose jobs run for days do not fail the pipeline.', () => {
    const { code, out } = play(['UPDATE_IN_PROGRESS']);
    expect(code).toBe(0);
    expect(out).toContain('CloudFormation goes on');
  });

  it('A rollback fails it, with the reasons.', () => {
    const { code, out } = play(['UPDATE_ROLLBACK_IN_PROGRESS', 'UPDATE_ROLLBACK_COMPLETE']);
    expect(code).toBe(1);
    expect(out).toContain('SpotEnvironment The instance profile is not valid');
  });

  it('Without a change set nothing is executed.', () => {
    expect(play(['UPDATE_COMPLETE'], 'none').code).toBe(0);
    expect(calls()).toEqual([]);
  });
});
