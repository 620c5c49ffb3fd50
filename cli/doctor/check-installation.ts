/** Checks the parts of an installation, each for itself: what does not answer is wrong, and the rest is still looked at. */
import type { AwsDoctor } from '../../aws/doctor.ts';
import type { Config } from '../../config.ts';
import { checkBucket, checkPermission, checkQueue } from '../../core/doctor/check-aws.ts';
import { checkClocks } from '../../core/doctor/check-clock.ts';
import { checkDatabase } from '../../core/doctor/check-database.ts';
import { checkRates, checkRedis } from '../../core/doctor/check-redis.ts';
import { unknown, wrong, type Finding } from '../../core/doctor/finding.ts';
import { configuredQueues } from '../../core/submission/on-demand.ts';

/** The doctor must not take as long as what it looks at. */
const PATIENCE_MS = 20_000;

async function inTime<T>(work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)),
    PATIENCE_MS,
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const wordsOf = (error: unknown): string =>
  error instanceof Error ? error.message || error.name : String(error);

export async function checkInstallation(config: Config): Promise<Finding[]> {
  const [database, redis, bucket, batch] = await Promise.all([
    seeDatabase(config),
    seeRedis(config),
    seeBucket(config),
    seeBatch(config),
  ]);
  return [
    ...database.findings,
    ...redis.findings,
    ...checkClocks({ database: database.aheadMs, redis: redis.aheadMs }),
    ...bucket,
    ...batch,
  ];
}

interface Seen {
  findings: Finding[];
  /** How far the clock here is ahead. */
  aheadMs: number | undefined;
}

async function seeDatabase({ databaseUrl }: Config): Promise<Seen> {
  const [{ openDatabase }, { readDatabaseFacts }] = await Promise.all([
    import('../../db/client.ts'),
    import('../../db/doctor.ts'),
  ]);
  const database = openDatabase({ url: databaseUrl, connections: 2, statementMs: PATIENCE_MS });
  try {
    const facts = await inTime(readDatabaseFacts(database.pool));
    return { findings: checkDatabase(facts), aheadMs: Date.now() - facts.nowMs };
  } catch (error) {
    const advice = 'Check DATABASE_URL, the server, and the network between.';
    return { findings: [wrong('database', wordsOf(error), advice)], aheadMs: undefined };
  } finally {
    await database.close();
  }
}

async function seeRedis({ redisUrl, redisPrefix, batchPerSecond: limit }: Config): Promise<Seen> {
  const { readRedisFacts } = await import('../../queues/doctor.ts');
  try {
    const facts = await inTime(readRedisFacts(redisUrl, redisPrefix));
    const rates = checkRates(facts.rates.map((rate) => ({ ...rate, limit })));
    return { findings: [...checkRedis(facts), ...rates], aheadMs: Date.now() - facts.nowMs };
  } catch (error) {
    const advice = 'Check REDIS_URL, the server, and the network between.';
    return { findings: [wrong('Redis', wordsOf(error), advice)], aheadMs: undefined };
  }
}

async function seeBucket({ bucket, bucketPrefix, s3PathStyle }: Config): Promise<Finding[]> {
  const { readBucketFacts, wordsOf: awsWords } = await import('../../aws/doctor.ts');
  try {
    return checkBucket(
      await inTime(
        readBucketFacts({ bucket, prefix: bucketPrefix, pathStyle: s3PathStyle === 'yes' }),
      ),
    );
  } catch (error) {
    return [
      wrong(
        `bucket ${bucket}`,
        awsWords(error),
        'Check BATCHWELL_BUCKET, the region, and the permissions s3:ListBucket, s3:GetObject, and s3:PutObject.',
      ),
    ];
  }
}

async function seeBatch(config: Config): Promise<Finding[]> {
  const { openAwsDoctor, wordsOf: awsWords } = await import('../../aws/doctor.ts');
  const aws = openAwsDoctor();
  try {
    const queues = await seeQueues(config, aws, awsWords);
    const permissions = await inTime(aws.permissions(config.jobQueue));
    return [...queues, ...permissions.map(checkPermission)];
  } finally {
    aws.close();
  }
}

async function seeQueues(
  config: Config,
  aws: Pick<AwsDoctor, 'queues'>,
  awsWords: (error: unknown) => string,
): Promise<Finding[]> {
  const names = [...new Set(configuredQueues(config))];
  try {
    const seen = await inTime(aws.queues(names));
    return names.flatMap((name) => checkQueue(name, seen.get(name)));
  } catch (error) {
    return [
      unknown(
        'job queues',
        awsWords(error),
        'For this look, allow batch:DescribeJobQueues and batch:DescribeComputeEnvironments.',
      ),
    ];
  }
}
