/**
 * Tasks that are polled through the Cromwell proxy: their end is shown once their outputs are on
 * the mount.
 */
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Answer } from '../unit/cli-world.ts';
import { TASKS, useProxyWorld } from './cromwell-proxy-world.ts';

const world = useProxyWorld();

describe('GET /tasks/{id} at the Cromwell proxy', () => {
  const full = (state: string, outputs: string[], more: Record<string, unknown> = {}) => ({
    id: 'task-1',
    state,
    outputs: [
      { name: 'rc', url: 's3://lab/runs/x/rc', type: 'FILE' },
      { name: 'stderr', url: 's3://lab/runs/x/stderr', type: 'FILE' },
    ],
    logs: [
      { logs: [{ exit_code: 0 }], outputs: outputs.map((url) => ({ url, path: '/any' })), ...more },
    ],
  });
  const shows = (task: unknown): Record<string, Answer> => ({
    [`GET ${TASKS}/task-1`]: { body: task },
  });

  test('a task is shown as ended once its files are on the mount, and files outside the roots stay in S3', async () => {
    for (const name of ['x/rc', 'x/out', 'x/dir/deep/a'])
      await world.objects.put(`s3://lab/runs/${name}`, `${name}\n`);
    await world.open(
      shows(
        full('COMPLETE', [
          's3://lab/runs/x/rc',
          's3://lab/runs/x/out',
          's3://lab/runs/x/dir/deep/a',
          's3://elsewhere/y',
          's3://lab/runs/../../../etc/z',
          's3://lab/runs/x/gone',
        ]),
      ),
    );
    expect((await world.look()).body.state).toBe('COMPLETE');
    for (const name of ['x/rc', 'x/out', 'x/dir/deep/a'])
      expect(await world.read(name)).toBe(`${name}\n`);
    const gets = (): number => world.requests('GetObject');
    const before = gets();
    expect((await world.look('FULL')).body).toEqual(
      full('COMPLETE', [
        's3://lab/runs/x/rc',
        's3://lab/runs/x/out',
        's3://lab/runs/x/dir/deep/a',
        's3://elsewhere/y',
        's3://lab/runs/../../../etc/z',
        's3://lab/runs/x/gone',
      ]),
    );
    expect(gets(), 'nothing is fetched twice').toBe(before);
  });

  test('the proxy does not write through a link that leads out of the roots', async () => {
    await mkdir(join(world.folder, 'outside'));
    await symlink(join(world.folder, 'outside'), join(world.root, 'x'));
    await world.objects.put('s3://lab/runs/x/out', 'text');
    await world.open(shows(full('COMPLETE', ['s3://lab/runs/x/out'])));
    expect((await world.look()).body.state).toBe('RUNNING');
    expect(await readFile(join(world.folder, 'outside/out'), 'utf8').catch(() => 'nothing')).toBe(
      'nothing',
    );
  });

  test('an rc that Cromwell wrote is kept, and any other file that differs is replaced', async () => {
    await world.write('x/rc', '143\n');
    await world.write('x/out', 'of before');
    await world.objects.put('s3://lab/runs/x/rc', '0\n');
    await world.objects.put('s3://lab/runs/x/out', 'of now');
    await world.open(shows(full('COMPLETE', ['s3://lab/runs/x/rc', 's3://lab/runs/x/out'])));
    expect((await world.look()).body.state).toBe('COMPLETE');
    expect(await world.read('x/rc')).toBe('143\n');
    expect(await world.read('x/out')).toBe('of now');
  });

  test('a failed task gets what it printed in its world.folder, and a cancelled task gets nothing', async () => {
    await world.open({
      [`GET ${TASKS}/task-1`]: [
        { body: full('CANCELED', []) },
        {
          body: full('EXECUTOR_ERROR', [], { logs: [{ exit_code: 1, stderr: 'no such program' }] }),
        },
      ],
    });
    expect((await world.look()).body.state).toBe('CANCELED');
    expect(await world.read('x/stderr')).toBeUndefined();
    expect((await world.look()).body.state).toBe('EXECUTOR_ERROR');
    expect(await world.read('x/stderr')).toBe('no such program');
    expect(await world.read('x/rc')).toBeUndefined();
  });

  test('a last known state from the API is not mistaken for a task without outputs', async () => {
    await world.objects.put('s3://lab/runs/x/rc', '0\n');
    const recalled = {
      headers: { 'x-batchwell-last-known': 'now' },
      body: { id: 'task-1', state: 'COMPLETE' },
    };
    await world.open({
      [`GET ${TASKS}/task-1`]: [
        recalled,
        recalled,
        { body: full('COMPLETE', ['s3://lab/runs/x/rc']) },
      ],
    });
    expect((await world.look()).body.state).toBe('RUNNING');
    expect(await world.read('x/rc')).toBeUndefined();
    expect((await world.look()).body.state).toBe('COMPLETE');
    expect(await world.read('x/rc')).toBe('0\n');
  });

  test('a task is shown in its last state while the API is down, else as UNKNOWN', async () => {
    await world.open({
      [`GET ${TASKS}/task-1`]: [
        { status: 503, body: {} },
        { body: { id: 'task-1', state: 'QUEUED' } },
        { status: 500, body: 'no JSON' },
      ],
    });
    expect(await world.look('FULL')).toEqual({
      status: 200,
      body: { id: 'task-1', state: 'UNKNOWN', executors: [], logs: [] },
    });
    expect((await world.look()).body.state).toBe('QUEUED');
    expect(await world.look()).toEqual({ status: 200, body: { id: 'task-1', state: 'QUEUED' } });
    await world.api.close();
    expect(await world.look()).toEqual({ status: 200, body: { id: 'task-1', state: 'QUEUED' } });
  });

  test('a 404 or 401 of the API is passed back', async () => {
    await world.open({
      [`GET ${TASKS}/task-1`]: [
        { status: 404, body: { message: 'none' } },
        { status: 401, body: { message: 'a token' } },
      ],
    });
    expect(await world.look()).toEqual({ status: 404, body: { message: 'none' } });
    expect(await world.look()).toEqual({ status: 401, body: { message: 'a token' } });
  });
});
