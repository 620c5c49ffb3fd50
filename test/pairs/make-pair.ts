/**
 * Pairs of calls as two runs of a workflow may have them: of one command, and different in what Cromwell chooses.
 * All follows from the seed.
 */
// cspell:ignore ACGT GGCC fastqs
import { createHash } from 'node:crypto';
import { createRandom } from '../../packages/local-aws/random.ts';
import { cromwellScript, type CromwellTask } from '../cromwell.ts';
import { ways, type CallPaths, type Way } from './commands.ts';

/** Where Cromwell's folders are on its host; test/unit/profile-world.ts maps it to a bucket. */
const HOST_ROOT = '/srv/cromwell/cromwell-executions';

interface Place {
  root: string;
  workflow: string;
  id: string;
  /** Of the sub-workflow that the call is in, if it is in one. */
  subId: string | undefined;
  call: string;
  shard: number | undefined;
  attempt: number;
  maker: { call: string; shard: number | undefined; attempt: number };
  sample: string;
  file: string;
  /** What the first made file holds. */
  content: string;
}

export interface Side {
  task: CromwellTask;
  script: string;
  /** By path in the container; the script is among them. */
  files: Record<string, string>;
  /** The same by the URL under which the cache knows them. */
  contents: Record<string, string>;
  /** Path in the container of the folder with out.txt. */
  execution: string;
}

export interface Pair {
  seed: number;
  way: string;
  /** What differs besides the workflow's id. */
  changed: string[];
  sides: [Side, Side];
}

type Random = () => number;
const pick = <T>(random: Random, from: readonly T[]): T => {
  const one = from[Math.floor(random() * from.length)];
  if (one === undefined) throw new Error('Nothing to pick from.');
  return one;
};

function idOf(random: Random): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const shardOf = (random: Random): number | undefined =>
  random() < 0.7 ? Math.floor(random() * 4) : undefined;

const changes: readonly [string, (place: Place, random: Random) => Place][] = [
  ['shard', (place) => ({ ...place, shard: (place.shard ?? 0) + 1 })],
  ['alias', (place) => ({ ...place, call: `${place.call}2` })],
  ['attempt', (place) => ({ ...place, attempt: place.attempt + 1 })],
  [
    'renumbered input',
    (place) => ({ ...place, maker: { ...place.maker, shard: (place.maker.shard ?? 0) + 1 } }),
  ],
  [
    'maker’s attempt',
    (place) => ({ ...place, maker: { ...place.maker, attempt: place.maker.attempt + 1 } }),
  ],
  ['maker’s alias', (place) => ({ ...place, maker: { ...place.maker, call: 'polish' } })],
  ['sample', (place) => ({ ...place, sample: 'sampleB' })],
  ['file', (place) => ({ ...place, file: 'b.fq' })],
  ['workflow', (place) => ({ ...place, workflow: 'other_wf' })],
  ['root', (place) => ({ ...place, root: '/cromwell-elsewhere' })],
  ['content', (place) => ({ ...place, content: `${place.content}more\n` })],
];

export function makePair(seed: number, from: readonly Way[] = ways): Pair {
  const random = createRandom(seed);
  const way = pick(random, from);
  const first: Place = {
    root: '/cromwell-executions',
    workflow: 'main_wf',
    id: idOf(random),
    subId: random() < 0.3 ? idOf(random) : undefined,
    call: pick(random, ['align', 'sim']),
    shard: shardOf(random),
    attempt: random() < 0.8 ? 1 : 2,
    maker: { call: 'trim', shard: shardOf(random), attempt: 1 },
    sample: 'sampleA',
    file: 'a.fq',
    content: '@read\nACGT\n',
  };
  let second = random() < 0.9 ? inOtherRun(first, random) : first;
  const changed: string[] = [];
  for (let left = Math.floor(random() * 3); left > 0; left -= 1) {
    const [name, change] = pick(random, changes);
    if (changed.includes(name)) continue;
    changed.push(name);
    second = change(second, random);
  }
  return { seed, way: way.name, changed, sides: [sideOf(first, way), sideOf(second, way)] };
}

const inOtherRun = (place: Place, random: Random): Place => ({
  ...place,
  id: idOf(random),
  subId: place.subId === undefined ? undefined : idOf(random),
});

const folderOf = (call: string, shard: number | undefined, attempt: number): string =>
  `call-${call}${shard === undefined ? '' : `/shard-${shard}`}${attempt === 1 ? '' : `/attempt-${attempt}`}`;

function sideOf(place: Place, way: Way): Side {
  const above = `${place.root}/${place.workflow}`;
  const run = `${above}/${place.id}`;
  const sub = place.subId === undefined ? '' : `/call-sub/sub_wf/${place.subId}`;
  const folder = `${run}${sub}/${folderOf(place.call, place.shard, place.attempt)}`;
  const execution = `${folder}/execution`;
  const { call, shard, attempt } = place.maker;
  const maker = `${run}/${folderOf(call, shard, attempt)}/execution`;
  const made: [string, string] = [`${maker}/${place.file}`, `${maker}/second.fq`];
  const lines = made.map((path) => `${path}\n`).join('');
  const md5 = createHash('md5').update(lines).digest('hex');
  const paths: CallPaths = {
    folder,
    above,
    made,
    sample: `${folder}/inputs/lab-inputs/${place.sample}/x.txt`,
    list: `${execution}/write_lines_${md5}.tmp`,
  };
  const task = taskOf(place, paths, execution);
  const script = cromwellScript(task, way.command(paths));
  const files = {
    [made[0]]: place.content,
    [made[1]]: '@other\nGGCC\n',
    [paths.sample]: 'one\ntwo\n',
    [paths.list]: lines,
    [`${execution}/script`]: script,
  };
  const url = (path: string): string => task.inputs.find((one) => one.path === path)?.url ?? '';
  const contents = Object.fromEntries(
    Object.entries(files).map(([path, text]) => [url(path).replace(HOST_ROOT, 's3://lab/x'), text]),
  );
  return { task, script, files, contents, execution };
}

function taskOf(place: Place, paths: CallPaths, execution: string): CromwellTask {
  const onHost = (path: string): string => path.replace(place.root, HOST_ROOT);
  const file = (name: string, path: string, url = onHost(path)) => ({
    name,
    url,
    path,
    type: 'FILE',
  });
  return {
    name: `${place.workflow}.${place.call}`,
    description: `${place.subId ?? place.id}:BackendJobDescriptorKey_CommandCallNode_${place.call}:${place.shard ?? -1}:${place.attempt}`,
    inputs: [
      ...paths.made.map((path, at) => file(`fastqs.${at}`, path)),
      file('sample', paths.sample, `s3://lab-inputs/${place.sample}/x.txt`),
      file('list', paths.list),
      file('commandScript', `${execution}/script`),
    ],
    outputs: ['rc', 'stdout', 'out.txt'].map((name) => file(name, `${execution}/${name}`)),
    executors: [
      {
        image: 'debian:12-slim',
        command: ['/bin/bash', `${execution}/script`],
        stdout: `${execution}/stdout`,
        stderr: `${execution}/stderr`,
      },
    ],
    tags: { workflow_id: place.subId ?? place.id },
  };
}
