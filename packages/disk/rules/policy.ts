/** What the operator chose, read from the environment that the launch template writes, and checked whole. */

export const GIB = 1_073_741_824;
/** gp3 goes to 64 TiB. */
const MOST_GIB = 65_536;
const MODES = ['fixed', 'instance-store', 'elastic'] as const;

type DiskMode = (typeof MODES)[number];

export interface Policy {
  mode: DiskMode;
  /** The volume that the launch template adds. 0: the types have NVMe disks of their own. */
  firstGiB: number;
  /** Most GiB of the file system, with all volumes. */
  maxGiB: number;
  /** A growth is at least this large. */
  leastGrowthGiB: number;
  brakeFloorBytes: number;
  /** Tasks cannot free anything while they are frozen, so no longer than this. */
  brakeMs: number;
  /** Volumes that the daemon adds to one host. */
  mostVolumes: number;
  iops: number;
  /** MiB/s. */
  throughput: number;
  /** Empty: the key of the account for EBS. */
  kmsKeyArn: string;
  region: string;
  /** Value of the tag that the permissions are bound to. */
  stack: string;
}

export type PolicyRead = { policy: Policy } | { problems: string[] };

type Environment = Readonly<Record<string, string | undefined>>;

interface Range {
  fallback: number;
  least: number;
  most: number;
  unit: string;
}

/** All that is wrong is reported together. */
export function readPolicy(environment: Environment): PolicyRead {
  const problems: string[] = [];
  const number = (name: string, { fallback, least, most, unit }: Range): number => {
    const given = environment[name] ?? '';
    if (given === '') return fallback;
    const value = Number(given);
    if (/^\d{1,9}$/.test(given) && value >= least && value <= most) return value;
    problems.push(
      `${name} is ${JSON.stringify(given)}. Expected a whole number of ${unit} from ${least} to ${most}.`,
    );
    return fallback;
  };
  const given = environment['DISK_MODE'] ?? 'elastic';
  const mode = MODES.find((one) => one === given);
  if (mode === undefined)
    problems.push(`DISK_MODE is ${JSON.stringify(given)}. Expected one of ${MODES.join(', ')}.`);
  const firstGiB = number('DISK_GIB', { fallback: 0, least: 0, most: MOST_GIB, unit: 'GiB' });
  const policy: Policy = {
    mode: mode ?? 'fixed',
    firstGiB,
    maxGiB: number('DISK_MAX_GIB', { fallback: 16_384, least: 1, most: 262_144, unit: 'GiB' }),
    leastGrowthGiB: number('DISK_GROWTH_GIB', {
      fallback: 100,
      least: 1,
      most: MOST_GIB,
      unit: 'GiB',
    }),
    brakeFloorBytes:
      number('DISK_BRAKE_MIB', { fallback: 1024, least: 1, most: 1_048_576, unit: 'MiB' }) *
      1_048_576,
    brakeMs:
      number('DISK_BRAKE_SECONDS', { fallback: 120, least: 1, most: 120, unit: 'seconds' }) * 1000,
    mostVolumes: number('DISK_MOST_VOLUMES', {
      fallback: 20,
      least: 1,
      most: 100,
      unit: 'volumes',
    }),
    iops: number('DISK_IOPS', { fallback: 3000, least: 3000, most: 80_000, unit: 'IOPS' }),
    throughput: number('DISK_THROUGHPUT', {
      fallback: 125,
      least: 125,
      most: 2000,
      unit: 'MiB/s',
    }),
    kmsKeyArn: environment['DISK_KMS_KEY_ARN'] ?? '',
    region: environment['REGION'] ?? '',
    stack: environment['STACK'] ?? '',
  };
  problems.push(...contradictions(policy));
  return problems.length > 0 ? { problems } : { policy };
}

function contradictions(policy: Policy): string[] {
  if (policy.mode !== 'elastic') return [];
  const problems: string[] = [];
  if (policy.maxGiB < policy.firstGiB)
    problems.push(
      `DISK_MAX_GIB is ${policy.maxGiB}, less than the first volume of ${policy.firstGiB} GiB. ` +
        'Raise DiskMaxGiB, or use DiskMode=fixed.',
    );
  if (policy.stack === '')
    problems.push(
      'STACK is empty. In the mode elastic it is the tag that permissions are bound to.',
    );
  return problems;
}

/** What an operator should see of the mode `elastic` in a sentence of a log. */
export const isElastic = ({ mode }: Policy): boolean => mode === 'elastic';
