import { describe, expect, test } from 'vitest';
import { describeCalls } from '../../aws/calls.ts';
import type { ObjectStore } from '../../aws/s3.ts';
import { fingerprintOf, type Components } from '../../core/fingerprint.ts';
import { parseTesTask } from '../../core/parse-task.ts';
import { mapPath, readPathMap } from '../../core/path-map.ts';
import { profiles } from '../../core/profiles/profiles.ts';
import { sha256 } from '../../core/ids.ts';
import type { NewTask } from '../../core/task.ts';
import { cromwellScript, cromwellTask, fixtures, workOf, type CromwellTask } from '../cromwell.ts';

const pathMap = readPathMap(['/srv/cromwell/cromwell-executions=s3://lab/x', '/mnt/cromwell-executions=s3://lab/y', '/data=s3://lab/data', '/mnt/data=s3://lab/mnt', '/srv/cromwell/other=s3://lab/other', '/mnt/other=s3://lab/third']);

function parse(task: object): NewTask {
  const parsed = parseTesTask(task, { cache: 'readwrite', pathMap });
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.task;
}

/** Components of a call whose files hold what `contents` says by url; any other file holds its own file name. */
async function componentsOf({ spec, profile }: NewTask, contents: Record<string, string>): Promise<Components> {
  const held = (url: string): string => contents[url] ?? url.slice(url.lastIndexOf('/') + 1);
  const md5 = (url: string): string => sha256(held(url)).toString('hex').slice(0, 32);
  const objects = {
    get: async (url: string) => Buffer.from(held(url)),
    describe: async (url: string) => ({ url, etag: md5(url), sizeBytes: held(url).length, lastModifiedMs: 1, checksums: {} }),
    async *list(url: string) {
      yield [{ url: `${url}/file`, etag: md5(`${url}/file`), sizeBytes: 4, lastModifiedMs: 1 }];
    },
  } as unknown as ObjectStore;
  const [described] = await describeCalls(objects, [{ spec, profile }]);
  if (!described?.components) throw new Error(`Unreadable: ${JSON.stringify(described)}`);
  return described.components;
}

const scriptUrl = (task: NewTask): string => task.spec.inputs.find(({ name }) => name === 'commandScript')?.url ?? '';

async function cromwellCall(task: CromwellTask, command = workOf(task), contents: Record<string, string> = {}): Promise<string> {
  const parsed = parse(task);
  return fingerprintOf(await componentsOf(parsed, { [scriptUrl(parsed)]: cromwellScript(task, command), ...contents })).toString('hex');
}

describe('Cromwell', () => {
  test.each(fixtures)('is known by the shape of %s, which is run without writing into what its script tees', (fixture) => {
    const task = parse(cromwellTask(fixture));
    expect(task.profile).toBe('cromwell');
    expect(task.spec.executors[0]).not.toHaveProperty('stdout');
    expect(task.spec.executors[0]).not.toHaveProperty('stderr');
  });

  test.each(fixtures)('%s: equal calls of two workflows and of two servers are one call', async (fixture) => {
    const first = await cromwellCall(cromwellTask(fixture));
    const other = cromwellTask(fixture, { workflowId: '00000000-1111-4222-8333-444444444444' });
    expect(await cromwellCall(other)).toBe(first);
    const elsewhere = cromwellTask(fixture, { workflowId: '99999999-1111-4222-8333-444444444444', root: '/other/place' });
    expect(await cromwellCall(elsewhere)).toBe(first);
  });

  describe('tells apart', () => {
    const fixture = 's3-root';
    const base = () => cromwellTask(fixture);
    const cases: [string, () => Promise<string>][] = [
      ['another command', () => cromwellCall(base(), `${workOf(base())}\necho more`)],
      ['a command that names another file', () => cromwellCall(base(), workOf(base()).replace('greeting', 'farewell'))],
      ['another input', () => cromwellCall(base(), undefined, { 's3://lab-inputs/names/who.txt': 'someone else' })],
      ['another image', () => cromwellCall({ ...base(), executors: base().executors.map((one) => ({ ...one, image: 'debian:11-slim' })) })],
      ['another declared output', () => cromwellCall({ ...base(), outputs: base().outputs.slice(0, -1) })],
      ['hex in the command that looks like a temporary folder', () => cromwellCall(base(), `${workOf(base())}\necho tmp.0123abcd`)],
      ['other hex there', () => cromwellCall(base(), `${workOf(base())}\necho tmp.4567abcd`)],
    ];
    const folder = (task: CromwellTask): string => (task.inputs.find(({ name }) => name === 'commandScript')?.path ?? '').replace('/execution/script', '');
    const piece = (task: CromwellTask): string => String(task.tags['workflow_id']).slice(0, 8);
    const saying = (text: (task: CromwellTask) => string): Promise<string> => cromwellCall(base(), `${workOf(base())}\necho ${text(base())}`);
    test.each<[string, (task: CromwellTask) => string, (task: CromwellTask) => string]>([
      ['what stands for the call’s folder, and the folder', () => '⟨call⟩/x', (task) => `${folder(task)}/x`],
      ['braces, and the folder', () => '{call}/x', (task) => `${folder(task)}/x`],
      ['two temporary folders in the command itself', (task) => `${folder(task)}/tmp.0123abcd`, (task) => `${folder(task)}/tmp.4567abcd`],
      ['out, and the name of the wrapper’s fifo', () => 'out', (task) => `out${piece(task)}`],
      ['err, and the name of the wrapper’s fifo', () => 'err', (task) => `err${piece(task)}`],
      ['an input, and what stands for it', (task) => task.inputs[0]?.path ?? '', () => '⟨input 0⟩/who.txt'],
    ])('%s', async (_, one, other) => {
      expect(await saying(one)).not.toBe(await saying(other));
    });

    test('whatever matters', async () => {
      const all = await Promise.all([cromwellCall(base()), ...cases.map(([, call]) => call())]);
      expect(new Set(all).size, cases.map(([what]) => what).join(', ')).toBe(cases.length + 1);
    });
  });

  test('a call whose command failed is not cached', () => {
    const { spec } = parse(cromwellTask('s3-root'));
    const rc = spec.outputs.findIndex(({ name }) => name === 'rc');
    const result = (crc64nvme: string) => ({ startedMs: 1, endedMs: 2, executors: [], missingOutputs: [], outputs: [{ output: rc, path: '', sizeBytes: 2, crc64nvme }] });
    expect(profiles.cromwell.mayCache?.(spec, result('wUU2gGmYNtE='))).toBe(true);
    expect(profiles.cromwell.mayCache?.(spec, result('AAAAAAAAAAA='))).toBe(false);
    expect(profiles.cromwell.mayCache?.(spec, { ...result('x'), outputs: [] })).toBe(false);
  });
});

describe('Nextflow', () => {
  const work = (hash: string) => `s3://bucket/work/${hash}`;
  const task = (hash: string) => ({
    name: 'align (1)',
    inputs: ['.command.run', '.command.sh', 'reads.fq'].map((name) => ({ url: `${work(hash)}/${name}`, path: `/work/${name}` })),
    outputs: ['.command.out', '.exitcode', 'out.bam'].map((name) => ({ url: `${work(hash)}/${name}`, path: `/work/${name}` })),
    executors: [{ image: 'quay.io/x:1', command: ['/bin/bash', '.command.run'], workdir: '/work' }],
  });
  const wrapper = (hash: string, name: string, env = 'A=1') => `#!/bin/bash\n### ---\n### name: '${name}'\n### ---\n# NEXTFLOW TASK: ${name}\nset -e\nexport ${env}\nNXF_TASK_WORKDIR="${work(hash)}"\nbash .command.sh\n`;
  const call = async (hash: string, name: string, env?: string): Promise<string> => {
    const parsed = parse(task(hash));
    expect(parsed.profile).toBe('nextflow');
    return fingerprintOf(await componentsOf(parsed, { [`${work(hash)}/.command.run`]: wrapper(hash, name, env) })).toString('hex');
  };
  const [one, two] = ['ab/0123456789abcdef0123456789abcd', 'cd/fedcba9876543210fedcba98765432'];

  test('is known, and a task of another run in another work folder is the same call', async () => {
    expect(await call(two, 'align (7)')).toBe(await call(one, 'align (1)'));
  });

  test('inputs of one name from two work folders are not one, and may not be swapped', async () => {
    const [a, b] = ['11/0123456789abcdef0123456789abcd', '22/0123456789abcdef0123456789abcd'];
    const staged = async (first: string, second: string, held: Record<string, string>): Promise<string> => {
      const made = task(one);
      const inputs = [...made.inputs, ...[a, b].map((hash) => ({ url: `${work(hash)}/n.txt`, path: `/bucket/work/${hash}/n.txt` }))];
      const links = `ln -s /bucket/work/${first}/n.txt 1.txt\nln -s /bucket/work/${second}/n.txt 2.txt\n`;
      return fingerprintOf(await componentsOf(parse({ ...made, inputs }), { [`${work(one)}/.command.run`]: wrapper(one, 'x') + links, ...held })).toString('hex');
    };
    const held = (x: string, y: string) => ({ [`${work(a)}/n.txt`]: x, [`${work(b)}/n.txt`]: y });
    const all = [await staged(a, b, held('x', 'y')), await staged(b, a, held('x', 'y')), await staged(a, b, held('z', 'y')), await staged(a, b, held('x', 'z'))];
    expect(new Set(all).size).toBe(4);
  });

  test('what looks like a comment further down is part of what is done', async () => {
    const say = async (line: string): Promise<string> => fingerprintOf(await componentsOf(parse(task(one)), { [`${work(one)}/.command.run`]: `${wrapper(one, 'x')}cat <<X\n# ${line}\nX\n` })).toString('hex');
    expect(await say('a')).not.toBe(await say('b'));
  });

  test('another environment in the wrapper is another call', async () => {
    expect(await call(one, 'align (1)', 'A=2')).not.toBe(await call(one, 'align (1)'));
  });
});

test('a profile may be named by a tag, and a wrong name is told', () => {
  const task = { executors: [{ image: 'a', command: ['b'] }] };
  expect(parse({ ...task, tags: { 'batchwell.profile': 'pulsar' } }).profile).toBe('pulsar');
  expect(parse(task).profile).toBe('generic');
  expect(parse({ ...task, name: 'snakejob.align' }).profile).toBe('snakemake');
  expect(parseTesTask({ ...task, tags: { 'batchwell.profile': 'pulser' } }, { cache: 'off' })).toMatchObject({ problems: [{ field: 'tags["batchwell.profile"]' }] });
});

test('Pulsar, which reads QUEUED as failed, sees INITIALIZING', () => {
  expect(profiles.pulsar.showState?.('QUEUED')).toBe('INITIALIZING');
  expect(profiles.pulsar.showState?.('COMPLETE')).toBe('COMPLETE');
});

describe('paths of a client’s file system', () => {
  const map = readPathMap(['/mnt=s3://aaa/b/', '/mnt/deep=s3://ccc', '/=s3://all']);
  test.each([
    ['/mnt/x', 's3://aaa/b/x'], ['file:///mnt/x y', 's3://aaa/b/x y'], ['/mnt/deep/x/', 's3://ccc/x/'], ['/mnt', 's3://aaa/b'], ['/mntx', 's3://all/mntx'], ['s3://o/k', 's3://o/k'], ['http://h/mnt/x', 'http://h/mnt/x'],
  ])('%s lies at %s', (path, url) => expect(mapPath(path, map)).toBe(url));

  test.each([['mnt=s3://aaa'], ['/mnt=aaa'], ['/mnt'], ['/mnt=http://aaa']])('%s is told', (item) => expect(() => readPathMap([item])).toThrow(JSON.stringify(item)));
});
