/** A story of the call cache: made from a seed, then played against a running fleet. */
import { createRandom } from '../../packages/local-aws/random.ts';
import { ways, type Way } from './shelf.ts';

/** An object or a directory that tasks read; by its number in the story. */
export type InputName = number;

export interface StoryCall {
  /** The words of the command. */
  words: string;
  inputs: InputName[];
  hasFolder: boolean;
}

export type StoryStep =
  | {
      do: 'submit';
      call: StoryCall;
      /** Equal tasks at once. */
      copies: number;
      /** Several tasks write this URL; otherwise each has its own. */
      sharedUrl?: number;
      /** Its outputs go to the bucket whose ETags are drawn. */
      sealed: boolean;
      cache: 'readwrite' | 'refresh' | 'write';
      /** Per attempt: before it reads, and before it writes. */
      delaysMs: [number, number];
    }
  | { do: 'write-input'; input: InputName; member: number; content: string; way: Way }
  | { do: 'remove-input'; input: InputName; member: number }
  /** An output of a task that has ended; the number chooses among those there are. */
  | { do: 'spoil-output'; choice: number; how: Spoil }
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
  const waves = 3 + draw.upTo(1);
  for (let wave = 0; wave < waves; wave += 1)
    steps.push(...makeWave(draw, calls, inputs), { do: 'settle' });
  return { seed, inputs, steps };
}

const writeInput = (draw: Draw, input: InputName, member: number): StoryStep => ({
  do: 'write-input',
  input,
  member,
  content: draw.pick(CONTENTS),
  way: draw.pick(ways),
});

/** Tasks that run, wait and hit while what they read and what others wrote changes. */
function makeWave(draw: Draw, calls: readonly StoryCall[], inputs: Story['inputs']): StoryStep[] {
  const steps: StoryStep[] = [];
  const count = 5 + draw.upTo(4);
  for (let at = 0; at < count; at += 1) {
    const kind = draw.upTo(9);
    if (at === 0 || kind <= 3) steps.push(submit(draw, draw.pick(calls)));
    else if (kind <= 6) {
      const input = draw.upTo(inputs.length - 1);
      const member = inputs[input]?.type === 'FILE' ? 0 : draw.upTo(MEMBERS - 1);
      steps.push(
        draw.chance(0.2) ? { do: 'remove-input', input, member } : writeInput(draw, input, member),
      );
    } else
      steps.push({
        do: 'spoil-output',
        choice: draw.upTo(1000),
        how: draw.pick(['same-size', 'same-size', 'longer', 'removed', 'restored']),
      });
    if (draw.chance(0.6)) steps.push({ do: 'pause', ms: draw.upTo(120) });
  }
  return steps;
}

function submit(draw: Draw, call: StoryCall): StoryStep {
  // An edit of the command; sooner or later it is taken back.
  const words = draw.chance(0.25) ? `${call.words} edited` : call.words;
  return {
    do: 'submit',
    call: { ...call, words },
    copies: draw.chance(0.3) ? 2 + draw.upTo(1) : 1,
    ...(draw.chance(0.3) && { sharedUrl: draw.upTo(1) }),
    sealed: draw.chance(0.25),
    cache: draw.chance(0.85) ? 'readwrite' : draw.pick(['refresh', 'write'] as const),
    delaysMs: [draw.upTo(150), draw.chance(0.3) ? draw.upTo(80) : 0],
  };
}
