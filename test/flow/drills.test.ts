/**
 * The drills of docs/upgrading.md: what an operator loses, does, and has afterwards. A lost Redis has
 * fleet-sweeper.test.ts, and a restored database installation.test.ts.
 */
import { DeleteObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { parseS3Url } from '../../core/files/s3-url.ts';
import { isLong } from '../long.ts';
import { newTask, startFleetWorld } from './harness.ts';

const SLOW_MS = 60_000;

test.runIf(isLong)(
  'a work bucket that lost all of its objects: a task that runs ends, and new ones run, also with scripts that were lost',
  async () => {
    const world = await startFleetWorld({ BATCHWELL_LEASE_MS: '200', BATCHWELL_JANITOR_MS: '0' });
    const s3 = new S3Client({ forcePathStyle: true });
    try {
      world.sweeperMayHelp();
      await world.startWorkers();
      await world.ended(await world.accept([newTask('before')]));
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      world.behave(({ spec }) =>
        spec.executors[0]?.command.includes('held') ? { until: released } : {},
      );
      const held = await world.accept([newTask('held')]);
      await world.until('it to run', () => world.batch.ledger.summary().running === 1);

      for await (const page of world.objects.list(`s3://${world.environment['BATCHWELL_BUCKET']}/`))
        for (const { url } of page) {
          const { bucket, key } = parseS3Url(url)!;
          await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
        }
      release();

      const fresh = [newTask('after'), newTask('before')];
      expect(await world.ended(await world.accept(fresh))).toMatchObject([
        { place: 'done' },
        { place: 'done' },
      ]);
      // Its result was written after the loss, so it counts.
      expect(await world.ended(held)).toMatchObject([{ place: 'done' }]);
    } finally {
      s3.destroy();
      await world.close();
    }
  },
  SLOW_MS,
);
