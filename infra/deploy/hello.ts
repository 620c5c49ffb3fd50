/**
 * A real task on the new fleet. It is submitted by an ECS task in the VPC, so it works where the load
 * balancer cannot be reached from here. That task also runs the migrations and an API of its own.
 */
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  DescribeTasksCommand,
  RunTaskCommand,
  StopTaskCommand,
  type Task,
} from '@aws-sdk/client-ecs';
import { pause, type Deployment } from './deployment.ts';
import { Interrupted, messageOf, Refusal } from './errors.ts';

export interface HelloWish {
  cluster: string;
  taskDefinition: string;
  subnetIds: readonly string[];
  securityGroup: string;
  logGroup: string;
  /** Where hosts say why they gave up. */
  hostLogs: string;
  /** The image of the task; it must have `echo`. */
  image: string;
  limitMs: number;
}

const taskOf = (image: string) => ({
  name: 'hello from aws:deploy',
  executors: [{ image, command: ['echo', 'hello'] }],
  resources: { cpu_cores: 1, ram_gb: 1 },
});

const PHASES = [
  ['migrate', 'Running the migrations…'],
  ['api', 'Starting an API of its own…'],
  ['hello', 'Submitted hello. The first host takes some minutes…'],
] as const;

/** @throws Refusal where hello did not succeed */
export async function sayHello(deployment: Deployment, wish: HelloWish): Promise<void> {
  const { nowMs, say } = deployment;
  const arn = await start(deployment, wish);
  const untilMs = nowMs() + wish.limitMs;
  let phase = -1;
  try {
    for (;;) {
      const task = await look(deployment, wish.cluster, arn);
      const reached = PHASES.findLastIndex(([name]) => isStarted(task, name));
      for (const [, sentence] of PHASES.slice(phase + 1, reached + 1)) say(`  ${sentence}`);
      phase = Math.max(phase, reached);
      if (task.lastStatus === 'STOPPED') {
        await judge(deployment, wish, task);
        return;
      }
      if (nowMs() > untilMs) throw new Refusal(await explainWait(deployment, wish, phase));
      await pause(deployment);
    }
  } catch (error) {
    if (error instanceof Interrupted || error instanceof Refusal)
      await stop(deployment, wish.cluster, arn);
    throw error;
  }
}

const isStarted = ({ containers = [] }: Task, name: string): boolean =>
  containers.some(
    (one) => one.name === name && (one.lastStatus === 'RUNNING' || one.lastStatus === 'STOPPED'),
  );

async function start({ clients }: Deployment, wish: HelloWish): Promise<string> {
  const { tasks = [], failures = [] } = await clients.ecs
    .send(
      new RunTaskCommand({
        cluster: wish.cluster,
        taskDefinition: wish.taskDefinition,
        launchType: 'FARGATE',
        startedBy: 'aws-deploy',
        networkConfiguration: {
          awsvpcConfiguration: {
            subnets: [...wish.subnetIds],
            securityGroups: [wish.securityGroup],
            assignPublicIp: 'DISABLED',
          },
        },
        overrides: {
          containerOverrides: [
            {
              name: 'hello',
              environment: [{ name: 'TASK', value: JSON.stringify(taskOf(wish.image)) }],
            },
          ],
        },
      }),
    )
    .catch((error: unknown) => {
      throw new Refusal(`hello was not started: ${messageOf(error)}`);
    });
  const arn = tasks[0]?.taskArn;
  if (arn === undefined)
    throw new Refusal(`hello was not started: ${failures[0]?.reason ?? 'ECS gave no reason'}.`);
  return arn;
}

async function look({ clients }: Deployment, cluster: string, arn: string): Promise<Task> {
  const { tasks: [task] = [] } = await clients.ecs.send(
    new DescribeTasksCommand({ cluster, tasks: [arn] }),
  );
  return task ?? {};
}

async function stop({ clients }: Deployment, cluster: string, task: string): Promise<void> {
  const request = new StopTaskCommand({ cluster, task, reason: 'aws:deploy gave up' });
  // It ends with hello anyway.
  await clients.ecs.send(request).catch(() => undefined);
}

async function judge(deployment: Deployment, wish: HelloWish, task: Task): Promise<void> {
  const of = (name: string) => (task.containers ?? []).find((one) => one.name === name);
  if (of('hello')?.exitCode === 0) {
    deployment.say('  hello succeeded.');
    return;
  }
  const failed = PHASES.map(([name]) => of(name)).find(
    (one) => one?.exitCode !== undefined && one.exitCode !== 0,
  );
  const name = failed?.name ?? 'hello';
  const id = task.taskArn?.split('/').at(-1) ?? '';
  const lines = await lastLines(deployment, wish.logGroup, `${name}/${name}/${id}`);
  const how = failed
    ? `${name} ended with exit code ${failed.exitCode}`
    : (of('hello')?.reason ?? task.stoppedReason ?? 'its task stopped');
  throw new Refusal(
    [`hello failed: ${how}.`, ...lines.map((line) => `  ${line}`), logsAt(wish.logGroup)].join(
      '\n',
    ),
  );
}

const logsAt = (group: string): string => `More is in the log group ${group}.`;

const MOST_LINES = 20;

async function lastLines(
  { clients }: Deployment,
  group: string,
  prefix: string,
): Promise<string[]> {
  try {
    const { events = [] } = await clients.logs.send(
      new FilterLogEventsCommand({
        logGroupName: group,
        ...(prefix && { logStreamNamePrefix: prefix }),
      }),
    );
    return events.slice(-MOST_LINES).map(({ message = '' }) => message.trimEnd());
  } catch (error) {
    return [`The log cannot be read: ${messageOf(error)}`];
  }
}

async function explainWait(
  deployment: Deployment,
  wish: HelloWish,
  phase: number,
): Promise<string> {
  const minutes = Math.round(wish.limitMs / 60_000);
  const at = phase < 0 ? 'its ECS task has not started' : 'the task has not ended';
  const hosts = await lastLines(deployment, wish.hostLogs, '');
  return [
    `hello did not end within ${minutes} minutes: ${at}.`,
    ...hosts.map((line) => `  a host said: ${line}`),
    'Look at the job in the console of AWS Batch. The deployment itself is done; give --hello-minutes to wait longer.',
  ].join('\n');
}
