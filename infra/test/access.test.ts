/**
 * Access both ways. What a fleet asks of AWS is allowed to the role that asked, and what a role is
 * allowed was asked for, or has a reason. @cloud-copilot/iam-simulate decides, not we.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { PART_BYTES, startFleet, type Fleet } from './fleet-world.ts';
import type { Noted } from './recorder.ts';
import { verdict } from './verdict.ts';
import { unusedActions } from './unused-actions.ts';
import { deploy, policiesOf, wordsOf, type PolicyStatement } from './world.ts';

const OWNERS: Record<string, string> = {
  api: 'ApiPolicy',
  worker: 'WorkerPolicy',
  task: 'TaskRole',
};

const core = deploy('core', {
  WorkBucketName: 'work',
  InputBucketArns: 'arn:aws:s3:::reads',
  OutputBucketArns: 'arn:aws:s3:::results',
});

const statementsOf = (role: string): PolicyStatement[] =>
  policiesOf(core)
    .filter(({ id }) => id === OWNERS[role])
    .flatMap(({ statements }) => statements);

let fleet: Fleet;
let noted: Noted[];

async function post(path: string, body: unknown): Promise<Record<string, unknown>> {
  const answer = await fetch(`${fleet.apiUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const reply = (await answer.json()) as Record<string, unknown>;
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(reply)}`);
  return reply;
}

async function get(path: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${fleet.apiUrl}${path}`);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

const taskOf = (output: string, command: string[]) => ({
  name: 'access',
  tags: { 'batchwell.cache': 'readwrite' },
  inputs: [
    { url: 's3://reads/sample.txt', path: '/in/sample.txt' },
    { url: 's3://reads/folder', path: '/in/folder', type: 'DIRECTORY' },
  ],
  outputs: [{ url: `s3://results/${output}`, path: '/out/result.txt' }],
  executors: [{ image: 'debian:stable-slim', command, stdout: '/out/result.txt' }],
});

const stateOf = async (id: unknown): Promise<unknown> =>
  (await get(`/ga4gh/tes/v1/tasks/${String(id)}`))['state'];

const until = (holds: () => boolean | Promise<boolean>): Promise<unknown> =>
  vi.waitUntil(holds, { timeout: 120_000, interval: 200 });

async function runTask(task: ReturnType<typeof taskOf>): Promise<string> {
  const { id } = await post('/ga4gh/tes/v1/tasks', task);
  await until(async () => (await stateOf(id)) === 'COMPLETE');
  return String(id);
}

/** A hit on an output above 5 GiB. */
async function copyInParts(): Promise<void> {
  const objects = fleet.objectsOf('worker');
  const url = 's3://results/large';
  const seen = await objects.describe(url);
  const from = {
    url,
    sizeBytes: seen?.sizeBytes ?? 0,
    etag: seen?.etag ?? '',
    versionId: null,
    crc64nvme: seen?.checksums.crc64nvme ?? '',
  };
  const copied = await objects.copy({ from, toUrl: 's3://results/copy' });
  expect(copied).toMatchObject({ did: 'copied' });
  objects.close();
}

beforeAll(async () => {
  fleet = await startFleet({
    BATCHWELL_JOB_QUEUE: 'batchwell',
    BATCHWELL_JOB_ROLE: 'arn:aws:iam::111122223333:role/TaskRole',
    BATCHWELL_LOG_GROUP: '/batchwell/batchwell/tasks',
    BATCHWELL_LIVE_LOGS_MS: '1000',
  });
  const person = fleet.objectsOf('person');
  await person.put('s3://reads/sample.txt', 'one\ntwo\n');
  await person.put('s3://reads/folder/a.txt', 'a\n');
  await person.put('s3://results/large', 'x'.repeat(3 * PART_BYTES));
  const count = ['wc', '-l', '/in/sample.txt'];
  const id = await runTask(taskOf('first.txt', count));
  await runTask(taskOf('second.txt', count));
  const resources = { backend_parameters: { queue: 'batchwell' } };
  await post('/v1/tasks:validate', { ...taskOf('queued.txt', count), resources });
  await get(`/ga4gh/tes/v1/tasks/${id}?view=FULL`);
  await fetch(`${fleet.apiUrl}/v1/tasks/${id}/logs/stdout`);
  await post('/v1/tasks:validate', taskOf('third.txt', count));
  const { id: sleeping } = await post('/ga4gh/tes/v1/tasks', taskOf('never.txt', ['sleep', '600']));
  await until(async () => (await stateOf(sleeping)) === 'RUNNING');
  await post(`/ga4gh/tes/v1/tasks/${String(sleeping)}:cancel`, {});
  await until(() => fleet.noted.some(({ action }) => action === 'batch:TerminateJob'));
  await until(async () => (await stateOf(sleeping)) === 'CANCELED');
  await copyInParts();
  person.close();
  const ours = fleet.noted.filter(({ role }) => role !== 'person');
  noted = [...new Map(ours.map((one) => [JSON.stringify(one), one])).values()];
}, 240_000);

afterAll(() => fleet.stop());

it('Every request of the fleet has a row in the table of IAM actions.', () => {
  expect([...fleet.unknown]).toEqual([]);
  expect(new Set(noted.map(({ role }) => role))).toEqual(new Set(['api', 'worker', 'task']));
});

it('Every request is allowed to the role that made it.', async () => {
  const refused = [];
  for (const request of noted) {
    const result = await verdict(request, statementsOf(request.role));
    if (result !== 'Allowed') refused.push([result, request]);
  }
  expect(refused).toEqual([]);
});

it('Each action of each role was used, or has a reason.', () => {
  for (const role of Object.keys(OWNERS)) {
    const used = new Set(noted.filter((one) => one.role === role).map(({ action }) => action));
    const granted = statementsOf(role)
      .filter(({ Effect: effect }) => effect === 'Allow')
      .flatMap(({ Action: action }) => wordsOf(action));
    const reasons = Object.keys(unusedActions[role] ?? {});
    expect(
      granted.filter((action) => !used.has(action) && !reasons.includes(action)),
      role,
    ).toEqual([]);
    expect(
      reasons.filter((action) => !granted.includes(action)),
      role,
    ).toEqual([]);
  }
});

it('Whichever permission is removed, a request that needed it is no longer allowed.', async () => {
  for (const role of Object.keys(OWNERS)) {
    const own = noted.filter((one) => one.role === role);
    for (const action of new Set(own.map((one) => one.action))) {
      const less = statementsOf(role)
        .map((statement) => ({
          ...statement,
          Action: wordsOf(statement.Action).filter((word) => word !== action),
        }))
        .filter((statement) => statement.Action.length > 0);
      const needing = own.filter((one) => one.action === action);
      const [request = noted[0]] = needing;
      expect(request && (await verdict(request, less)), `${role} ${action}`).toBe(
        'ImplicitlyDenied',
      );
    }
  }
});

it.each([
  ['another queue', 'batch:SubmitJob', 'arn:aws:batch:eu-west-1:111122223333:job-queue/others', {}],
  [
    'a privileged container',
    'batch:RegisterJobDefinition',
    'arn:aws:batch:eu-west-1:111122223333:job-definition/batchwell-a',
    {
      'batch:Privileged': 'true',
      'batch:LogDriver': 'awslogs',
      'batch:AWSLogsGroup': '/batchwell/batchwell/tasks',
    },
  ],
  [
    'a container without our log group',
    'batch:RegisterJobDefinition',
    'arn:aws:batch:eu-west-1:111122223333:job-definition/batchwell-a',
    {},
  ],
  [
    'a role that is not listed',
    'iam:PassRole',
    'arn:aws:iam::111122223333:role/admin',
    { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' },
  ],
  [
    'the task role for another service',
    'iam:PassRole',
    'arn:aws:iam::111122223333:role/TaskRole',
    { 'iam:PassedToService': 'lambda.amazonaws.com' },
  ],
  ['writing to the inputs', 's3:PutObject', 'arn:aws:s3:::reads/sample.txt', {}],
])('A worker is denied %s.', async (_, action, resource, context) => {
  const request = { role: 'worker', action, resource, context: context as Record<string, string> };
  expect(await verdict(request, statementsOf('worker'))).toMatch(/Denied$/);
});

it.each([
  ['writing a script', 's3:PutObject', 'arn:aws:s3:::work/scripts/a.sh'],
  ['the lease of an installation', 's3:GetObject', 'arn:aws:s3:::work/installations/a'],
  ['writing to the inputs', 's3:PutObject', 'arn:aws:s3:::reads/sample.txt'],
  ['jobs of others', 'batch:DescribeJobs', '*'],
])('A task is denied %s.', async (_, action, resource) => {
  expect(await verdict({ action, resource, context: {} }, statementsOf('task'))).toBe(
    'ImplicitlyDenied',
  );
});
