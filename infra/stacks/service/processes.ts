/** The task definitions and ECS services of the API and the workers. */
import { Fn } from 'aws-cdk-lib';
import { CfnService, CfnTaskDefinition, type CfnTaskDefinitionProps } from 'aws-cdk-lib/aws-ecs';
import { choose, imported } from '../template.ts';
import { API_PORT, METRICS_PORT, type ServiceParts } from './parts.ts';

interface Process {
  /** Command of the image. */
  name: 'api' | 'worker';
  id: 'Api' | 'Worker';
  port: number;
  cpu: string;
  memory: string;
}

type Container = CfnTaskDefinition.ContainerDefinitionProperty;

const PROCESSES: readonly [Process, Process] = [
  { name: 'api', id: 'Api', port: API_PORT, cpu: '512', memory: '2048' },
  { name: 'worker', id: 'Worker', port: METRICS_PORT, cpu: '1024', memory: '2048' },
];

export function addProcesses(service: ServiceParts): void {
  for (const process of PROCESSES) {
    new CfnTaskDefinition(service.stack, `${process.id}Task`, taskDefinitionOf(service, process));
    addService(service, process);
  }
  addHello(service);
}

function taskDefinitionOf(
  service: ServiceParts,
  { name, id, port, cpu, memory }: Process,
): CfnTaskDefinitionProps & { containerDefinitions: Container[] } {
  const container = containerOf(service);
  return {
    family: Fn.sub(`\${AWS::StackName}-${name}`),
    requiresCompatibilities: ['FARGATE'],
    networkMode: 'awsvpc',
    runtimePlatform: {
      cpuArchitecture: service.parameters.CpuArchitecture.valueAsString,
      operatingSystemFamily: 'LINUX',
    },
    cpu,
    memory,
    executionRoleArn: Fn.getAtt('ExecutionRole', 'Arn').toString(),
    taskRoleArn: Fn.getAtt(`${id}Role`, 'Arn').toString(),
    containerDefinitions: [
      // Migrations take a lock, so that tasks that start together wait for the first.
      { ...container('migrate'), essential: false, command: ['migrate'] },
      {
        ...container(name),
        essential: true,
        command: [name],
        dependsOn: [{ containerName: 'migrate', condition: 'SUCCESS' }],
        portMappings: [{ containerPort: port }],
        // A worker finishes its messages before it stops.
        stopTimeout: 120,
        healthCheck: {
          command: [
            'CMD',
            'node',
            '-e',
            `fetch('http://127.0.0.1:${port}/healthz').then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))`,
          ],
          interval: 15,
          timeout: 5,
          retries: 4,
          startPeriod: 60,
        },
      },
    ],
  };
}

/**
 * Submits the task in $TASK and waits for its end: aws:deploy runs it. It has an API of its own, so it
 * needs neither the load balancer nor the name in its certificate.
 */
function addHello(service: ServiceParts): void {
  const api = taskDefinitionOf(service, PROCESSES[0]);
  new CfnTaskDefinition(service.stack, 'HelloTask', {
    ...api,
    family: Fn.sub('${AWS::StackName}-hello'),
    containerDefinitions: [
      ...api.containerDefinitions.map((one) => ({ ...one, essential: false })),
      {
        ...containerOf(service)('hello'),
        essential: true,
        entryPoint: ['sh', '-c'],
        command: ['printf %s "$TASK" | batchwell submit - --wait'],
        dependsOn: [{ containerName: 'api', condition: 'HEALTHY' }],
        environment: [{ name: 'BATCHWELL_URL', value: `http://127.0.0.1:${API_PORT}` }],
        secrets: [{ name: 'BATCHWELL_TOKEN', valueFrom: Fn.ref('TokenSecret') }],
      },
    ],
  });
}

const containerOf =
  ({ parameters: p, conditions }: ServiceParts) =>
  (name: string): Container => ({
    name,
    image: p.ImageUri.valueAsString,
    readonlyRootFilesystem: true,
    user: 'node',
    linuxParameters: {
      initProcessEnabled: true,
      tmpfs: [{ containerPath: '/tmp', size: 64 }],
    },
    environmentFiles: choose(conditions.hasSettings, [
      { type: 's3', value: p.SettingsFileArn.valueAsString },
    ]),
    environment: Object.entries(environmentOf(conditions, p)).map(([key, value]) => ({
      name: key,
      value,
    })),
    secrets: Object.entries(secretsOf(conditions, p)).map(([key, valueFrom]) => ({
      name: key,
      valueFrom,
    })),
    logConfiguration: {
      logDriver: 'awslogs',
      options: {
        'awslogs-group': Fn.ref('ServiceLogGroup'),
        'awslogs-region': Fn.ref('AWS::Region'),
        'awslogs-stream-prefix': name,
      },
    },
  });

type Conditions = ServiceParts['conditions'];

const environmentOf = (
  { createsDatabase, createsRedis }: Conditions,
  p: ServiceParts['parameters'],
): Record<string, string> => ({
  AWS_REGION: Fn.ref('AWS::Region'),
  BATCHWELL_BUCKET: imported('CoreStack', 'Bucket'),
  BATCHWELL_JOB_EVENTS_URL: imported('CoreStack', 'EventsUrl'),
  BATCHWELL_JOB_QUEUE: imported('CoreStack', 'JobQueue'),
  BATCHWELL_JOB_ROLE: imported('CoreStack', 'JobRole'),
  BATCHWELL_LOG_GROUP: imported('CoreStack', 'LogGroup'),
  BATCHWELL_METRICS_HOST: '0.0.0.0',
  BATCHWELL_METRICS_PORT: String(METRICS_PORT),
  BATCHWELL_SCALING_NAMESPACE: Fn.sub('Batchwell/${AWS::StackName}'),
  BATCHWELL_SCALING_SIGNAL_SECONDS: '60',
  DATABASE_URL: choose(
    createsDatabase,
    Fn.sub('mysql://${DatabaseCluster.Endpoint.Address}:3306/batchwell?ssl=Amazon%20RDS'),
    p.DatabaseUrl.valueAsString,
  ),
  HOST: '0.0.0.0',
  PORT: String(API_PORT),
  REDIS_URL: choose(
    createsRedis,
    Fn.sub('rediss://${RedisGroup.PrimaryEndPoint.Address}:6379'),
    p.RedisUrl.valueAsString,
  ),
});

function secretsOf(
  { createsDatabase, createsRedis }: Conditions,
  p: ServiceParts['parameters'],
): Record<string, string> {
  const database = (key: string): string =>
    choose(
      createsDatabase,
      Fn.sub(`\${DatabaseCluster.MasterUserSecret.SecretArn}:${key}::`),
      Fn.sub(`\${DatabaseSecretArn}:${key}::`),
    );
  return {
    BATCHWELL_TOKENS: Fn.ref('TokensSecret'),
    BATCHWELL_WEBHOOK_KEY: Fn.ref('WebhookSecret'),
    DATABASE_PASSWORD: database('password'),
    DATABASE_USER: database('username'),
    REDIS_PASSWORD: choose(createsRedis, Fn.ref('RedisSecret'), p.RedisSecretArn.valueAsString),
  };
}

function addService({ stack, parameters: p, conditions }: ServiceParts, process: Process): void {
  const { id, name } = process;
  const isApi = name === 'api';
  const service = new CfnService(stack, `${id}Service`, {
    cluster: Fn.ref('Cluster'),
    taskDefinition: Fn.ref(`${id}Task`),
    launchType: 'FARGATE',
    // The scaling of the workers sets their number, and one is the least.
    ...(isApi && { desiredCount: choose(conditions.isProduction, 2, 1) }),
    deploymentConfiguration: {
      deploymentCircuitBreaker: { enable: true, rollback: true },
      minimumHealthyPercent: 100,
      maximumPercent: 200,
    },
    networkConfiguration: {
      awsvpcConfiguration: {
        subnets: p.SubnetIds.valueAsList,
        securityGroups: [Fn.getAtt('ServiceGroup', 'GroupId').toString()],
        assignPublicIp: 'DISABLED',
      },
    },
    propagateTags: 'SERVICE',
    ...(isApi && {
      healthCheckGracePeriodSeconds: 180,
      loadBalancers: [
        {
          containerName: name,
          containerPort: API_PORT,
          targetGroupArn: Fn.ref('TargetGroup'),
        },
      ],
    }),
  });
  if (isApi) service.addOverride('DependsOn', 'Listener');
}
