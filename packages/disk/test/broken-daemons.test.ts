/** Each invariant is seen to fail on a daemon that is broken in the way that it guards against. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ec2Action } from '../rules/action.ts';
import type { Growth } from '../rules/journal.ts';
import type { Machine } from '../machine.ts';
import { play, type Broken } from './world/story.ts';
import { stories } from './world/stories.ts';

const MOST_STORIES = 400;

const done = { settled: () => ({ is: 'done' }) as const };

/** The first violation that looks so, in stories that the sound daemon tells without one. */
async function seen(broken: Broken, like: RegExp): Promise<string | undefined> {
  for (const story of fc.sample(stories, { numRuns: MOST_STORIES, seed: 15 })) {
    const { violations } = await play(story, broken);
    const found = violations.find((sentence) => like.test(sentence));
    if (found !== undefined) return found;
  }
  return undefined;
}

const asking =
  (
    ask: (machine: Machine, action: Ec2Action, growth: Growth | null) => ReturnType<Machine['ask']>,
  ) =>
  (machine: Machine): Machine => ({
    ...machine,
    ask: (action, growth) => ask(machine, action, growth),
  });

const broken: Record<string, { breaks: Broken; like: RegExp }> = {
  'that detaches a volume with data': {
    breaks: (machine) => {
      let inUse: string | undefined;
      return {
        ...machine,
        save: (journal) => {
          inUse = journal.volumes[0]?.volumeId ?? inUse;
          machine.save(journal);
        },
        ask: (action, growth) =>
          machine.ask(
            inUse !== undefined && action.do === 'describe'
              ? { do: 'detach', volumeId: inUse }
              : action,
            growth,
          ),
      };
    },
    like: /was detached although it holds data/,
  },
  'that sees a disk that never fills': {
    breaks: (machine) => ({
      ...machine,
      glance: (withDevices) => {
        const glance = machine.glance(withDevices);
        const { fileSystem } = glance;
        return { ...glance, fileSystem: { ...fileSystem, freeBytes: fileSystem.sizeBytes / 2 } };
      },
    }),
    like: /^No space left/,
  },
  'that has no brake': {
    breaks: (machine) => ({ ...machine, setFrozen: () => undefined }),
    like: /^No space left/,
  },
  'that never lets go of the brake': {
    breaks: (machine) => ({
      ...machine,
      setFrozen: (isFrozen) => {
        if (isFrozen) machine.setFrozen(true);
      },
    }),
    like: /still frozen/,
  },
  'that does not delete what it does not use': {
    breaks: asking((machine, action, growth) =>
      action.do === 'delete' ? done : machine.ask(action, growth),
    ),
    like: /nobody uses it|outlives its host/,
  },
  'that draws a token for each request': {
    breaks: asking((machine, action, growth) =>
      machine.ask(action, growth && { ...growth, token: machine.token() }),
    ),
    like: /nobody uses it|outlives its host/,
  },
  'that does not protect a volume': {
    breaks: asking((machine, action, growth) =>
      action.do === 'protect' ? done : machine.ask(action, growth),
    ),
    like: /before it had DeleteOnTermination/,
  },
  'that asks thrice': {
    breaks: asking((machine, action, growth) => {
      for (let more = 0; more < 2 && action.do === 'protect'; more += 1)
        machine.ask(action, growth);
      return machine.ask(action, growth);
    }),
    // Four calls beside create and attach: within six, unless the volume is taken back.
    like: /calls for the growth/,
  },
  'that asks while it is idle': {
    breaks: (machine) => ({
      ...machine,
      glance: (withDevices) => {
        machine.ask({ do: 'describe', which: 'own' }, null);
        return machine.glance(withDevices);
      },
    }),
    like: /requests while idle/,
  },
  'that takes another disk for its own': {
    breaks: (machine) => ({
      ...machine,
      run: (action, growth) => {
        const { devices } = machine.glance(true);
        const customer = devices?.find(({ serial }) => serial === 'customer');
        return machine.run(
          action.do === 'add' && customer ? { do: 'add', device: customer.path } : action,
          growth,
        );
      },
    }),
    like: /was added although it holds ext4/,
  },
  'that believes every description': {
    breaks: (machine) => ({
      ...machine,
      ask: (action, growth) => {
        const { settled } = machine.ask(action, growth);
        return {
          settled: () => {
            const answer = settled();
            if (answer?.is !== 'described') return answer;
            const tags = { 'batchwell:disk': 'batchwell', 'batchwell:host': machine.instanceId };
            const volumes = answer.volumes.map((volume) => ({
              ...volume,
              tags,
              zone: machine.zone,
            }));
            return { ...answer, volumes };
          },
        };
      },
    }),
    like: /which is somebody else's/,
  },
};

describe('A daemon', () => {
  it.each(Object.entries(broken))('%s is found out.', async (_, { breaks, like }) => {
    expect(await seen(breaks, like)).toMatch(like);
  });
});
