// cspell:ignore mknod setfcap setpcap
/** The Compose profile `local`: whether its Batch can run a task with the rights that it has there. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { repositoryRoot } from '../repository.ts';

/** Of a container, by Docker's documentation ("Runtime privilege and Linux capabilities"). */
const DOCKER = [
  'audit_write',
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'mknod',
  'net_bind_service',
  'net_raw',
  'setfcap',
  'setgid',
  'setpcap',
  'setuid',
  'sys_chroot',
];

/** What docker-compose.yml says of the service local-aws. */
const service = (): string => {
  const file = readFileSync(join(repositoryRoot, 'docker-compose.yml'), 'utf8');
  return /\n {2}local-aws:\n((?: {4}.*\n|\n)+)/.exec(file)?.[1] ?? '';
};
const added = (): string[] =>
  (/cap_add: \[(.*)\]/.exec(service())?.[1] ?? '').split(', ').map((name) => name.toLowerCase());

const hasRoot = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0;

describe.runIf(hasRoot)('a container of Compose', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'batchwell-compose-'));
  });
  afterAll(async () => rm(folder, { recursive: true, force: true }));

  /** The way in which the local Batch runs jobs with these capabilities, or why it does not start. */
  const choose = (capabilities: readonly string[]): string => {
    const url = new URL('../../packages/local-aws/batch/runners/choose.ts', import.meta.url);
    const program =
      `import { chooseRunner } from ${JSON.stringify(url)};\n` +
      `const options = { dataFolder: ${JSON.stringify(folder)}, only: 'isolated' };\n` +
      'console.log((await chooseRunner(options).catch((error) => error)).name + "");';
    const bounded = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
    const { stdout, stderr } = spawnSync(
      'setpriv',
      [
        `--bounding-set=${bounded}`,
        '--inh-caps=-all',
        '--',
        process.execPath,
        '--input-type=module',
        '-e',
        program,
      ],
      { encoding: 'utf8' },
    );
    return stdout.trim() || stderr;
  };

  test('the local Batch runs a job as root with the capabilities that Compose adds', () => {
    expect(service()).toContain('user: root');
    expect(service()).toContain('seccomp:unconfined, apparmor:unconfined');
    expect(choose([...DOCKER, ...added()])).toBe('isolated');
  });

  test('with the capabilities of a container alone, it does not start', () => {
    expect(choose(DOCKER)).toBe('Error');
  });
});
