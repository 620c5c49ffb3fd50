/** The options of aws:deploy and aws:teardown. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { messageOf, Refusal } from './errors.ts';
import type { Where } from './clients.ts';

export interface CommonOptions extends Where {
  name: string;
}

export type Template = 'network' | 'core' | 'service' | 'watch' | 'pipeline';

export interface DeployOptions extends CommonOptions {
  vpc: string | undefined;
  subnets: string[];
  image: string | undefined;
  hostRelease: string | undefined;
  email: string | undefined;
  /** A file with settings of the fleet. */
  settings: string | undefined;
  coreOnly: boolean;
  hello: boolean;
  helloImage: string;
  helloMs: number;
  replaceData: boolean;
  /** Parameters of the templates, as given. */
  parameters: Record<Template, Record<string, string>>;
}

export interface TeardownOptions extends CommonOptions {
  yes: boolean;
}

const COMMON = {
  help: { type: 'boolean', short: 'h', default: false },
  name: { type: 'string', default: 'batchwell' },
  profile: { type: 'string' },
  region: { type: 'string' },
} as const;

const DEPLOY = {
  ...COMMON,
  vpc: { type: 'string' },
  subnets: { type: 'string', multiple: true, default: [] as string[] },
  image: { type: 'string' },
  'host-release': { type: 'string' },
  email: { type: 'string' },
  settings: { type: 'string' },
  'core-only': { type: 'boolean', default: false },
  'no-hello': { type: 'boolean', default: false },
  'hello-image': { type: 'string', default: 'public.ecr.aws/docker/library/busybox:stable' },
  'hello-minutes': { type: 'string', default: '20' },
  'replace-data': { type: 'boolean', default: false },
  network: { type: 'string', multiple: true, default: [] as string[] },
  core: { type: 'string', multiple: true, default: [] as string[] },
  service: { type: 'string', multiple: true, default: [] as string[] },
  watch: { type: 'string', multiple: true, default: [] as string[] },
  pipeline: { type: 'string', multiple: true, default: [] as string[] },
} as const;

const TEARDOWN = { ...COMMON, yes: { type: 'boolean', default: false } } as const;

const WHERE_HELP = `  --profile NAME         profile of the AWS configuration; else the environment
  --region REGION        else AWS_REGION, or the region of the profile
  --name NAME            name of the core stack and start of the others (batchwell)`;

export const deployHelp = `npm run aws:deploy -- [options]

Brings Batchwell into an AWS account, or up to date: host release, stacks, image, migrations, and a
real hello task. It asks for nothing, and run again it goes on where it stopped.

${WHERE_HELP}
  --vpc ID               your VPC; its private subnets are found. Without it, and without an earlier
                         deployment, a network is created
  --subnets A,B          your private subnets
  --image URI@sha256:…   image of the service; else built with docker, podman, or buildah
  --host-release X       folder of \`npm run build:host\`, or SHA-256 of a release in the bucket; else built
  --settings FILE        settings of the fleet, as in .env.example; they stay until you give others
  --email ADDRESS        deploys the alarms too, and sends them there
  --core-only            no service: enough for \`batchwell up --aws\`
  --no-hello             runs no task at the end
  --hello-image IMAGE    image of that task (public.ecr.aws/docker/library/busybox:stable)
  --hello-minutes N      how long to wait for it (20)
  --replace-data         lets a change replace or remove buckets and databases
  --pipeline NAME=VALUE  deploys the pipeline of the host release and the image, such as Source=S3
  --network NAME=VALUE   a parameter of a template; also --core, --service, --watch. Repeat it for
                         more. infra/parameters lists them. A value stays until you give another`;

export const teardownHelp = `npm run aws:teardown -- [options]

Deletes the stacks of Batchwell. Buckets, images, and the database stay. Without --yes it only says
what would go and what would stay.

${WHERE_HELP}
  --yes                  deletes`;

/** @throws Refusal that names what is wrong; `undefined`: help was asked for */
export function readDeployOptions(words: readonly string[]): DeployOptions | undefined {
  const values = parse(words, DEPLOY);
  if (values.help) return undefined;
  const options: DeployOptions = {
    ...commonOf(values),
    vpc: values.vpc,
    subnets: values.subnets.flatMap((list) => list.split(',')).filter(Boolean),
    image: values.image,
    hostRelease: values['host-release'],
    email: values.email,
    settings: values.settings,
    coreOnly: values['core-only'],
    hello: !values['no-hello'],
    helloImage: values['hello-image'],
    helloMs: minutes(values['hello-minutes']),
    replaceData: values['replace-data'],
    parameters: {
      network: pairs('network', values.network),
      core: pairs('core', values.core),
      service: pairs('service', values.service),
      watch: pairs('watch', values.watch),
      pipeline: pairs('pipeline', values.pipeline),
    },
  };
  refuseOwnParameters(options);
  return options;
}

export function readTeardownOptions(words: readonly string[]): TeardownOptions | undefined {
  const values = parse(words, TEARDOWN);
  return values.help ? undefined : { ...commonOf(values), yes: values.yes };
}

/** parseArgs says itself which option is wrong. */
function parse<const O extends NonNullable<ParseArgsConfig['options']>>(
  words: readonly string[],
  options: O,
) {
  try {
    return parseArgs({ args: [...words], options, strict: true }).values;
  } catch (error) {
    throw new Refusal(`${messageOf(error)} Add --help to see the options.`);
  }
}

interface Named {
  name: string;
  profile?: string | undefined;
  region?: string | undefined;
}

/** Names of stacks are at most 128 long; ours get an ending, and names of queues begin with them. */
function commonOf({ name, profile, region }: Named): CommonOptions {
  if (!/^[A-Za-z][A-Za-z0-9-]{0,99}$/.test(name))
    throw new Refusal(
      `--name ${name}: it must begin with a letter and have letters, digits, and - only, at most 100.`,
    );
  return { name, profile, region };
}

function minutes(text: string): number {
  const number = Number(text);
  if (!(number > 0 && number <= 1440))
    throw new Refusal(`--hello-minutes ${text}: it must be a number of minutes up to 1440.`);
  return number * 60_000;
}

function pairs(option: Template, words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at < 1) throw new Refusal(`--${option} ${word}: it must be NAME=VALUE.`);
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** Parameters that have an option of their own, or that the command finds. */
const OWN: Readonly<Record<Template, Readonly<Record<string, string>>>> = {
  network: {},
  core: { VpcId: '--vpc', SubnetIds: '--subnets', HostRelease: '--host-release' },
  service: {
    VpcId: '--vpc',
    SubnetIds: '--subnets',
    ImageUri: '--image',
    CoreStack: '--name',
    SettingsFileArn: '--settings',
  },
  watch: { CoreStack: '--name', ServiceStack: '--name', Email: '--email' },
  pipeline: { CoreStack: '--name' },
};

function refuseOwnParameters({ parameters }: DeployOptions): void {
  for (const [template, own] of Object.entries(OWN))
    for (const [name, option] of Object.entries(own))
      if (name in parameters[template as Template])
        throw new Refusal(`--${template} ${name}: give it by ${option} instead.`);
}
