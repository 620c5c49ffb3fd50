/** Cached tasks run the image that their tag named when they were checked. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isLong } from '../long.ts';
import type { NewTask } from '../../core/task/task.ts';
import { startRegistry, type PlayedRegistry } from '../registry.ts';
import { manyTasks, newTask, startFleetWorld, type FleetWorld } from './harness.ts';

let registry: PlayedRegistry;
let world: FleetWorld;
beforeEach(async () => {
  registry = await startRegistry();
  world = await startFleetWorld({ BATCHWELL_IMAGE_IDENTITY: 'digest' });
});
afterEach(async () => {
  await world.close();
  await registry.close();
});

/** Tasks of one command are equal calls. */
const task = (name: string, command = 'work', more: Partial<NewTask> = {}): NewTask =>
  newTask(name, {
    cache: 'readwrite',
    ...more,
    spec: {
      inputs: [],
      executors: [{ image: `${registry.host}/lab/bwa:1`, command: [command] }],
      ...more.spec,
    },
  });

const images = async (): Promise<string[]> => {
  const rows = await world.rows('SELECT content FROM job_definitions ORDER BY id');
  return rows.map(({ content }) => {
    const { containerProperties } = JSON.parse(String(content)) as {
      containerProperties: { image: string };
    };
    return containerProperties.image;
  });
};

/** As if the time had passed for which an answer counts. */
const forgetAnswers = (): Promise<unknown> =>
  world.database.pool.query('UPDATE image_digests SET fresh_until_ms = 0');

describe('a tag', () => {
  it.runIf(isLong)(
    'that moves between two equal tasks makes two runs, each by its digest, and is not asked for by tasks that are not cached',
    async () => {
      await world.startWorkers();
      const before = registry.push('lab/bwa', '1', 'before');
      const plain = [
        task('off', 'other', { cache: 'off' }),
        task('no-outputs', 'other', { spec: { ...task('x').spec, outputs: [] } }),
      ];
      await world.ended(await world.accept([task('one')]));
      const after = registry.push('lab/bwa', '1', 'after');
      await forgetAnswers();
      const [two] = await world.ended(await world.accept([task('two')]));
      expect(two).toMatchObject({ place: 'done', hitEntryId: null });
      expect(world.effects).toHaveLength(2);
      expect(await images()).toEqual([
        `${registry.host}/lab/bwa@${before}`,
        `${registry.host}/lab/bwa@${after}`,
      ]);
      registry.push('lab/bwa', '1', 'before');
      await forgetAnswers();
      const asked = registry.asked.length;
      await world.ended(await world.accept(plain));
      expect(registry.asked).toHaveLength(asked);
      expect(await world.ended(await world.accept([task('three')]))).toMatchObject([
        { hitEntryId: 1 },
      ]);
    },
  );

  it('of another name for the same image is a hit', async () => {
    await world.startWorkers();
    const digest = registry.push('lab/bwa', '1', 'same');
    registry.push('lab/mirror', 'latest', 'same');
    await world.ended(await world.accept([task('one')]));
    for (const image of [`${registry.host}/lab/mirror`, `${registry.host}/lab/bwa@${digest}`]) {
      const again = task('again', 'work', {
        spec: { ...task('x').spec, executors: [{ image, command: ['work'] }] },
      });
      expect(await world.ended(await world.accept([again]))).toMatchObject([{ hitEntryId: 1 }]);
    }
    expect(world.effects).toHaveLength(1);
  });

  it('is resolved for the architecture of the queue, on which a hit must agree', async () => {
    await world.startWorkers({ settings: { BATCHWELL_QUEUE_ARCHITECTURES: 'batchwell=arm64' } });
    const { of } = registry.pushIndex('lab/bwa', '1', ['linux/amd64', 'linux/arm64/v8']);
    await world.ended(await world.accept([task('one')]));
    expect(await images()).toEqual([`${registry.host}/lab/bwa@${of['linux/arm64/v8']}`]);
  });

  it('that moves while a task is tried again is not looked at again: the retry runs the same image', async () => {
    await world.startWorkers();
    const digest = registry.push('lab/bwa', '1', 'before');
    let tries = 0;
    world.behave(() => {
      tries += 1;
      if (tries > 1) return {};
      registry.push('lab/bwa', '1', 'after');
      return { noRecord: { exitCode: 137, reason: 'OutOfMemoryError: Container killed' } };
    });
    const [one] = await world.ended(await world.accept([task('one')]));
    expect(one).toMatchObject({ place: 'done', memoryGrowths: 1 });
    expect(await images()).toEqual([
      `${registry.host}/lab/bwa@${digest}`,
      `${registry.host}/lab/bwa@${digest}`,
    ]);
  });

  it('is asked for once by 1,000 tasks and two workers', async () => {
    registry.pushIndex('lab/bwa', '1', ['linux/amd64']);
    await world.accept(
      manyTasks(1000, (at) => task(`t${at}`, `work ${at}`)),
      'wide',
    );
    // Not run, which takes its time: their images are known by then.
    const stages = ['cache-check', 'stage-script'] as const;
    await Promise.all([world.startWorkers({ stages }), world.startWorkers({ stages })]);
    const staged =
      "SELECT COUNT(*) AS tasks, COUNT(DISTINCT shape) AS shapes FROM tasks WHERE place = 'submit'";
    await world.until(
      '1,000 staged tasks',
      async () => (await world.rows(staged))[0]?.['tasks'] === 1000,
    );
    expect(await world.rows(staged)).toEqual([{ tasks: 1000, shapes: 1 }]);
    expect(registry.asked).toHaveLength(2);
  });
});

describe('a task whose image cannot be resolved', () => {
  it('because its registry is away runs uncached, by its tag, and says so', async () => {
    await world.startWorkers();
    await registry.close();
    const says = `The call cache was not used, because the digest of image ${registry.host}/lab/bwa:1 is not known. The registry ${registry.host} did not answer: connect ECONNREFUSED`;
    const ended = await world.ended(await world.accept([task('one')]));
    ended.push(...(await world.ended(await world.accept([task('two')]))));
    for (const { place, hitEntryId, warnings } of ended) {
      expect({ place, hitEntryId }).toEqual({ place: 'done', hitEntryId: null });
      expect(JSON.parse(warnings ?? '[]')).toEqual([expect.stringContaining(says)]);
    }
    expect(world.effects).toHaveLength(2);
    expect(await images()).toEqual([`${registry.host}/lab/bwa:1`]);
    expect(world.lines.filter(({ msg }) => msg === 'image-not-resolved')).toHaveLength(1);
    expect(await world.rows('SELECT id FROM cache_entries')).toEqual([]);
    expect(
      await world.rows(
        'SELECT COUNT(fingerprint) AS known, COUNT(image_digest) AS digests FROM tasks',
      ),
    ).toEqual([{ known: 0, digests: 0 }]);
    registry = await startRegistry();
  });

  it('yet does not hold up the others of its message', async () => {
    await world.startWorkers();
    registry.push('lab/bwa', '1', 'x');
    registry.instead = ({ path }) => (path.includes('slow') ? 'hang' : undefined);
    const slow = task('slow', 'slow', {
      spec: {
        ...task('x').spec,
        executors: [{ image: `${registry.host}/lab/slow:1`, command: ['slow'] }],
      },
    });
    const [slowId = 0, ...others] = await world.accept([slow, task('a', 'a'), task('b', 'b')]);
    await world.ended(others);
    expect(await world.tasks([slowId])).toMatchObject([{ place: 'cache-check' }]);
    registry.instead = () => undefined;
    registry.push('lab/slow', '1', 'x');
    registry.hangUp();
    expect(await world.ended([slowId])).toMatchObject([{ place: 'done', warnings: null }]);
  });
});

describe('a worker that is closed while a registry is silent', () => {
  it('leaves no answer behind, so that the next one asks at once', async () => {
    const first = await world.startWorkers();
    registry.push('lab/bwa', '1', 'x');
    registry.instead = () => 'hang';
    const ids = await world.accept([task('one')]);
    await world.until('the question', () => registry.asked.length > 0);
    await first.close();
    registry.instead = () => undefined;
    await world.startWorkers();
    expect(await world.ended(ids)).toMatchObject([{ place: 'done', warnings: null }]);
    expect(await world.rows('SELECT id FROM cache_entries')).toHaveLength(1);
  });
});
