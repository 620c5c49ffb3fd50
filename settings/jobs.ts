import { DISK_WAIT_VARIABLE, LIVE_LOGS_VARIABLE } from '../core/container/container.ts';
import {
  isQueueName,
  ON_DEMAND_FORM,
  readQueuePairs,
  ZONE_FORM,
} from '../core/submission/on-demand.ts';
import { HOUR_MS, list, SECOND_MS, text, whole, type Section, type Setting } from './setting.ts';

/** Empty, or the name or ARN of a job queue. */
const queue = (declared: Parameters<typeof text>[0]): Setting<string> => ({
  ...text(declared),
  parse(given) {
    if (!isQueueName(given)) throw new Error('expected the name or ARN of a Batch job queue');
    return given;
  },
});

export const jobs = {
  heading: 'Batch jobs',
  settings: {
    jobQueue: text({
      variable: 'BATCHWELL_JOB_QUEUE',
      fallback: 'batchwell',
      effect: 'Name or ARN of the Batch job queue for tasks that do not name one.',
    }),
    spotQueue: queue({
      variable: 'BATCHWELL_SPOT_QUEUE',
      fallback: '',
      effect:
        'Name or ARN of the Batch job queue for preemptible tasks that do not name one. When empty ' +
        'they run like all others, and say so in a warning.',
    }),
    onDemandQueues: list({
      variable: 'BATCHWELL_ON_DEMAND_QUEUES',
      effect:
        'Where a task goes on after it lost its hosts in a job queue. Each as ' +
        `${ON_DEMAND_FORM}. From BATCHWELL_SPOT_QUEUE, when it is not named here, it goes to ` +
        'BATCHWELL_JOB_QUEUE; in all other job queues it stays. Both queues of a pair need hosts of ' +
        'one architecture, and a fair-share policy both or neither.',
      check: (entries) => void readQueuePairs(entries, ON_DEMAND_FORM),
    }),
    spotLosses: whole({
      variable: 'BATCHWELL_SPOT_LOSSES',
      fallback: 3,
      unit: 'hosts',
      range: [1, 10],
      effect:
        'How many hosts a task can lose in a queue with Spot hosts before it goes on in the queue ' +
        'with On-Demand hosts. AWS Batch itself retries it until then.',
    }),
    zoneQueues: list({
      variable: 'BATCHWELL_ZONE_QUEUES',
      effect:
        `Job queues for tasks that name zones and no queue. Each as ${ZONE_FORM}; the first zone of ` +
        'a task that has a queue counts. When empty, zones have no effect, and a warning says so.',
      check: (entries) => void readQueuePairs(entries, ZONE_FORM),
    }),
    largestDiskGb: whole({
      variable: 'BATCHWELL_LARGEST_DISK_GB',
      fallback: 0,
      unit: 'GiB',
      range: [0, 65_536],
      effect:
        'Room on the largest disk that a host gives to tasks. Tasks with a larger disk_gb are ' +
        'refused. With 0 it is not known, and tasks with disk_gb get a warning.',
    }),
    share: text({
      variable: 'BATCHWELL_SHARE',
      fallback: '',
      effect:
        'Share identifier for tasks that do not name one, on job queues with a fair-share ' +
        'policy. {owner} is replaced by the owner of the task. Leave it empty for queues ' +
        'without such a policy.',
    }),
    jobRole: text({
      variable: 'BATCHWELL_JOB_ROLE',
      fallback: '',
      effect: 'ARN of the IAM role of the task containers. No role when empty.',
    }),
    jobRoles: list({
      variable: 'BATCHWELL_JOB_ROLES',
      effect:
        'ARNs of the IAM roles that tasks can request with the parameter job_role. A token that ' +
        'lists roles of its own overrides it.',
    }),
    hostFolder: text({
      variable: 'BATCHWELL_HOST_FOLDER',
      fallback: '/opt/batchwell',
      effect:
        'Folder of the stager on the hosts. It is mounted read-only into every task at ' +
        '/opt/batchwell.',
    }),
    diskWaitMs: whole({
      variable: DISK_WAIT_VARIABLE,
      fallback: 600 * SECOND_MS,
      unit: 'ms',
      range: [0, 24 * HOUR_MS],
      effect:
        'Longest time an input waits for room on the disk of its host, which other tasks fill. ' +
        'Then the attempt ends, and the task is retried as after any transient error. The wait ' +
        'counts for the time limit of the task.',
    }),
    liveLogsMs: whole({
      variable: LIVE_LOGS_VARIABLE,
      fallback: 30 * SECOND_MS,
      unit: 'ms',
      range: [0, HOUR_MS],
      effect:
        'Longest time between two writes of the new stdout and stderr of a running task to S3. ' +
        'The first write is 5 s after the start, and the pauses double up to this value. With 0 ' +
        'the logs appear only when the attempt ends.',
    }),
  },
} satisfies Section;
