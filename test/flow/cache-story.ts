/** A story of the call cache: made from a seed, then played against a running fleet. */
import { createRandom } from '../../packages/local-aws/random.ts';
import { ways, type Way } from './shelf.ts';

/** An object or a directory that tasks read; by its number in the story. */
type InputName = number;

export interface StoryCall {
  /** The words of the command. */
  words: string;
  inputs: InputName[];
  hasFolder: boolean;
}

export interface Submit {
  do: 'submit';
  call: StoryCall;
  /** Equal tasks at once. */
  copies: number;
  /** Several tasks write this URL; otherwise each has its own. */
  sharedUrl: number | undefined;
  /** Its outputs go to the bucket whose ETags are drawn. */
  sealed: boolean;
  cache: 'readwrite' | 'refresh' | 'write';
  /** Per attempt: before it reads, and before it writes. */
  delaysMs: [number, number];
}

interface WriteInput {
  do: 'write-input';
  input: InputName;
  member: number;
  content: string;
  way: Way;
}

export type StoryStep =
  | Submit
  | WriteInput
  | { do: 'remove-input'; input: InputName; member: number }
  /** An output of a task that has ended: the newest, or the number chooses among those there are. */
  | { do: 'spoil-output'; choice: number | 'newest'; how: Spoil }
  /** Until the fleet has looked at the inputs of the tasks that were submitted last. */
  | { do: 'await-check' }
  | { do: 'pause'; ms: number }
  | { do: 'settle' };

export type Spoil = 'same-size' | 'longer' | 'removed' | 'restored';

export interface Story {
  seed: number;
  /** What each input is. */
  inputs: { type: 'FILE' | 'DIRECTORY'; sealed: boolean }[];
  steps: StoryStep[];
}

/** Two of one size, and one that is longer: what comes again is a hit. */
const CONTENTS = ['apple', 'grape', 'pineapple'];
const MEMBERS = 3;

interface Draw {
  chance(of: number): boolean;
  upTo(most: number): number;
  pick<T>(from: readonly T[]): T;
}

function createDraw(seed: number): Draw {
  const random = createRandom(seed);
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  return {
    upTo,
    chance: (of) => random() < of,
    pick: <T>(from: readonly T[]): T => from[upTo(from.length - 1)] as T,
  };
}

export function makeStory(seed: number): Story {
  const draw = createDraw(seed);
  const inputs = Array.from({ length: 3 }, (_, at) => ({
    type: at === 2 ? ('DIRECTORY' as const) : ('FILE' as const),
    sealed: draw.chance(0.3),
  }));
  const calls = Array.from({ length: 2 }, (_, at): StoryCall => ({
    words: `call ${at}`,
    inputs: draw.pick([[0], [1], [2], [0, 2], [1, 0]]),
    hasFolder: draw.chance(0.3),
  }));
  const steps: StoryStep[] = [...inputs.keys()].flatMap((input) =>
    Array.from({ length: inputs[input]?.type === 'FILE' ? 1 : 2 }, (_, member) =>
      writeInput(draw, input, member),
    ),
  );
  for (let wave = 0; wave < 3; wave += 1) {
    const make = draw.pick([makeWave, makeWave, changeUnder, spoilNewest, shareUrl]);
    steps.push(...make({ draw, calls, inputs }), { do: 'settle' });
  }
  return { seed, inputs, steps };
}

const writeInput = (draw: Draw, input: InputName, member: number): WriteInput => ({
  do: 'write-input',
  input,
  member,
  content: draw.pick(CONTENTS),
  way: draw.pick(ways),
});

interface Cast {
  draw: Draw;
  calls: readonly StoryCall[];
  inputs: Story['inputs'];
}

/** Tasks that run, wait and hit while what they read and what others wrote changes, at any moment. */
function makeWave({ draw, calls, inputs }: Cast): StoryStep[] {
  const steps: StoryStep[] = [];
  const count = 4 + draw.upTo(3);
  for (let at = 0; at < count; at += 1) {
    const kind = draw.upTo(9);
    if (at === 0 || kind <= 3) steps.push(submit(draw, draw.pick(calls)));
    else if (kind <= 6) {
      const input = draw.upTo(inputs.length - 1);
      const member = inputs[input]?.type === 'FILE' ? 0 : draw.upTo(MEMBERS - 1);
      steps.push(
        draw.chance(0.2) ? { do: 'remove-input', input, member } : writeInput(draw, input, member),
      );
    } else steps.push({ do: 'spoil-output', choice: draw.upTo(1000), how: draw.pick(SPOILS) });
    if (draw.chance(0.6)) steps.push({ do: 'pause', ms: draw.upTo(120) });
  }
  return steps;
}

const SPOILS: readonly Spoil[] = ['same-size', 'same-size', 'longer', 'removed', 'restored'];

/** An input changes between the check and the run; later it is what it was, or another holds what it held. */
function changeUnder({ draw, calls, inputs }: Cast): StoryStep[] {
  const { words } = draw.pick(calls);
  const [input, another] = draw.pick([
    [0, 1],
    [1, 0],
    [2, 2],
  ]);
  const member = inputs[input]?.type === 'FILE' ? 0 : draw.upTo(1);
  const before = writeInput(draw, input, member);
  const other: StoryStep = draw.chance(0.2)
    ? { do: 'remove-input', input, member }
    : { ...writeInput(draw, input, member), content: 'mango' };
  const putBack: StoryStep[] = draw.chance(0.3)
    ? [{ do: 'pause', ms: 100 + draw.upTo(400) }, before]
    : [];
  const call = { words: `${words} watched`, inputs: [input], hasFolder: false };
  const first: Submit = { ...submit(draw, call), copies: 1 };
  return [
    before,
    first,
    { do: 'await-check' },
    other,
    ...putBack,
    { do: 'settle' },
    { ...before, input: another },
    { ...first, call: { ...call, inputs: [another] }, sharedUrl: undefined, cache: 'readwrite' },
  ];
}

/** An output is spoiled before, or while, it is handed out. */
function spoilNewest({ draw, calls }: Cast): StoryStep[] {
  const again = { ...submit(draw, draw.pick(calls)), sharedUrl: undefined };
  const spoil: StoryStep = { do: 'spoil-output', choice: 'newest', how: draw.pick(SPOILS) };
  const pause: StoryStep = { do: 'pause', ms: draw.upTo(60) };
  const race = draw.chance(0.5) ? [again, pause, spoil] : [spoil, again];
  return [again, { do: 'settle' }, ...race];
}

/** Different tasks write one URL by mistake, which is mended. */
function shareUrl({ draw, calls }: Cast): StoryStep[] {
  const [one, two] = [draw.pick(calls), draw.pick(calls)].map((call, at) =>
    submit(draw, { ...call, words: `${call.words} shared ${at}` }),
  );
  if (!one || !two) return [];
  const shared = [one, two].map((step) => ({ ...step, sharedUrl: 0, sealed: false }));
  const mended = [one, two].map((step) => ({ ...step, sharedUrl: undefined }));
  return [...shared, { do: 'settle' }, ...mended];
}

function submit(draw: Draw, call: StoryCall): Submit {
  // An edit of the command; sooner or later it is taken back.
  const words = draw.chance(0.25) ? `${call.words} edited` : call.words;
  return {
    do: 'submit',
    call: { ...call, words },
    copies: draw.chance(0.3) ? 2 + draw.upTo(1) : 1,
    sharedUrl: draw.chance(0.3) ? draw.upTo(1) : undefined,
    sealed: draw.chance(0.25),
    cache: draw.chance(0.85) ? 'readwrite' : draw.pick(['refresh', 'write'] as const),
    delaysMs: [draw.upTo(150), draw.chance(0.3) ? draw.upTo(80) : 0],
  };
}
