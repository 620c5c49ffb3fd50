/** The requests as the SDK sends them, to the played EC2 on loopback. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ec2Client } from '../ec2/client.ts';
import { metadata } from '../ec2/metadata.ts';
import { performEc2, type Ec2Client, type Owner } from '../ec2/requests.ts';
import type { Ec2Outcome } from '../rules/action.ts';
import { emptyJournal, type Growth, type Journal } from '../rules/journal.ts';
import type { Policy } from '../rules/policy.ts';
import { recordEc2, recordQuick } from '../rules/record.ts';
import { tagsOf } from '../rules/tags.ts';
import { sweep } from '../sweep.ts';
import { dice } from './world/dice.ts';
import { serveEc2, type Ec2Server } from './world/ec2-server.ts';
import { noFaults, PlayedEc2 } from './world/played-ec2.ts';

const INSTANCE = { instanceId: 'i-0a', zone: 'eu-west-1a', region: 'eu-west-1' };
const TAGS = { Project: 'a, "b"', Zwölf: 'ü & <c>', Empty: '' };
const policy: Policy = {
  mode: 'elastic',
  firstGiB: 100,
  maxGiB: 1000,
  leastGrowthGiB: 100,
  brakeFloorBytes: 1,
  brakeMs: 120_000,
  mostVolumes: 20,
  iops: 3000,
  throughput: 250,
  kmsKeyArn: '',
  region: 'eu-west-1',
  stack: 'batchwell',
};

let nowMs = 0;
let ec2: PlayedEc2;
let server: Ec2Server;
let client: Ec2Client;

const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };
beforeAll(() => Object.assign(process.env, environment));
afterAll(() => {
  for (const name of [...Object.keys(environment), 'AWS_ENDPOINT_URL_EC2'])
    delete process.env[name];
});

beforeEach(async () => {
  nowMs = 1_700_000_000_000;
  ec2 = new PlayedEc2(
    () => nowMs,
    dice(1),
    noFaults,
    (sentence) => {
      throw new Error(sentence);
    },
  );
  server = await serveEc2(ec2.client(), { ...INSTANCE, tags: TAGS });
  process.env['AWS_ENDPOINT_URL_EC2'] = server.url;
  client = ec2Client('eu-west-1');
});
afterEach(() => server.close());

const owner = (ofInstance: Record<string, string> = TAGS): Owner => ({
  instanceId: INSTANCE.instanceId,
  zone: INSTANCE.zone,
  policy,
  tagsFor: (token) =>
    tagsOf({ stack: policy.stack, instanceId: INSTANCE.instanceId, token }, ofInstance).tags,
});

const planned = (): Journal =>
  recordQuick(
    emptyJournal(INSTANCE.instanceId),
    { do: 'plan', sizeGiB: 120, deviceName: '/dev/xvdba', reason: '' },
    { nowMs, chance: 0.5, token: 'token-1' },
  );

const step = async (
  action: 'create' | 'attach' | 'protect',
  growth: Growth | null,
): Promise<Ec2Outcome> => performEc2(client, { do: action }, growth, owner());

async function attached(): Promise<Journal> {
  let journal = planned();
  for (const action of ['create', 'attach'] as const) {
    const outcome = await step(action, journal.growth);
    nowMs += 5_000;
    journal = recordEc2(journal, { do: action }, outcome, { nowMs, chance: 0, token: '' });
  }
  return journal;
}

const only = () => [...ec2.volumes.values()][0];

describe('A growth', () => {
  it('takes three calls, and the volume goes with the instance.', async () => {
    const journal = await attached();
    expect(await step('protect', journal.growth)).toEqual({ is: 'done' });
    expect(server.asked.map((form) => form.get('Action'))).toEqual([
      'CreateVolume',
      'AttachVolume',
      'ModifyInstanceAttribute',
    ]);
    expect(only()?.attachment).toMatchObject({ deviceName: '/dev/xvdba', isProtected: true });
    const [created] = server.asked;
    expect(Object.fromEntries(created ?? [])).toMatchObject({
      Size: '120',
      VolumeType: 'gp3',
      Encrypted: 'true',
      Throughput: '250',
      ClientToken: 'token-1',
    });
  });

  it.each([
    ['commas, quotes, and any script', TAGS],
    ['no tags at all', {}],
  ])('copies tags of the instance with %s.', async (_, tags) => {
    await performEc2(client, { do: 'create' }, planned().growth, owner(tags));
    expect(only()?.tags).toEqual({
      'batchwell:disk': 'batchwell',
      'batchwell:host': 'i-0a',
      'batchwell:growth': 'token-1',
      ...tags,
    });
  });

  it('whose answer to CreateVolume was lost makes one volume.', async () => {
    const { growth } = planned();
    ec2.faults = { ...noFaults, lostReplies: 1 };
    expect(await step('create', growth)).toMatchObject({ kind: 'transient', isDoubtful: true });
    ec2.faults = noFaults;
    expect(await step('create', growth)).toMatchObject({ is: 'created' });
    expect(ec2.volumes.size).toBe(1);
  });

  it('whose answer to AttachVolume was lost learns where the volume is.', async () => {
    const journal = await attached();
    const growth = { ...journal.growth, at: 'created', deviceName: '/dev/xvdbz' } as Growth;
    expect(await step('attach', growth)).toEqual({ is: 'attached', deviceName: '/dev/xvdba' });
  });

  it('that finds its name taken asks under another one.', async () => {
    ec2.faults = { ...noFaults, takenNames: ['/dev/xvdba'] };
    expect((await attached()).growth).toMatchObject({ at: 'created', deviceName: '/dev/xvdbb' });
  });

  it.each([
    ['a throttled request', { throttled: 1 }, 'transient', false],
    ['a 5xx', { serverErrors: 1 }, 'transient', true],
    ['no more volumes', { mostVolumes: 0 }, 'limit', false],
    ['no capacity', { full: { fromMs: 0, forMs: Infinity } }, 'capacity', false],
    ['no permission', { denied: ['ec2:CreateVolume'] }, 'denied', false],
  ] as const)('knows %s for what it is.', async (_, faults, kind, isDoubtful) => {
    ec2.faults = { ...noFaults, ...faults };
    expect(await step('create', planned().growth)).toMatchObject({
      kind,
      isDoubtful,
      action: 'ec2:CreateVolume',
    });
  });
});

describe('The instance metadata', () => {
  it('name the host and its tags.', async () => {
    const seen = metadata(server.url);
    expect(await seen.identity()).toEqual(INSTANCE);
    expect(await seen.tags()).toEqual(TAGS);
  });

  it('that do not show tags mean a volume with ours only.', async () => {
    const other = await serveEc2(ec2.client(), { ...INSTANCE, tags: null });
    expect(await metadata(other.url).tags()).toEqual({});
    await other.close();
  });
});

describe('batchwell-disk sweep', () => {
  const hour = 3_600_000;
  const left = (more = {}) =>
    ec2.addForeign({
      createdMs: nowMs - 2 * hour,
      availableAtMs: 0,
      tags: { 'batchwell:disk': 'batchwell' },
      isForeign: false,
      ...more,
    });

  it('deletes what no host uses, and nothing else.', async () => {
    const old = left();
    const young = left({ createdMs: nowMs });
    const others = left({ tags: { 'batchwell:disk': 'another' }, isForeign: true });
    const lines: string[] = [];
    const say = (line: string) => lines.push(line);
    const about = { stack: 'batchwell', nowMs, say };
    expect(await sweep(client, { ...about, isDryRun: true })).toBe(1);
    expect(old.isDeleted).toBe(false);
    expect(await sweep(client, { ...about, isDryRun: false })).toBe(0);
    expect([old, young, others].map(({ isDeleted }) => isDeleted)).toEqual([true, false, false]);
    expect(lines).toContain(`${old.volumeId} (100 GiB, eu-west-1a) is deleted.`);
  });

  it('names the permission that is missing.', async () => {
    left();
    ec2.faults = { ...noFaults, denied: ['ec2:DeleteVolume'] };
    const lines: string[] = [];
    const about = { stack: 'batchwell', nowMs, isDryRun: false };
    expect(await sweep(client, { ...about, say: (line) => lines.push(line) })).toBe(1);
    expect(lines.join()).toContain('ec2:DeleteVolume: UnauthorizedOperation');
  });
});
