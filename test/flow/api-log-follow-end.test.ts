/** What ends a followed log before its task: over HTTP, with a real database and a simulated S3. */
import { get, type IncomingMessage } from 'node:http';
import { pino } from 'pino';
import { afterAll, describe, expect, test } from 'vitest';
import { followLog } from '../../api/tasks/follow-log.ts';
import { createTaskWaiter } from '../../api/tasks/wait.ts';
import { startApiWorld } from '../api-world.ts';
import { followIn, LOG_SETTINGS, shipIn, logsIn, postIn, rowOf, runIn } from '../log-world.ts';

const world = await startApiWorld(LOG_SETTINGS);
afterAll(() => world.close());
const post = postIn(world);
const run = runIn(world);
const logs = logsIn(world);

describe('the end of a followed log', () => {
  const MOST = 200;
  const underWay = async () =>
    /^batchwell_log_follows (\d+)$/m.exec((await world.call('GET', '/metrics')).text)?.[1];

  /** Uses separate connections: fetch replaces an aborted one with an unused one, which delays the server's close. */
  const open = (id: string) =>
    new Promise<IncomingMessage>(
      (resolve) =>
        void get(`${world.url}/v1/tasks/${id}/logs?follow=true`, { agent: false }, resolve),
    );

  const noneUnderWay = async (): Promise<void> => {
    await expect.poll(underWay, { timeout: 15_000 }).toBe('0');
  };

  test('a followed log ends when its reader disconnects, and makes room for another', async () => {
    await noneUnderWay();
    const id = await post();
    const all = await Promise.all(Array.from({ length: MOST }, () => open(id)));
    expect(await underWay()).toBe(String(MOST));
    const refused = await logs(id, 'follow=true');
    expect([refused.status, refused.headers.get('retry-after'), refused.json.message]).toEqual([
      503,
      '30',
      expect.stringContaining(`already follows ${MOST} logs`),
    ]);
    for (const one of all) one.destroy();
    await noneUnderWay();
    (await open(id)).destroy();
    await noneUnderWay();
    const head = await world.call('HEAD', `/v1/tasks/${id}/logs?follow=true`);
    expect([head.status, head.text]).toEqual([200, '']);
    await noneUnderWay();
  }, 60_000);

  test('S3 is no longer queried once the reader has disconnected', async () => {
    const signal = new AbortController();
    const id = await post();
    const key = await run(id);
    const pieces = followLog(
      {
        ...world,
        log: pino({ level: 'silent' }),
        logObjects: world.logs.objects,
        taskWaiter: createTaskWaiter({ ...world, log: pino({ level: 'silent' }) }),
      },
      rowOf(id),
      { stream: 'stdout', executor: 0, tailBytes: 9 },
      signal.signal,
    );
    expect((await pieces.next()).value).toEqual({ is: 'waiting' });
    const asked = world.logs.opened.filter((one) => one.includes(key)).length;
    const next = pieces.next();
    signal.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(world.logs.opened.filter((one) => one.includes(key))).toHaveLength(asked);
  });

  test('a followed log is cut at once when the server closes, so that it does not look complete', async () => {
    const own = await startApiWorld(LOG_SETTINGS);
    const id = await postIn(own)();
    const key = await runIn(own)(id);
    shipIn(own)(key, 'printed\n');
    const following = await followIn(own)(id);
    await following.until('printed');
    await own.close();
    await expect(following.whole).rejects.toThrow('terminated');
    expect(following.text()).toBe('printed\n');
  });
});
