/**
 * Plays a story of the call cache and checks each task that ended COMPLETE against a recomputation: of a run, from the
 * bytes that its container read; of a hit, from the bytes that its inputs held between its acceptance and its end, for
 * its check saw those of some moment in between. Tasks that share an output URL are not checked themselves (which of
 * them wrote last is their own affair), but what they leave in the cache is, when it is handed out.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FileType, TaskSpec } from '../../core/task/task.ts';
import type { Spoil, Story, StoryCall, StoryStep, Submit } from './cache-story.ts';
import { compute, computes, resultOf, type Files } from './computing.ts';
import type { Attempted, Behaviour } from './containers.ts';
import type { TaskState } from './fleet-rows.ts';
import { newTask, SEALED_BUCKET, type FleetWorld } from './harness.ts';
import { openShelf, type Shelf, type Span } from './shelf.ts';

export interface Played {
  seed: number;
  tasks: number;
  hits: number;
  /** Tasks whose outputs were compared; the others share a URL. */
  compared: number;
  /** Tasks that failed because an input was gone. */
  failed: number;
  /** Changes of inputs. */
  changes: number;
  /** Changes of outputs. */
  spoiled: number;
  /** What is wrong, as sentences; empty when the story held. */
  wrong: string[];
}

/** What all stories of one fleet share. */
export interface StoryFleet {
  world: FleetWorld;
  s3: S3Client;
  /** What the last attempt of a task computed from what it read. */
  computed: Map<number, Files[]>;
  /** Per task: what its container waits before it reads, and before it writes. */
  delaysMs: Map<number, readonly [number, number]>;
  /** Resolves when the task has ended. */
  ended(id: number): Promise<TaskState>;
}

/** How containers go: they compute. */
export const computeOn =
  ({ s3, computed, delaysMs }: StoryFleet) =>
  ({ taskId, spec }: Attempted): Behaviour => {
    const [beforeReadMs, beforeWriteMs] = delaysMs.get(taskId) ?? [0, 0];
    return {
      durationMs: beforeReadMs,
      async work() {
        const { record, outputs } = await compute(s3, spec, () => sleep(beforeWriteMs));
        if (outputs) computed.set(taskId, outputs);
        return record;
      },
    };
  };

interface Play extends StoryFleet {
  story: Story;
  shelf: Shelf;
  played: Played;
  /** Outputs of tasks that have ended and were compared. */
  written: { url: string; bytes: Buffer }[];
  open: Promise<void>[];
  /** The tasks that were submitted last. */
  newest: number[];
}

export async function playStory(fleet: StoryFleet, story: Story): Promise<Played> {
  const { seed } = story;
  const counts = { tasks: 0, hits: 0, compared: 0, failed: 0, changes: 0, spoiled: 0 };
  const play: Play = {
    ...fleet,
    story,
    shelf: openShelf(fleet.s3),
    played: { seed, ...counts, wrong: [] },
    written: [],
    open: [],
    newest: [],
  };
  for (const step of story.steps) await take(play, step);
  return play.played;
}

async function take(play: Play, step: StoryStep): Promise<void> {
  switch (step.do) {
    case 'submit':
      return submit(play, step);
    case 'write-input':
      play.played.changes += 1;
      return play.shelf.write(
        memberUrl(play, step.input, step.member),
        Buffer.from(step.content),
        step.way,
      );
    case 'remove-input':
      play.played.changes += 1;
      return play.shelf.remove(memberUrl(play, step.input, step.member));
    case 'spoil-output':
      return spoil(play, step);
    case 'await-check':
      return awaitCheck(play);
    case 'pause':
      return sleep(step.ms);
    case 'settle':
      await Promise.all(play.open.splice(0));
  }
}

async function awaitCheck({ world, newest }: Play): Promise<void> {
  const looked = async (): Promise<boolean> =>
    (await world.tasks(newest)).every(({ place }) => place !== 'cache-check');
  while (!(await looked())) await sleep(5);
}

const inputUrl = ({ story }: Play, input: number): string => {
  const { type, sealed } = story.inputs[input] ?? { type: 'FILE', sealed: false };
  const slash = type === 'DIRECTORY' ? '/' : '';
  return `s3://${sealed ? SEALED_BUCKET : 'data'}/story-${story.seed}/in-${input}${slash}`;
};

const memberUrl = (play: Play, input: number, member: number): string =>
  inputUrl(play, input) +
  (play.story.inputs[input]?.type === 'DIRECTORY' ? (MEMBERS[member] ?? '') : '');

/** Of every directory; some of them are there at a moment. */
const MEMBERS = ['a', 'b', 'c'];

async function submit(play: Play, step: Submit): Promise<void> {
  const fromMs = Date.now();
  const specs = Array.from({ length: step.copies }, (_, copy) => {
    const name = `${play.played.tasks + copy}`;
    const isShared = step.sharedUrl !== undefined;
    const folder = isShared ? `shared-${step.sharedUrl}` : `out-${name}`;
    const bucket = step.sealed ? SEALED_BUCKET : 'data';
    return specOf(play, step.call, `s3://${bucket}/story-${play.story.seed}/${folder}`);
  });
  play.played.tasks += step.copies;
  const ids = await play.world.accept(
    specs.map((spec, copy) =>
      newTask(`story-${play.story.seed}-${play.played.tasks}-${copy}`, { cache: step.cache, spec }),
    ),
  );
  play.newest = ids;
  for (const [copy, id] of ids.entries()) {
    play.delaysMs.set(id, step.delaysMs);
    const spec = specs[copy];
    if (spec)
      play.open.push(follow(play, { id, spec, fromMs, isShared: step.sharedUrl !== undefined }));
  }
}

function specOf(play: Play, call: StoryCall, out: string): TaskSpec {
  const folder = { url: `${out}/d`, path: '/out/d', type: 'DIRECTORY' as const };
  return {
    resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
    volumes: [],
    inputs: call.inputs.map((input, position) => ({
      url: inputUrl(play, input),
      path: `/in/${position}`,
      type: play.story.inputs[input]?.type ?? 'FILE',
    })),
    outputs: [
      { url: `${out}/x`, path: '/out/x', type: 'FILE' },
      ...(call.hasFolder ? [folder] : []),
    ],
    executors: [
      { image: 'debian:12', command: computes(`story ${play.story.seed} ${call.words}`) },
    ],
  };
}

interface Followed {
  id: number;
  spec: TaskSpec;
  fromMs: number;
  isShared: boolean;
}

/** Waits for the task's end and compares what it left. */
async function follow(play: Play, followed: Followed): Promise<void> {
  const { played } = play;
  const task = await play.ended(followed.id);
  const judged = { spec: followed.spec, during: { fromMs: followed.fromMs, untilMs: Date.now() } };
  if (task.place !== 'done') return judgeFailure(play, task, judged);
  if (task.hitEntryId !== null) played.hits += 1;
  if (followed.isShared) return;
  played.compared += 1;
  const found = await readOutputs(play, followed.spec);
  const expected = expectedOf(play, task, judged).map(textOf);
  if (!expected.includes(textOf(found)))
    played.wrong.push(
      `${nameOf(task)} left ${textOf(found)} at ${followed.spec.outputs[0]?.url}. ` +
        `Right is ${expected.join(' or ')}.`,
    );
  noteWritten(play, followed.spec, found);
}

const nameOf = ({ id, hitEntryId }: TaskState): string =>
  hitEntryId === null ? `Task ${id}, a run,` : `Task ${id}, a hit of entry ${hitEntryId},`;

const expectedOf = (
  play: Play,
  { id, hitEntryId }: TaskState,
  { spec, during }: Judged,
): Files[][] =>
  hitEntryId === null
    ? [play.computed.get(id) ?? []]
    : everyCombination(spec.inputs.map((input) => inputsHeld(play, input, during))).map((inputs) =>
        resultOf(spec, inputs),
      );

function noteWritten({ written }: Play, { outputs }: TaskSpec, found: readonly Files[]): void {
  for (const [position, files] of found.entries())
    for (const [name, bytes] of files)
      written.push({ url: fileUrl(outputs[position]?.url ?? '', name), bytes });
}

const fileUrl = (url: string, name: string): string => (name === '' ? url : `${url}/${name}`);

interface Judged {
  spec: TaskSpec;
  during: Span;
}

/** A task fails only where an input may have been gone as its container read it. */
function judgeFailure(play: Play, task: TaskState, { spec, during }: Judged): void {
  play.played.failed += 1;
  const mayBeGone = spec.inputs.some(({ url = '', type }) =>
    type === 'FILE'
      ? play.shelf.held(url, during).includes(undefined)
      : MEMBERS.every((name) => mayBeAbsent(play.shelf, url + name, during)) ||
        MEMBERS.some((name) => mayVanish(play.shelf, url + name, during)),
  );
  if (!mayBeGone)
    play.played.wrong.push(`Task ${task.id} is ${task.place}: ${task.failure ?? 'no reason'}`);
}

/** A file of a directory that is deleted after the listing and before it is read. */
const mayVanish = (shelf: Shelf, url: string, during: Span): boolean => {
  const held = shelf.held(url, during);
  return held.includes(undefined) && held.some((bytes) => bytes !== undefined);
};

const mayBeAbsent = (shelf: Shelf, url: string, during: Span): boolean => {
  const held = shelf.held(url, during);
  return held.length === 0 || held.includes(undefined);
};

/** Each set of files that the input may have been at a moment of this time. */
function inputsHeld(
  { shelf }: Play,
  { url = '', type }: { url?: string; type: FileType },
  during: Span,
): Files[] {
  if (type === 'FILE')
    return shelf.held(url, during).flatMap((bytes) => (bytes ? [new Map([['', bytes]])] : []));
  const members = MEMBERS.map((name) => {
    const held = shelf.held(url + name, during);
    return (held.length === 0 ? [undefined] : held).map((bytes) => ({ name, bytes }));
  });
  return everyCombination(members).map(
    (some) => new Map(some.flatMap(({ name, bytes }) => (bytes ? [[name, bytes]] : []))),
  );
}

/** One of each, in every way. */
const everyCombination = <T>(choices: readonly (readonly T[])[]): T[][] =>
  choices.reduce<T[][]>(
    (all, next) => all.flatMap((some) => next.map((one) => [...some, one])),
    [[]],
  );

async function readOutputs({ world }: Play, { outputs }: TaskSpec): Promise<Files[]> {
  return Promise.all(
    outputs.map(async ({ url, type }): Promise<Files> => {
      if (type === 'FILE') {
        const bytes = await world.objects.get(url);
        return new Map(bytes ? [['', bytes]] : []);
      }
      const files = new Map<string, Buffer>();
      for await (const page of world.objects.list(`${url}/`))
        for (const one of page)
          files.set(
            one.url.slice(url.length + 1),
            (await world.objects.get(one.url)) ?? Buffer.of(),
          );
      return files;
    }),
  );
}

const textOf = (outputs: readonly Files[]): string =>
  JSON.stringify(
    outputs.map((files) =>
      [...files]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, bytes]) => [name, bytes.toString()]),
    ),
  );

async function spoil(
  { shelf, played, written }: Play,
  { choice, how }: { choice: number | 'newest'; how: Spoil },
): Promise<void> {
  const output = choice === 'newest' ? written.at(-1) : written[choice % written.length];
  if (!output) return;
  played.spoiled += 1;
  const { url, bytes } = output;
  if (how === 'removed') return shelf.remove(url);
  const same = how === 'restored';
  const size = bytes.length + (how === 'longer' ? 1 : 0);
  return shelf.write(url, same ? bytes : Buffer.alloc(size, 'spoiled '), 'crc64nvme');
}
