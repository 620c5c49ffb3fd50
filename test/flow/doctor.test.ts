/** `batchwell doctor` against real servers: one that is well, and each of its parts in turn ill. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../../core/doctor/finding.ts';
import { run } from '../unit/cli-world.ts';
import { startFleetWorld, type FleetWorld } from './harness.ts';

let world: FleetWorld;
beforeAll(async () => {
  world = await startFleetWorld();
});
afterAll(() => world.close());

interface Report {
  ok: boolean;
  findings: Finding[];
}

async function examine(settings: Record<string, string> = {}) {
  const environment = { ...world.environment, ...settings };
  const { code, out } = await run(['doctor', '--json'], { environment });
  const { ok, findings } = JSON.parse(out) as Report;
  return {
    code,
    ok,
    wrong: findings.filter(({ status }) => status === 'wrong').map(({ check }) => check),
    of: (check: string) => findings.find((one) => one.check === check),
  };
}

test('an installation that works has nothing wrong, and every part was looked at', async () => {
  const seen = await examine();
  expect([seen.code, seen.ok, seen.wrong]).toEqual([0, true, []]);
  for (const check of [
    'database version',
    'migrations',
    'Redis policy',
    'clock',
    'bucket work-bucket',
    'ETags',
    'job queue batchwell',
    'permission batch:SubmitJob',
  ])
    expect(seen.of(check)?.status, check).toBe('ok');
  expect(world.batch.ledger.starts()).toEqual([]);
});

test('what is ill is named with advice, and the rest is still looked at', async () => {
  world.batch.faults.add({
    id: 'denial',
    service: 'batch',
    operation: 'SubmitJob',
    kind: 'error',
    status: 403,
    code: 'AccessDeniedException',
    message: 'User: x is not authorized to perform: batch:SubmitJob',
  });
  const seen = await examine({
    BATCHWELL_JOB_QUEUE: 'no-such-queue',
    BATCHWELL_BUCKET: 'no-such-bucket',
  });
  world.batch.faults.remove('denial');
  expect([seen.code, seen.ok]).toEqual([1, false]);
  expect(seen.wrong).toEqual([
    'bucket no-such-bucket',
    'job queue no-such-queue',
    'permission batch:SubmitJob',
  ]);
  expect(seen.of('permission batch:SubmitJob')?.advice).toBe(
    'Allow batch:SubmitJob to the role of the workers.',
  );
});

test('servers that do not answer are named, and the command ends', async () => {
  const seen = await examine({
    DATABASE_URL: 'mysql://nobody@127.0.0.1:1/none',
    REDIS_URL: 'redis://127.0.0.1:1',
  });
  expect(seen.wrong).toEqual(['database', 'Redis']);
  for (const name of seen.wrong) expect(seen.of(name)?.found).toContain('ECONNREFUSED');
});
