/** MySQL or Redis that hangs: its process is stopped, so connections stay open and nothing answers. */
import { afterEach, describe, expect, test } from 'vitest';
import { startMariadb } from '../../cli/services/mariadb.ts';
import { migrateDatabase } from '../../db/client.ts';
import { jsonAs, startApiWorld, type Answer, type ApiWorld } from '../api-world.ts';
import { isLong } from '../long.ts';
import { startMovingName, type MovingName } from '../moving-name.ts';
import { newTask, startFleetWorld } from './harness.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

interface Hangable {
  url: string;
  name: MovingName;
  hang(): void;
  goOn(): void;
}

async function startHangable(): Promise<Hangable> {
  const { url, pid, stop } = await startMariadb({ small: true });
  const goOn = (): void => void process.kill(pid, 'SIGCONT');
  cleanUps.push(async () => {
    goOn();
    await stop();
  });
  const name = await startMovingName(url);
  cleanUps.push(() => name.close());
  await migrateDatabase(url);
  return { url: name.url, name, hang: () => void process.kill(pid, 'SIGSTOP'), goOn };
}

async function openApi(
  database: Hangable,
  settings: Parameters<typeof startApiWorld>[0] = {},
): Promise<ApiWorld> {
  const world = await startApiWorld(settings, async () => database.url);
  cleanUps.push(() => world.close());
  return world;
}

const TES = '/ga4gh/tes/v1/tasks';
const task = { executors: [{ image: 'alpine', command: ['true'] }] };
const eventsOf = ({ lines }: ApiWorld): string[] =>
  lines.map((line) => (JSON.parse(line) as { msg: string }).msg);

/** The budget of a reply while MySQL hangs. */
const REPLY_MS = 5000;

async function inTime(call: Promise<Answer>): Promise<Answer> {
  const startMs = Date.now();
  const answer = await call;
  expect(Date.now() - startMs).toBeLessThan(REPLY_MS);
  return answer;
}

describe('MySQL that hangs', () => {
  test('every POST is answered with 503 and Retry-After within 5 s, and goes on when MySQL does', async () => {
    const database = await startHangable();
    const world = await openApi(database, {
      tokens: ['ann:secret-of-ann'],
      apiStatementMs: 1000,
    });
    const ann = { authorization: 'Bearer secret-of-ann' };
    const post = () => world.call('POST', TES, task, ann);
    const made = await world.call('POST', '/v1/tokens', { name: 't', owner: 'bob' }, ann);
    expect(made.status).toBe(200);
    const { token } = jsonAs<{ token: string }>(made);
    const { id } = (await post()).json;
    database.hang();
    // All at once, more than there are connections; the second by a token that is in the database.
    const answers = await Promise.all([
      ...Array.from({ length: 12 }, () => inTime(post())),
      inTime(world.call('POST', TES, task, { authorization: `Bearer ${token}` })),
      inTime(
        world.call('POST', '/v1/scatters', { template: task, rows: [{ a: 1 }, { a: 2 }] }, ann),
      ),
    ]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    for (const { headers } of answers) expect(headers.get('retry-after')).toBe('5');
    const shown = await inTime(world.call('GET', `${TES}/${id}`, undefined, ann));
    expect([shown.status, shown.json.state]).toEqual([200, 'UNKNOWN']);
    expect((await inTime(world.call('GET', TES, undefined, ann))).status).toBe(503);
    expect((await inTime(world.call('GET', '/readyz'))).status).toBe(503);
    expect((await world.call('GET', '/metrics')).text).toMatch(
      /batchwell_database_timeouts_total\{what="statement"\} [1-9]/,
    );
    expect(eventsOf(world)).toContain('mysql-away');
    expect(eventsOf(world)).toContain('database-away');
    database.goOn();
    await expect.poll(async () => (await post()).status, { timeout: 10_000 }).toBe(200);
    expect((await world.call('GET', '/readyz')).status).toBe(200);
  });

  test.runIf(isLong)('an API and a worker end in time although MySQL hangs', async () => {
    const database = await startHangable();
    const api = await startApiWorld({}, async () => database.url);
    const fleet = await startFleetWorld(
      {},
      { database: { url: database.url, drop: async () => undefined } },
    );
    cleanUps.push(() => {
      database.goOn();
      return fleet.close();
    });
    fleet.sweeperMayHelp();
    const workers = await fleet.startWorkers();
    database.hang();
    const unanswered = api.call('POST', TES, task).catch(() => undefined);
    await fleet.queues.nudge([{ stage: 'finalize', message: { tasks: [1] } }]);
    await fleet.until('the worker to notice', () => !workers.runtime.database.standing().up);
    await Promise.all([api.queues.close(), api.database.close(), workers.close()]);
    await unanswered;
    expect(workers.runtime.database.standing().up).toBe(false);
    database.goOn();
    await api.close();
  });
});

test('credentials that were changed are a 503 with Retry-After, and the log says why', async () => {
  const world = await startApiWorld({}, async (url) => {
    const changed = new URL(url);
    changed.password = 'of-yesterday';
    return changed.href;
  });
  cleanUps.push(() => world.close());
  const answer = await world.call('POST', TES, task);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  expect((await world.call('GET', '/readyz')).status).toBe(503);
  expect(eventsOf(world).filter((event) => event === 'mysql-away')).toHaveLength(1);
  expect(world.lines.join('')).toMatch(/Access denied.*"outage":"refused"/);
  expect(world.lines.join('')).not.toContain('of-yesterday');
});

describe('a commit without an answer', () => {
  test.runIf(isLong)(
    'the reply says that the outcome is unknown and what to do, and a repeated key finds the task',
    async () => {
      const database = await startHangable();
      const world = await openApi(database, { apiStatementMs: 800 });
      const count = async (): Promise<number> => (await world.call('GET', TES)).json.tasks.length;
      const post = (headers: Record<string, string> = {}) => world.call('POST', TES, task, headers);

      database.name.loseAnswerTo(/COMMIT$/);
      const keyed = await post({ 'idempotency-key': 'once' });
      expect([keyed.status, keyed.json.message]).toEqual([
        503,
        'The database did not answer the commit, so it is not known whether the request took effect. ' +
          'Send it again with the same Idempotency-Key in 5 s: nothing is created twice.',
      ]);
      expect(await count()).toBe(1);
      const again = await post({ 'idempotency-key': 'once' });
      expect([again.status, await count()]).toEqual([200, 1]);

      database.name.loseAnswerTo(/COMMIT$/);
      const keyless = await post();
      expect([keyless.status, keyless.json.message]).toEqual([
        503,
        'The database did not answer the commit, so it is not known whether the request took effect. ' +
          'It had no Idempotency-Key: check by listing your tasks or scatters before you send it again.',
      ]);
      expect(await count()).toBe(2);
      expect(eventsOf(world).filter((event) => event === 'outcome-unknown')).toHaveLength(2);
      expect((await world.call('GET', '/metrics')).text).toContain(
        'batchwell_database_timeouts_total{what="commit"} 2',
      );
    },
  );

  test.runIf(isLong)(
    'a statement before the commit that had no answer leaves no doubt',
    async () => {
      const database = await startHangable();
      const world = await openApi(database, { apiStatementMs: 800 });
      await world.call('POST', TES, task);
      database.name.loseAnswerTo(/INSERT INTO tasks/);
      const answer = await world.call('POST', TES, task, { 'idempotency-key': 'k' });
      expect([answer.status, answer.json.message]).toEqual([
        503,
        'The database is unavailable. Try again in 5 s.',
      ]);
      expect((await world.call('GET', TES)).json.tasks).toHaveLength(1);
    },
  );
});

describe('Redis that hangs', () => {
  test.runIf(isLong)(
    'a POST succeeds, because the row is the truth, and the task runs when Redis goes on',
    async () => {
      const fleet = await startFleetWorld({ BATCHWELL_STALL_MS: '1500' });
      cleanUps.push(() => fleet.close());
      fleet.sweeperMayHelp();
      const { pid } = fleet.redis;
      const world = await startApiWorld(
        { redisUrl: fleet.redis.url, postsPerMinute: 1000, stallMs: 1500 },
        async () => fleet.environment['DATABASE_URL'] ?? '',
      );
      cleanUps.push(() => world.close());
      cleanUps.push(() => process.kill(pid, 'SIGCONT'));
      await fleet.startWorkers();
      process.kill(pid, 'SIGSTOP');
      process.kill(world.redis.pid, 'SIGSTOP');
      cleanUps.push(() => process.kill(world.redis.pid, 'SIGCONT'));
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => inTime(world.call('POST', TES, task))),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      expect((await world.call('GET', '/readyz')).status).toBe(503);
      expect((await inTime(world.call('GET', '/board/api/queues'))).status).toBe(503);
      process.kill(pid, 'SIGCONT');
      await fleet.until('the tasks to move', async () => {
        const [waiting] = await fleet.rows(
          "SELECT COUNT(*) AS count FROM tasks WHERE place = 'cache-check'",
        );
        return Number(waiting?.['count']) === 0;
      });
      await fleet.ended(await fleet.accept([newTask('after')]));
    },
  );
});
