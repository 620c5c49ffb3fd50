/** What the API and, where there are credentials, AWS Batch say of a task. */
import { finalLog, type Client, type TesTaskFull } from '../../packages/client/client.ts';
import { explainTask, type SeenTaskJob, type TaskFacts } from '../../core/doctor/explain-task.ts';
import type { SeenQueue } from '../../core/doctor/check-aws.ts';
import type { Finding } from '../../core/doctor/finding.ts';
import { waitingKinds, type WaitingKind } from '../../core/waiting/waiting.ts';

export async function lookAtTask(client: Client, id: string): Promise<Finding[]> {
  const task = await client.get(id, { view: 'FULL' });
  const metadata = finalLog(task)?.metadata ?? {};
  const { queue, batch_job_id: jobId } = metadata;
  const inBatch = queue === undefined || hasEnded(task) ? {} : await askBatch({ queue, jobId });
  return explainTask({
    ...factsOf(task, metadata),
    ...(queue !== undefined && { queue }),
    ...(jobId !== undefined && { jobId }),
    ...inBatch,
  });
}

const hasEnded = ({ state }: TesTaskFull): boolean =>
  !['QUEUED', 'INITIALIZING', 'RUNNING', 'PAUSED', 'UNKNOWN'].includes(state);

const isKind = (text: string | undefined): text is WaitingKind =>
  waitingKinds.some((kind) => kind === text);

function factsOf(
  task: TesTaskFull,
  { waiting_for: kind, waiting, waiting_task: other }: Record<string, string>,
): TaskFacts {
  return {
    id: task.id,
    state: task.state,
    cpuCores: task.resources?.cpu_cores ?? 1,
    ramGb: task.resources?.ram_gb ?? 0,
    messages: finalLog(task)?.system_logs ?? [],
    ...(isKind(kind) && {
      waiting: { for: kind, message: waiting ?? kind, ...(other !== undefined && { task: other }) },
    }),
  };
}

interface SeenInBatch {
  job?: SeenTaskJob;
  seenQueue?: SeenQueue;
  unasked?: string;
}

/** The person who asks may have no AWS credentials. */
async function askBatch({
  queue,
  jobId,
}: {
  queue: string;
  jobId: string | undefined;
}): Promise<SeenInBatch> {
  const { openAwsDoctor, wordsOf } = await import('../../aws/doctor.ts');
  const aws = openAwsDoctor();
  try {
    const seen = (await aws.queues([queue])).get(queue);
    const job = jobId === undefined ? undefined : await aws.job(jobId);
    return { ...(job && { job }), ...(seen && { seenQueue: seen }) };
  } catch (error) {
    return { unasked: wordsOf(error) };
  } finally {
    aws.close();
  }
}
