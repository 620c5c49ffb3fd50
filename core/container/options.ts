/**
 * What a task's container gets besides its image and its size: a GPU, memory that processes share,
 * secrets, volumes, a place for its log. Settings give the defaults of all tasks; a task replaces
 * them by backend parameters.
 */
import { loginsFor } from '../image/logins.ts';
import {
  IMAGE_USER,
  readSecret,
  readTmpfs,
  readUlimit,
  type SecretVariable,
  type Tmpfs,
  type Ulimit,
} from './option-forms.ts';
import {
  isForOwner,
  readVolumes,
  volumeContent,
  volumeOf,
  type OfferedVolume,
  type VolumeContent,
} from './volumes.ts';

/** What a task asks for itself; what is absent is as the settings say. */
export interface ContainerOptions {
  gpus?: number;
  sharedMemoryMib?: number;
  /** In place of those of the same name. */
  ulimits?: Ulimit[];
  /** In place of those at the same path. */
  tmpfs?: Tmpfs[];
  /** `image` for the USER of the image. */
  user?: string;
  /** Beside those of all tasks. */
  secrets?: SecretVariable[];
  /** ARN of the secret with the login of the image's registry. */
  registryCredentials?: string;
  /** Names of offered volumes, beside those of all tasks. */
  volumes?: string[];
  logGroup?: string;
  logPrefix?: string;
}

/** The settings, by their names in Config. */
export interface OptionSettings {
  containerUser: string;
  executionRole: string;
  sharedMemoryMib: number;
  /** Items as core/container/option-forms.ts reads them. */
  ulimits: readonly string[];
  tmpfs: readonly string[];
  taskSecrets: readonly string[];
  /** `registry or repository=ARN` each. */
  registryCredentials: readonly string[];
  /** Items as core/container/volumes.ts reads them. */
  volumes: readonly string[];
  /** Names of those that every task gets. */
  taskVolumes: readonly string[];
  logGroup: string;
  logPrefix: string;
  logBuffer: string;
}

/** What is empty is left to AWS. */
const NOTHING: OptionSettings = {
  containerUser: '0',
  executionRole: '',
  sharedMemoryMib: 0,
  ulimits: [],
  tmpfs: [],
  taskSecrets: [],
  registryCredentials: [],
  volumes: [],
  taskVolumes: [],
  logGroup: '',
  logPrefix: '',
  logBuffer: '25m',
};

interface OptionContext {
  /** As the task names it. */
  image: string;
  owner: string;
}

/** All options of one task's container, with the defaults. */
export interface EffectiveOptions {
  gpus: number;
  sharedMemoryMib: number;
  ulimits: Ulimit[];
  tmpfs: Tmpfs[];
  user: string;
  secrets: SecretVariable[];
  registryCredentials: string | undefined;
  volumes: OfferedVolume[];
  log: { group: string; prefix: string; buffer: string };
  executionRole: string;
}

const present = <T>(item: T | undefined): item is T => item !== undefined;

/** The later of two with the same key wins. */
const byKey = <T>(items: readonly T[], keyOf: (item: T) => string): T[] => [
  ...new Map(items.map((item) => [keyOf(item), item])).values(),
];

interface ReadSettings extends OptionSettings {
  readonly read: {
    ulimits: Ulimit[];
    tmpfs: Tmpfs[];
    secrets: SecretVariable[];
    offered: ReadonlyMap<string, OfferedVolume>;
  };
}

const readBefore = new WeakMap<Partial<OptionSettings>, ReadSettings>();

/** Of settings that never change: a fleet asks for the options of each task. */
function readSettings(given: Partial<OptionSettings>): ReadSettings {
  const found = readBefore.get(given);
  if (found) return found;
  const settings = { ...NOTHING, ...given };
  const read = {
    ulimits: settings.ulimits.map(readUlimit).filter(present),
    tmpfs: settings.tmpfs.map(readTmpfs).filter(present),
    secrets: settings.taskSecrets.map(readSecret).filter(present),
    offered: readVolumes(settings.volumes),
  };
  const made = { ...settings, read };
  readBefore.set(given, made);
  return made;
}

export function effectiveOptions(
  own: ContainerOptions,
  given: Partial<OptionSettings>,
  { image, owner }: OptionContext,
): EffectiveOptions {
  const settings = readSettings(given);
  const { offered, ...read } = settings.read;
  const names = new Set([...settings.taskVolumes, ...(own.volumes ?? [])]);
  return {
    gpus: own.gpus ?? 0,
    sharedMemoryMib: own.sharedMemoryMib ?? settings.sharedMemoryMib,
    ulimits: byKey([...read.ulimits, ...(own.ulimits ?? [])], ({ name }) => name),
    tmpfs: byKey([...read.tmpfs, ...(own.tmpfs ?? [])], ({ path }) => path),
    user: own.user ?? settings.containerUser,
    secrets: byKey([...read.secrets, ...(own.secrets ?? [])], ({ name }) => name),
    registryCredentials:
      own.registryCredentials ?? credentialsFor(image, settings.registryCredentials),
    // A folder that would be another owner's is left out. So is a volume that is not offered, but no task with one
    // of its own gets that far: see `volumesNotOffered`.
    volumes: [...names]
      .flatMap((name) => offered.get(name) ?? [])
      .filter((volume) => isForOwner(volume, owner))
      .map((one) => volumeOf(one, owner)),
    log: {
      group: own.logGroup ?? settings.logGroup,
      prefix: own.logPrefix ?? settings.logPrefix,
      buffer: settings.logBuffer,
    },
    executionRole: settings.executionRole,
  };
}

/**
 * Names of the volumes that a task asks for and that are no longer offered to it. Without them it would write into its
 * container, and lose what it wrote.
 */
export function volumesNotOffered(
  { volumes: own = [] }: ContainerOptions,
  { volumes = [] }: Partial<OptionSettings>,
  owner: string,
): string[] {
  if (own.length === 0) return [];
  const offered = readVolumes(volumes);
  return own.filter((name) => {
    const volume = offered.get(name);
    return volume === undefined || !isForOwner(volume, owner);
  });
}

/** Of the longest registry or repository that the image is below. */
const credentialsFor = (image: string, entries: readonly string[]): string | undefined =>
  loginsFor(image, entries).toSorted((a, b) => b.below.length - a.below.length)[0]?.arn;

/** What RegisterJobDefinition is told of it, in its containerProperties. */
export interface OptionContent {
  user?: string;
  executionRoleArn?: string;
  ulimits?: { name: string; softLimit: number; hardLimit: number }[];
  linuxParameters?: {
    sharedMemorySize?: number;
    tmpfs?: { containerPath: string; size: number; mountOptions: string[] }[];
  };
  secrets?: { name: string; valueFrom: string }[];
  repositoryCredentials?: { credentialsParameter: string };
  logConfiguration?: { logDriver: 'awslogs'; options: Record<string, string> };
}

export interface MountedVolume {
  content: VolumeContent;
  mount: { sourceVolume: string; containerPath: string; readOnly: boolean };
}

export const mountedVolumes = ({ volumes }: EffectiveOptions): MountedVolume[] =>
  volumes.map((volume) => ({
    content: volumeContent(`volume-${volume.name}`, volume),
    mount: {
      sourceVolume: `volume-${volume.name}`,
      containerPath: volume.containerPath,
      readOnly: volume.readOnly,
    },
  }));

export function optionContent(options: EffectiveOptions): OptionContent {
  const { ulimits, secrets, registryCredentials, user, executionRole } = options;
  const linux = linuxParameters(options);
  return {
    ...(user !== IMAGE_USER && { user }),
    ...(executionRole !== '' && { executionRoleArn: executionRole }),
    ...(ulimits.length > 0 && {
      ulimits: ulimits.map(({ name, soft, hard }) => ({ name, softLimit: soft, hardLimit: hard })),
    }),
    ...(Object.keys(linux).length > 0 && { linuxParameters: linux }),
    ...(secrets.length > 0 && {
      secrets: secrets.map(({ name, arn }) => ({ name, valueFrom: arn })),
    }),
    ...(registryCredentials !== undefined && {
      repositoryCredentials: { credentialsParameter: registryCredentials },
    }),
    ...logConfiguration(options),
  };
}

/** What Docker itself mounts a tmpfs with, but programs may be run from it. */
const TMPFS_OPTIONS = ['rw', 'nosuid', 'nodev', 'exec', 'mode=1777'];

const linuxParameters = ({
  sharedMemoryMib,
  tmpfs,
}: EffectiveOptions): NonNullable<OptionContent['linuxParameters']> => ({
  ...(sharedMemoryMib > 0 && { sharedMemorySize: sharedMemoryMib }),
  ...(tmpfs.length > 0 && {
    tmpfs: tmpfs.map(({ path, sizeMib }) => ({
      containerPath: path,
      size: sizeMib,
      mountOptions: TMPFS_OPTIONS,
    })),
  }),
});

/**
 * Non-blocking: with the default of the log driver, a task stands still while CloudWatch throttles
 * or does not answer. The task's own stdout and stderr are in S3.
 */
function logConfiguration({
  log: { group, prefix, buffer },
}: EffectiveOptions): Pick<OptionContent, 'logConfiguration'> {
  if (group === '' && prefix === '') return {};
  return {
    logConfiguration: {
      logDriver: 'awslogs',
      options: {
        ...(group !== '' && { 'awslogs-group': group }),
        ...(prefix !== '' && { 'awslogs-stream-prefix': prefix }),
        mode: 'non-blocking',
        'max-buffer-size': buffer,
      },
    },
  };
}

/**
 * What of it a command can notice in its results, by name: part of the fingerprint of a call. Sizes
 * are not, as ram_gb is not; nor are logs, credentials and tags.
 */
export function optionFacts(options: EffectiveOptions): Record<string, string> {
  const { gpus, user, secrets, volumes, tmpfs } = options;
  return {
    ...(gpus > 0 && { gpus: String(gpus) }),
    ...(user !== '0' && { user }),
    ...(secrets.length > 0 && {
      secrets: sortedLines(secrets.map(({ name, arn }) => `${name}=${arn}`)),
    }),
    ...(volumes.length > 0 && {
      mounted_volumes: sortedLines(
        volumes.map(({ source, folder, accessPoint, containerPath }) =>
          [containerPath, source, folder, accessPoint].filter(Boolean).join(' '),
        ),
      ),
    }),
    // It hides what the image has there.
    ...(tmpfs.length > 0 && { tmpfs: sortedLines(tmpfs.map(({ path }) => path)) }),
  };
}

const sortedLines = (lines: readonly string[]): string => lines.toSorted().join(', ');
