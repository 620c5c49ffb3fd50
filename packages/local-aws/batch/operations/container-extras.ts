/** What a definition gives its container besides image, command and size. */
import type { ContainerExtras } from '../jobs.ts';

export interface VolumeRequest {
  name?: string;
  host?: { sourcePath?: string };
  efsVolumeConfiguration?: {
    fileSystemId?: string;
    rootDirectory?: string;
    authorizationConfig?: { accessPointId?: string; iam?: string };
    transitEncryption?: string;
  };
  s3filesVolumeConfiguration?: {
    fileSystemArn?: string;
    rootDirectory?: string;
    accessPointArn?: string;
  };
}

export interface ExtraProperties {
  user?: string;
  ulimits?: { name?: string; softLimit?: number; hardLimit?: number }[];
  linuxParameters?: {
    sharedMemorySize?: number;
    tmpfs?: { containerPath?: string; size?: number }[];
  };
  secrets?: { name?: string; valueFrom?: string }[];
  repositoryCredentials?: { credentialsParameter?: string };
  executionRoleArn?: string;
}

/** Only what is there: most definitions have none of it. */
export function extrasOf(properties: ExtraProperties): ContainerExtras {
  const { user = '', ulimits = [], linuxParameters, secrets = [] } = properties;
  const login = properties.repositoryCredentials?.credentialsParameter;
  return {
    ...(user !== '' && { user }),
    ...(ulimits.length > 0 && { ulimits: ulimits.map(ulimitOf) }),
    ...memoryOf(linuxParameters),
    ...(secrets.length > 0 && {
      secrets: secrets.map(({ name = '', valueFrom = '' }) => ({ name, arn: valueFrom })),
    }),
    ...(login !== undefined && { login }),
  };
}

const ulimitOf = ({ name = '', softLimit = 0, hardLimit = 0 }) => ({
  name,
  soft: softLimit,
  hard: hardLimit,
});

const memoryOf = ({
  sharedMemorySize,
  tmpfs = [],
}: NonNullable<ExtraProperties['linuxParameters']> = {}): Pick<
  ContainerExtras,
  'sharedMemoryMiB' | 'tmpfs'
> => ({
  ...(sharedMemorySize !== undefined && { sharedMemoryMiB: sharedMemorySize }),
  ...(tmpfs.length > 0 && {
    tmpfs: tmpfs.map(({ containerPath = '', size = 0 }) => ({
      path: containerPath,
      sizeMiB: size,
    })),
  }),
});

/** Where a file system is on this machine, below the folder of all of them. */
export function fileSystemOf({
  efsVolumeConfiguration: efs,
  s3filesVolumeConfiguration: s3files,
}: VolumeRequest = {}): string | undefined {
  if (efs)
    return folderOf(efs.fileSystemId, efs.authorizationConfig?.accessPointId, efs.rootDirectory);
  return s3files && folderOf(s3files.fileSystemArn, s3files.accessPointArn, s3files.rootDirectory);
}

const folderOf = (fileSystem = '', accessPoint = '', root = '/'): string =>
  [fileSystem, accessPoint, ...root.split('/')]
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .map(encodeURIComponent)
    .join('/');

export function volumeProblem(volumes: readonly VolumeRequest[]): string | undefined {
  for (const { name = '', ...kinds } of volumes) {
    const given = Object.values(kinds).filter((kind) => (kind ?? null) !== null);
    if (given.length > 1) return `Volume ${name} can have only one configuration`;
    const {
      rootDirectory = '/',
      authorizationConfig,
      transitEncryption,
    } = kinds.efsVolumeConfiguration ?? {};
    if (authorizationConfig?.accessPointId !== undefined && rootDirectory !== '/')
      return `Volume ${name}: rootDirectory must be omitted or / with an access point`;
    if (authorizationConfig !== undefined && transitEncryption !== 'ENABLED')
      return `Volume ${name}: transitEncryption must be ENABLED with an authorizationConfig`;
  }
  return undefined;
}

export const secretProblem = ({
  secrets = [],
  executionRoleArn = '',
}: ExtraProperties): string | undefined =>
  secrets.length > 0 && executionRoleArn === ''
    ? 'executionRoleArn is required when secrets are specified'
    : undefined;
