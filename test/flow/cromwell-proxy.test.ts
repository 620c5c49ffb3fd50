/**
 * A Cromwell whose root only its own host sees: the whole fleet, real scripts, and the proxy as a
 * process in between.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { isLong } from '../long.ts';
import { startProgram } from '../../cli/stack/processes.ts';
import { startStack, type Stack } from '../../cli/stack.ts';
import type { FaultState } from '../../packages/local-aws/faults.ts';
import type { RequestRecord } from '../../packages/local-aws/ledger.ts';
import type { OwnedServer } from '../../cli/services/owned-server.ts';
import { freePort } from '../../cli/services/ports.ts';
import {
  cromwellClient,
  cromwellScript,
  cromwellTask,
  missingPrograms,
  onMount,
  workOf,
  type CromwellClient,
  type CromwellTask,
} from '../cromwell.ts';

const missing = missingPrograms(['bash', 'mkfifo', 'tee']);
const SLOW_MS = 90_000;
const cliMain = new URL('../../cli/main.ts', import.meta.url).pathname;

beforeEach(({ skip }) => skip(missing.length > 0, `no ${missing.join(', ')} on PATH`));

let stack: Stack;
/** Root folder of Cromwell's host: the fixtures' absolute paths are below it. */
let mount: string;
let proxy: OwnedServer;
let port: number;
let cromwell: CromwellClient;

const startProxy = (): Promise<OwnedServer> =>
  startProgram({
    title: 'the proxy',
    script: cliMain,
    environment: stack.environment,
    readyLine: /\bready at /,
    logFile: join(stack.folder, 'logs', 'proxy.log'),
    args: [
      'cromwell-proxy',
      '--port',
      String(port),
      '--url',
      stack.apiUrl,
      ...['srv', 'mnt', 'data'].flatMap((root) => [
        '--map',
        `${mount}/${root}=s3://shared-root/${root}`,
      ]),
    ],
  });

beforeAll(async () => {
  mount = await mkdtemp(join(tmpdir(), 'cromwell-mount-'));
  for (const root of ['srv', 'mnt', 'data']) await mkdir(join(mount, root));
  // Without a path map, so the proxy must send s3:// URLs.
  stack = await startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
      BATCHWELL_CACHE: 'readwrite',
    },
  });
  await stack.objects.ensureBucket('shared-root');
  port = await freePort();
  proxy = await startProxy();
  cromwell = cromwellClient(`http://127.0.0.1:${port}/ga4gh/tes/v1/tasks`);
}, SLOW_MS);
afterAll(async () => {
  await proxy?.stop();
  await stack?.stop();
  await rm(mount, { recursive: true, force: true });
}, SLOW_MS);

const local = async <T>(method: string, path: string, body?: unknown): Promise<T> =>
  (await (
    await fetch(`${stack.localAws?.s3Url}/_local/${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  ).json()) as T;

/** How many times S3 got this request for a file of the mount since the ledger was cleared. */
async function asked(operation: string, url: string): Promise<number> {
  const { recent } = await local<{ recent: RequestRecord[] }>('GET', 'ledger');
  return recent.filter(
    (one) =>
      one.operation === operation &&
      one.detail?.['subject'] === `shared-root${url.slice(mount.length)}`,
  ).length;
}

const read = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch(() => undefined);

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** Writes the files to the mount that Cromwell and its users would write. */
async function layOut(
  task: CromwellTask,
  command = workOf(task),
  epilogue?: string,
): Promise<CromwellTask> {
  for (const { name, url, type } of task.inputs) {
    if (name === 'commandScript') await write(url, cromwellScript(task, command, epilogue));
    else if (!existsSync(url))
      await write(type === 'DIRECTORY' ? join(url, 'deep', 'part') : url, 'reads\n');
  }
  return task;
}

const call = (workflowId: string, fixture = 'granular-glob-root-workflow'): CromwellTask =>
  onMount(cromwellTask(fixture, { workflowId }), mount);

const urlOf = (task: CromwellTask, name: string): string =>
  task.outputs.find((output) => output.name === name)?.url ?? '';
const logOf = (task: CromwellTask): string => urlOf(task, 'split_wf.split.output.0');

test(
  'outputs reach the mount with rc last and before COMPLETE is shown, and are not uploaded again',
  async () => {
    const first = await layOut(call('a0000000-0000-4000-8000-000000000001'));
    await local('POST', 'faults', {
      id: 'refused',
      service: 's3',
      operation: 'GetObject',
      match: logOf(first).slice(mount.length),
      kind: 'error',
      status: 403,
      code: 'AccessDenied',
    });
    const id = await cromwell.post(first);
    const seen = async <T>(look: () => Promise<T>): Promise<T> => {
      expect((await cromwell.full(id)).state).not.toBe('COMPLETE');
      return look();
    };
    // The log is not readable, everything else is.
    await expect
      .poll(() => seen(() => read(urlOf(first, 'stdout'))), { timeout: 60_000 })
      .toBe('worked\n');
    await expect
      .poll(() => seen(async () => (await local<FaultState[]>('GET', 'faults'))[0]?.bitten), {
        timeout: 30_000,
      })
      .toBeGreaterThan(1);
    expect((await cromwell.full(id)).state).toBe('RUNNING');
    expect(await read(urlOf(first, 'rc'))).toBeUndefined();
    await local('DELETE', 'faults?id=refused');
    expect(await cromwell.ended(id)).toBe('done');
    expect(await read(urlOf(first, 'rc'))).toBe('0\n');
    expect(await read(logOf(first))).toBe('READS\nREADS\n');
    expect(await read(`${urlOf(first, 'globDir.1')}/part-0`)).toBe('READS\nREADS\n');

    const second = call('a0000000-0000-4000-8000-000000000002');
    second.inputs[0] = { ...second.inputs[0]!, url: logOf(first) };
    await layOut(second);
    await local('DELETE', 'ledger');
    expect(await cromwell.ended(await cromwell.post(second))).toBe('done');
    expect(await read(logOf(second))).toBe('READS\nREADS\nREADS\n');
    expect(await asked('PutObject', logOf(first)), 'the output of the first call').toBe(0);
    expect(await asked('PutObject', second.inputs.at(-1)!.url), 'the script of the second').toBe(1);
  },
  SLOW_MS,
);

test.runIf(isLong)(
  'a proxy that is stopped half-way continues where it was',
  async () => {
    const task = await layOut(
      call('b0000000-0000-4000-8000-000000000001'),
      `echo of its own; ${workOf(call('b0000000-0000-4000-8000-000000000001'))}`,
    );
    await local('DELETE', 'ledger');
    await local('POST', 'faults', {
      id: 'held',
      service: 's3',
      operation: 'GetObject',
      match: logOf(task).slice(mount.length),
      kind: 'error',
      delayMs: 8000,
    });
    const id = await cromwell.post(task);
    await expect
      .poll(
        async () => {
          await cromwell.full(id);
          return read(urlOf(task, 'stdout'));
        },
        { timeout: 60_000 },
      )
      .toBe('of its own\nworked\n');
    await proxy.stop();
    expect(await proxy.ended).toBe('exit code 0');
    expect(existsSync(urlOf(task, 'rc'))).toBe(false);
    expect(
      (await readdir(dirname(logOf(task)))).filter((name) => name.endsWith('.batchwell-part')),
      'nothing unfinished is left behind',
    ).toEqual([]);
    await local('DELETE', 'faults?id=held');
    proxy = await startProxy();
    expect(await cromwell.ended(id)).toBe('done');
    expect(await read(urlOf(task, 'rc'))).toBe('0\n');
    expect(await read(logOf(task))).toBe('READS\nREADS\n');
    expect(
      await asked('GetObject', urlOf(task, 'stdout')),
      'what was home is not fetched again',
    ).toBe(1);
  },
  SLOW_MS,
);

test(
  'an aborted call ends as CANCELED, and the rc that Cromwell wrote stays',
  async () => {
    const task = await layOut(call('c0000000-0000-4000-8000-000000000001'), 'sleep 300');
    const id = await cromwell.post(task);
    await expect
      .poll(async () => (await cromwell.full(id)).state, { timeout: 30_000 })
      .toBe('RUNNING');
    await write(urlOf(task, 'rc'), '143\n');
    await cromwell.cancel(id);
    expect(await cromwell.ended(id)).toBe('aborted');
    expect(await read(urlOf(task, 'rc'))).toBe('143\n');
  },
  SLOW_MS,
);

test(
  'a task with a missing program fails without an rc, and the reason is in the call’s folder',
  async () => {
    const task = await layOut(call('d0000000-0000-4000-8000-000000000001'));
    task.executors[0]!.command = ['/no/such/program'];
    const id = await cromwell.post(task);
    expect(await cromwell.ended(id)).toBe('failed');
    expect((await cromwell.full(id)).state).toBe('EXECUTOR_ERROR');
    expect(existsSync(urlOf(task, 'rc'))).toBe(false);
    expect(await read(urlOf(task, 'stderr'))).toContain('/no/such/program');
  },
  SLOW_MS,
);

/** As in docs/cromwell.md. */
const EPILOGUE = "sleep 1; grep -qE 'OutOfMemory|Killed' stderr; echo $? > memory_retry_rc; sync";

test.runIf(isLong)(
  'the whole folder comes back with output-mode root, including memory_retry_rc, and such a run is never a hit',
  async () => {
    for (const workflowId of [
      'e0000000-0000-4000-8000-000000000001',
      'e0000000-0000-4000-8000-000000000002',
    ]) {
      const task = await layOut(
        call(workflowId, 'output-mode-root-nulls'),
        'echo Killed >&2; exit 137',
        EPILOGUE,
      );
      const id = await cromwell.post(task);
      expect(await cromwell.ended(id)).toBe('done');
      const execution = task.outputs[0]!.url;
      expect(await read(join(execution, 'rc'))).toBe('137\n');
      expect(await read(join(execution, 'memory_retry_rc'))).toBe('0\n');
      expect(await read(join(execution, 'stderr'))).toBe('Killed\n');
      expect((await cromwell.full(id)).logs[0]?.metadata).not.toHaveProperty('cache');
    }
  },
  SLOW_MS,
);
