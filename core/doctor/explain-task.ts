/** Why a task does not move, and what to do: from what the API and AWS Batch say of it. */
import type { TesState } from '../task/tes-state.ts';
import type { WaitingKind } from '../waiting/waiting.ts';
import { checkQueue, type SeenEnvironment, type SeenQueue } from './check-aws.ts';
import { fine, note, unknown, wrong, type Finding } from './finding.ts';

export interface TaskFacts {
  id: string;
  state: TesState;
  cpuCores: number;
  ramGb: number;
  waiting?: { for: WaitingKind; message: string; task?: string };
  /** Sentences about the task, the newest last. */
  messages: readonly string[];
  queue?: string;
  jobId?: string;
  /** How Batch sees its job; undefined where it does not know it, or was not asked. */
  job?: SeenTaskJob;
  /** The queue in Batch; `unasked` says why it is not known. */
  seenQueue?: SeenQueue;
  unasked?: string;
}

export interface SeenTaskJob {
  status: string;
  statusReason?: string;
  /** Of its last container. */
  reason?: string;
}

const ENDED: ReadonlySet<TesState> = new Set(['COMPLETE', 'CANCELED', 'CANCELING']);
const FAILED: ReadonlySet<TesState> = new Set(['EXECUTOR_ERROR', 'SYSTEM_ERROR', 'PREEMPTED']);

export function explainTask(facts: TaskFacts): Finding[] {
  const { state, messages } = facts;
  if (ENDED.has(state)) return [fine('state', state)];
  if (FAILED.has(state))
    return [
      wrong(
        'state',
        `${state}: ${messages.at(-1) ?? 'no reason is known'}`,
        adviceOnFailure(facts),
      ),
    ];
  return [
    explainState(facts),
    ...explainJob(facts),
    ...(facts.seenQueue ? inQueue(facts, facts.seenQueue) : notAsked(facts)),
  ];
}

const adviceOnFailure = ({ id }: TaskFacts): string =>
  `Run \`batchwell logs ${id} --stderr\` for what it printed, correct the cause, and submit it again.`;

/** What to do about each; the message says what it is. */
const ADVICE: Record<WaitingKind, { status: Finding['status']; advice: string }> = {
  worker: {
    status: 'note',
    advice: 'If it stays so, start workers with that stage: run `batchwell doctor`.',
  },
  redis: { status: 'wrong', advice: 'Repair Redis, or its network: run `batchwell doctor`.' },
  database: {
    status: 'wrong',
    advice: 'Repair the database, or its network: run `batchwell doctor`.',
  },
  company: { status: 'ok', advice: 'Nothing to do: BATCHWELL_PACK_LONGEST_MS limits this wait.' },
  'owner-limit': {
    status: 'note',
    advice: 'Wait, cancel what is no longer needed, or raise BATCHWELL_OWNER_LIMIT.',
  },
  'equal-call': {
    status: 'ok',
    advice: 'Look at the equal task, or submit this one with merge set to off.',
  },
  'retry-pause': { status: 'note', advice: 'Nothing to do: it is tried again by itself.' },
  submission: { status: 'ok', advice: 'If it stays so, run `batchwell doctor`.' },
  permission: {
    status: 'wrong',
    advice:
      'Give the role of the workers the permission that AWS names: `batchwell doctor` lists all.',
  },
  'queue-disabled': {
    status: 'wrong',
    advice: 'Enable the job queue: aws batch update-job-queue --state ENABLED.',
  },
  network: { status: 'wrong', advice: 'Check DNS, routes and endpoints of the workers.' },
  throttling: {
    status: 'note',
    advice: 'Lower BATCHWELL_BATCH_PER_SECOND, or ask AWS for a higher limit of Batch requests.',
  },
  settling: { status: 'note', advice: 'Wait a minute: Batch is eventually consistent.' },
  misconfiguration: {
    status: 'wrong',
    advice:
      'Ask for less, or give the job queue a compute environment whose instance types have that much. AWS can be wrong about this for some minutes.',
  },
  capacity: {
    status: 'note',
    advice: 'Wait, raise maxvCpus of the compute environments, or allow more instance types.',
  },
};

function explainState({ state, waiting }: TaskFacts): Finding {
  if (!waiting) return fine('state', state === 'RUNNING' ? 'RUNNING: its container runs' : state);
  const { status, advice } = ADVICE[waiting.for];
  const more = waiting.task === undefined ? '' : ` Run \`batchwell doctor ${waiting.task}\`.`;
  return { check: 'state', status, found: `${state}: ${waiting.message}`, advice: advice + more };
}

const PULL = /CannotPull\w*|pull access denied|ImageNotFound|manifest unknown/i;
const ROLE = /assume|AccessDenied|not authorized|ResourceInitializationError/i;

function explainJob({ job, jobId }: TaskFacts): Finding[] {
  if (!job || jobId === undefined) return [];
  const { status, statusReason, reason } = job;
  const said = [statusReason, reason].filter((one) => one !== undefined && one !== '').join('; ');
  const found = `${status}${said === '' ? '' : `: ${said}`} (${jobId})`;
  if (PULL.test(said))
    return [wrong('Batch job', found, 'Correct the image, or the login to its registry.')];
  if (ROLE.test(said))
    return [
      wrong('Batch job', found, 'Correct the job role, the execution role, or what they may do.'),
    ];
  if (status === 'STARTING')
    return [
      note(
        'Batch job',
        found,
        'A host pulls the image and starts the container. Large images take minutes.',
      ),
    ];
  if (said.startsWith('MISCONFIGURATION'))
    return [wrong('Batch job', found, 'Ask for less, or change the compute environments.')];
  return [fine('Batch job', found)];
}

const notAsked = ({ unasked, queue }: TaskFacts): Finding[] =>
  unasked === undefined || queue === undefined
    ? []
    : [
        unknown(
          `job queue ${queue}`,
          unasked,
          'Run this where the AWS credentials of an operator are, for what AWS Batch says.',
        ),
      ];

function inQueue(facts: TaskFacts, seen: SeenQueue): Finding[] {
  return [...checkQueue(facts.queue ?? seen.name, seen), ...checkFit(facts, seen)];
}

function checkFit({ cpuCores, ramGb }: TaskFacts, { environments }: SeenQueue): Finding[] {
  const check = 'size';
  const most = Math.max(...environments.map(largestVcpus), 0);
  const asked = `asks for ${cpuCores} vCPUs and ${ramGb} GiB`;
  if (environments.length === 0) return [];
  return cpuCores > most
    ? [
        wrong(
          check,
          `${asked}, and no host of the queue has more than ${most} vCPUs`,
          'Ask for fewer cpu_cores, or add larger instance types to a compute environment.',
        ),
      ]
    : [fine(check, asked)];
}

/** vCPUs by the size in the name of an instance type: `m6i.4xlarge` has 16. */
const SIZES: Readonly<Record<string, number>> = { medium: 1, large: 2, xlarge: 4 };

function vcpusOf(instanceType: string): number {
  const size = instanceType.split('.')[1];
  if (size === undefined) return Number.POSITIVE_INFINITY;
  const times = /^(\d+)xlarge$/.exec(size)?.[1];
  return times === undefined ? (SIZES[size] ?? Number.POSITIVE_INFINITY) : 4 * Number(times);
}

/** A family, or `optimal`, has large ones; then only the size of the environment is a limit. */
function largestVcpus({
  maxVcpus = Number.POSITIVE_INFINITY,
  instanceTypes,
}: SeenEnvironment): number {
  const largest =
    instanceTypes.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...instanceTypes.map(vcpusOf));
  return Math.min(maxVcpus, largest);
}
