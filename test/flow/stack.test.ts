/**
 * The whole of Batchwell on this machine, through the CLI: real Redis, MariaDB, local AWS, API and
 * worker processes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openClient, type BatchwellEvent } from '../../packages/client/client.ts';
import { startStack, type Stack } from '../../cli/stack.ts';
import { startReceiver, type Receiver } from '../receiver.ts';
import { run } from '../unit/cli-world.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const SLOW_MS = 60_000;

const task = (command: string, more: object = {}) =>
  JSON.stringify({
    name: 'flow',
    executors: [{ image: 'debian:stable-slim', command: ['sh', '-c', command] }],
    ...more,
  });

describe('on one running stack', () => {
  let stack: Stack;
  const cli = (words: string[], stdin?: string) =>
    run(words, {
      ...(stdin !== undefined && { stdin }),
      environment: { BATCHWELL_URL: stack.apiUrl },
    });

  let receiver: Receiver;
  /** A folder that the tasks can see, too. */
  let shared: string;
  beforeAll(async () => {
    receiver = await startReceiver();
    shared = await mkdtemp(join(tmpdir(), 'batchwell-shared-'));
    // Without the other settings of the machine that runs the test.
    const environment = {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    };
    stack = await startStack({
      environment,
      settings: {
        BATCHWELL_WEBHOOK_ORIGINS: receiver.origin,
        BATCHWELL_WEBHOOK_KEY: 'k'.repeat(32),
        BATCHWELL_SHARED_FOLDERS: shared,
      },
    });
  }, SLOW_MS);
  afterAll(async () => {
    await stack?.stop();
    receiver.close();
    await rm(shared, { recursive: true, force: true });
  }, SLOW_MS);

  it(
    'events of a scatter report each task as it runs and ends, and a webhook is notified of the end',
    async () => {
      await cli(['webhook', 'create', `${receiver.origin}/told`, '--tag', 'heard=yes']);
      const rows = Array.from({ length: 3 }, (_, at) => ({ at }));
      const scatter = JSON.stringify({
        template: {
          executors: [
            {
              image: 'debian:stable-slim',
              command: ['sh', '-c', `until [ -e ${shared}/go ]; do sleep 0.2; done`],
            },
          ],
        },
        rows,
        tags: { heard: 'yes' },
      });
      const { id } = JSON.parse((await cli(['scatter', '-', '--json'], scatter)).out);
      const heard: BatchwellEvent[] = [];
      for await (const event of openClient({ url: stack.apiUrl }).events({ scatter: id })) {
        heard.push(event);
        if (event.event === 'task' && event.data.state === 'RUNNING')
          await writeFile(join(shared, 'go'), '');
      }
      const statesOf = (row: number) => [
        ...new Set(
          heard.flatMap(({ event, data }) =>
            event === 'task' && data.row === row ? [data.state] : [],
          ),
        ),
      ];
      // Those that have no room yet run too briefly, once the others have ended, to be seen running.
      expect(rows.map(({ at }) => statesOf(at).at(-1))).toEqual(rows.map(() => 'COMPLETE'));
      expect(rows.map(({ at }) => statesOf(at).slice(-2))).toContainEqual(['RUNNING', 'COMPLETE']);
      await expect
        .poll(
          () =>
            receiver.received
              .map(({ body }) => JSON.parse(body))
              .find(({ type }) => type === 'scatter.ended'),
          { timeout: SLOW_MS },
        )
        .toMatchObject({ data: { id, states: { COMPLETE: 3 } } });
    },
    SLOW_MS,
  );

  it(
    'outputs are copied to their URLs, and a second equal task is a cache hit',
    async () => {
      const { bucket } = stack;
      await stack.objects.put(`s3://${bucket}/flow/in.txt`, 'one\ntwo\n');
      const body = (to: string) =>
        task('wc -l < /in/text > /out/count', {
          inputs: [{ url: `s3://${bucket}/flow/in.txt`, path: '/in/text' }],
          outputs: [{ url: `s3://${bucket}/flow/${to}`, path: '/out/count' }],
          tags: { 'batchwell.cache': 'readwrite' },
        });
      for (const to of ['first', 'second']) {
        const ran = await cli(['submit', '-', '--wait', '--json'], body(to));
        expect(ran.err).toContain('COMPLETE');
        expect(ran.code).toBe(0);
        expect(JSON.parse(ran.out).logs[0].metadata.cache === 'hit').toBe(to === 'second');
        expect((await stack.objects.get(`s3://${bucket}/flow/${to}`))?.toString().trim()).toBe('2');
        const { spans } = JSON.parse(
          (await cli(['timeline', JSON.parse(ran.out).id, '--json'])).out,
        ) as { spans: { what: string; to?: string }[] };
        expect(spans.map(({ what }) => what)).toEqual(
          to === 'second'
            ? ['cache-check', 'finalized']
            : [
                'cache-check',
                'stage-script',
                'waited-for-company',
                'packed',
                'in-batch',
                'ran',
                'end-unseen',
                'finalized',
              ],
        );
        expect(spans.every((span) => span.to !== undefined)).toBe(true);
      }
    },
    SLOW_MS,
  );

  it(
    'cache explain explains a hit and a miss, part by part',
    async () => {
      const { bucket } = stack;
      const submit = async (text: string, cache: string): Promise<string> => {
        const ran = await cli(
          ['submit', '-', '--wait', '--json'],
          task('cat /in/text > /out/copy', {
            inputs: [{ content: text, path: '/in/text' }],
            outputs: [{ url: `s3://${bucket}/explained/${text}`, path: '/out/copy' }],
            tags: { 'batchwell.cache': cache },
          }),
        );
        return JSON.parse(ran.out).id as string;
      };
      const explain = async (...ids: string[]) =>
        JSON.parse((await cli(['cache', 'explain', ...ids, '--json'])).out);
      const [one, other, off] = [
        await submit('one', 'readwrite'),
        await submit('other', 'readwrite'),
        await submit('one', 'off'),
      ];

      expect(await explain(one)).toMatchObject({
        verdict: expect.stringContaining('Its own entry'),
        entry: { task: one, valid: true },
        unreadable_inputs: [],
      });
      expect((await explain(one, other)).differences).toEqual([
        {
          part: 'inputs[/in/text]',
          brief: 'input text changed',
          says: expect.stringContaining('its content is in the task'),
        },
      ]);
      expect(await explain(off)).toMatchObject({
        verdict: expect.stringContaining('Caching is off'),
        entry: { task: one },
      });
    },
    SLOW_MS,
  );

  it(
    'a command that fails makes submit --wait exit with 1, and its exit code and logs are shown',
    async () => {
      const ran = await cli(
        ['submit', '-', '--wait', '--json'],
        task('echo to stdout; echo to stderr >&2; exit 7'),
      );
      const ended = JSON.parse(ran.out);
      expect(ran.code).toBe(1);
      expect(ended).toMatchObject({
        state: 'EXECUTOR_ERROR',
        logs: [{ logs: [{ exit_code: 7 }] }],
      });
      expect((await cli(['logs', ended.id])).out).toBe('to stdout\n');
      expect((await cli(['logs', ended.id, '--stderr'])).out).toBe('to stderr\n');
      expect((await cli(['script', ended.id])).out).toContain('exit 7');
    },
    SLOW_MS,
  );

  it(
    'an input that does not exist is an EXECUTOR_ERROR that names the object',
    async () => {
      const url = `s3://${stack.bucket}/flow/never-written`;
      const ran = await cli(
        ['submit', '-', '--wait'],
        task('true', { inputs: [{ url, path: '/in/text' }] }),
      );
      expect(ran.code).toBe(1);
      expect(ran.err).toContain('EXECUTOR_ERROR');
      expect(ran.err).toContain(url);
    },
    SLOW_MS,
  );

  it(
    'a scatter with invalid rows is refused as a whole, and every such row is named',
    async () => {
      const before = JSON.parse((await cli(['status', '--json'])).out) as unknown[];
      const template = { executors: [{ image: 'debian', command: ['echo', '{{word}}'] }] };
      const ran = await cli(
        ['scatter', '-'],
        JSON.stringify({ template, rows: [{ word: 'a' }, {}, { word: ['b'] }] }),
      );
      expect(ran.code).toBe(2);
      expect(ran.err).toMatch(/row 1, word: expected .*\n {2}row 2, word: expected /);
      expect(JSON.parse((await cli(['status', '--json'])).out)).toHaveLength(before.length);
    },
    SLOW_MS,
  );

  // Last, because it ends the stack.
  it(
    'a process that dies is named with the end of its log, and stop leaves nothing behind',
    async () => {
      const [worker] = await processesOf(
        (environment) =>
          environment.includes(`DATABASE_URL=${stack.databaseUrl}`) &&
          environment.some((line) => line.startsWith('BATCHWELL_METRICS_PORT=')),
      );
      process.kill(worker!, 'SIGKILL');
      expect(await stack.unexpectedExit).toMatchObject({
        title: 'worker 1',
        how: 'SIGKILL',
        logTail: expect.stringContaining('worker-started'),
      });
      await stack.stop();
      expect(existsSync(stack.folder)).toBe(false);
      expect(
        await processesOf((environment) =>
          environment.includes(`DATABASE_URL=${stack.databaseUrl}`),
        ),
      ).toEqual([]);
    },
    SLOW_MS,
  );
});

it(
  '`batchwell up` that is killed leaves no process and no folder behind',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'batchwell-killed-'));
    await chmod(folder, 0o711); // the database's own user must pass through
    const mine = () => processesOf((environment) => environment.includes(`TMPDIR=${folder}`));
    const up = spawn(process.execPath, [main, 'up'], {
      env: {
        PATH: process.env['PATH'],
        TMPDIR: folder,
        BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    try {
      let said = '';
      up.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      up.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      await expect.poll(() => said, { timeout: SLOW_MS }).toContain('Press Ctrl-C to stop');
      expect((await mine()).length).toBeGreaterThan(6);
      up.kill('SIGKILL');
      await once(up, 'close');
      await expect.poll(mine, { timeout: 30_000 }).toEqual([]);
      expect((await readdir(folder)).filter((name) => name !== 'node-compile-cache')).toEqual([]);
    } finally {
      up.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  },
  2 * SLOW_MS,
);

it('invalid settings are reported before anything is started', async () => {
  const environment = { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9000' };
  await expect(startStack({ environment })).rejects.toThrow(
    'AWS_ENDPOINT_URL_S3 is set, but AWS_ENDPOINT_URL_BATCH is not',
  );
  await expect(startStack({ environment: { PORT: 'x', REDIS_URL: 'http://no' } })).rejects.toThrow(
    '2 settings are not valid',
  );
});

/** Ids of the processes whose environment matches; a zombie has none. */
async function processesOf(wanted: (environment: string[]) => boolean): Promise<number[]> {
  const ids = (await readdir('/proc')).map(Number).filter((id) => id > 0);
  const found = await Promise.all(
    ids.map(async (id) => {
      const environment = await readFile(`/proc/${id}/environ`, 'utf8').catch(() => '');
      return wanted(environment.split('\0')) ? [id] : [];
    }),
  );
  return found.flat();
}
