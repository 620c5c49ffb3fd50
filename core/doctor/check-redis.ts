/** Whether a Redis serves a fleet, from what it says of itself. */
import { fine, note, wrong, type Finding } from './finding.ts';

export interface RedisFacts {
  /** Fields of INFO. */
  info: Readonly<Record<string, string | undefined>>;
  /** Per stage: waiting messages, laid-aside ones, and how long the first waits. */
  queues: readonly { stage: string; waiting: number; failed: number; oldestMs: number }[];
}

/** How fast the fleet may ask AWS Batch at present, and how fast it is allowed to. */
export interface RequestRate {
  what: string;
  perSecond: number;
  limit: number;
}

/** A throttled answer halves the rate, and each second restores a twentieth of the limit. */
export const checkRates = (rates: readonly RequestRate[]): Finding[] =>
  rates.map(({ what, perSecond, limit }) => {
    const check = `request rate of ${what}`;
    const found = `${perSecond.toFixed(1)} of ${limit} per second`;
    return perSecond < limit / 2
      ? note(
          check,
          `${found}: AWS throttled the fleet`,
          'Lower BATCHWELL_BATCH_PER_SECOND, or ask AWS for a higher limit. It recovers by itself.',
        )
      : fine(check, found);
  });

const OLD_MS = 60_000;
const FULL = 0.8;

export function checkRedis({ info, queues }: RedisFacts): Finding[] {
  return [
    checkVersion(info),
    checkRole(info),
    checkPolicy(info),
    checkMemory(info),
    checkPersistence(info),
    ...queues.flatMap(checkQueue),
  ];
}

type Info = RedisFacts['info'];

function checkVersion({
  redis_version: version = '',
  valkey_version: valkey,
  server_name: server,
}: Info): Finding {
  const name = valkey === undefined ? `Redis ${version}` : `${server ?? 'valkey'} ${valkey}`;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 2)
    ? fine('Redis version', name)
    : wrong('Redis version', name, 'Use Redis 6.2 or later, or Valkey.');
}

const checkRole = ({ role = 'unknown' }: Info): Finding =>
  role === 'master'
    ? fine('Redis role', 'a primary')
    : wrong('Redis role', role, 'Let REDIS_URL name the primary: a replica takes no messages.');

const checkPolicy = ({ maxmemory_policy: policy = '' }: Info): Finding =>
  policy === 'noeviction'
    ? fine('Redis policy', policy)
    : wrong(
        'Redis policy',
        policy === '' ? 'not told' : policy,
        'Set maxmemory-policy to noeviction: any other drops messages, and workers do not start.',
      );

function checkMemory({ used_memory: used = '0', maxmemory = '0' }: Info): Finding {
  const [bytes, most] = [Number(used), Number(maxmemory)];
  const spelled = `${Math.round(bytes / 1024 ** 2)} MiB used`;
  if (most === 0)
    return note(
      'Redis memory',
      `${spelled}, without a limit`,
      'Set maxmemory, so that Redis refuses writes before its host runs out of memory.',
    );
  return bytes / most >= FULL
    ? wrong(
        'Redis memory',
        `${spelled} of ${Math.round(most / 1024 ** 2)} MiB`,
        'Give Redis more memory: a full one takes no messages. Look for a queue that grows.',
      )
    : fine('Redis memory', `${spelled} of ${Math.round(most / 1024 ** 2)} MiB`);
}

const checkPersistence = ({ aof_enabled: aof, rdb_last_bgsave_status: saved }: Info): Finding => {
  if (saved !== undefined && saved !== 'ok')
    return wrong(
      'Redis persistence',
      `the last save failed (${saved})`,
      'Check the disk of Redis: by default it refuses writes after a save that failed.',
    );
  return aof === '1'
    ? fine('Redis persistence', 'an append-only file')
    : note(
        'Redis persistence',
        'no append-only file',
        'Without one a restart loses messages. Nothing is lost, but tasks wait for the sweeper (BATCHWELL_STALL_MS). Set appendonly yes.',
      );
};

function checkQueue({ stage, waiting, failed, oldestMs }: RedisFacts['queues'][number]): Finding[] {
  const check = `stage ${stage}`;
  if (oldestMs >= OLD_MS)
    return [
      wrong(
        check,
        `${waiting} messages wait, the first for ${Math.round(oldestMs / 1000)} s`,
        `Start more workers with the stage ${stage}, or look at why they do not take messages.`,
      ),
    ];
  if (failed > 0)
    return [
      note(
        check,
        `${failed} messages were laid aside after errors`,
        'Look for message-failed in the log. The sweeper sends their rows again.',
      ),
    ];
  return [fine(check, waiting === 0 ? 'no message waits' : `${waiting} messages wait`)];
}
