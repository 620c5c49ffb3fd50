/** Volumes that an operator offers to tasks, by name (source: AWS Batch API, `Volume`). */
import { isMountable } from './option-forms.ts';

export interface OfferedVolume {
  name: string;
  kind: 'efs' | 's3files' | 'host';
  /** ID of a file system of EFS, ARN of one of S3 Files, or a folder of the hosts. */
  source: string;
  /** Folder in the file system that the task sees as the volume; '' for its root. */
  folder: string;
  /** ID or ARN of an access point; '' for none. */
  accessPoint: string;
  /** Mounted with the rights of the task's role. */
  iam: boolean;
  containerPath: string;
  readOnly: boolean;
}

const VOLUME_FORM =
  'name=efs:fs-ID:/path, name=s3files:ARN:/path or name=host:/folder:/path, with @ACCESS_POINT or ' +
  '/FOLDER after the file system, and :ro (read-only) or :iam (EFS, by the role of the task) at ' +
  'the end';

const FORM = /^([A-Za-z0-9][\w-]{0,63})=(efs|s3files|host):(.+?):(\/[^:,]*)((?::(?:ro|iam)){0,2})$/;
const FOLDER = String.raw`((?:\/(?!\.\.?(?:\/|$))[\w.{}@+-]+)*)`;
const EFS = new RegExp(`^(fs-[0-9a-f]{8,40})(?:@(fsap-[0-9a-f]{8,40}))?${FOLDER}$`);
const ARN = 'arn:aws[\\w-]*:s3files:[\\w-]+:\\d{12}:[\\w/-]+';
const S3_FILES = new RegExp(`^(${ARN})(?:@(${ARN}))?(?:#${FOLDER})?$`);
const HOST = new RegExp(`^(?=/)()()${FOLDER}$`);

type Kind = OfferedVolume['kind'];
const SOURCES: Record<Kind, RegExp> = { efs: EFS, s3files: S3_FILES, host: HOST };

/** Undefined where the text has another form. */
function readVolume(text: string): OfferedVolume | undefined {
  const [, name = '', kind, source, path = '', marks = ''] = FORM.exec(text) ?? [];
  const found = readSource(kind as Kind | undefined, source);
  const [iam, readOnly] = ['iam', 'ro'].map((mark) => marks.split(':').includes(mark));
  if (!found || !isMountable(path) || (iam && found.kind !== 'efs')) return undefined;
  return { ...found, name, iam: iam === true, containerPath: path, readOnly: readOnly === true };
}

type Source = Pick<OfferedVolume, 'kind' | 'source' | 'folder' | 'accessPoint'>;

function readSource(kind: Kind | undefined, text = ''): Source | undefined {
  const parts = kind && SOURCES[kind].exec(text);
  if (!parts) return undefined;
  const [, fileSystem = '', accessPoint = '', folder = ''] = parts;
  if (kind === 'host') return { kind, source: folder, folder: '', accessPoint: '' };
  // EFS refuses a folder beside an access point, which has one of its own.
  return accessPoint !== '' && folder !== ''
    ? undefined
    : { kind, source: fileSystem, folder, accessPoint };
}

/** @throws Error that says what was expected */
export function readVolumes(entries: readonly string[]): Map<string, OfferedVolume> {
  const volumes = new Map<string, OfferedVolume>();
  for (const entry of entries) {
    const volume = readVolume(entry);
    if (!volume) throw new Error(`expected ${VOLUME_FORM}, got ${JSON.stringify(entry)}`);
    if (volumes.has(volume.name)) throw new Error(`the volume ${volume.name} is there twice`);
    volumes.set(volume.name, volume);
  }
  return volumes;
}

/** What `{owner}` in a folder is replaced by must not lead out of it. */
export const isFolderName = (owner: string): boolean => /^(?!\.\.?$)[\w.@+-]{1,64}$/.test(owner);

const OWNER = '{owner}';

/** Whether the folder of a volume is its owner's own. */
const isPerOwner = ({ source, folder }: OfferedVolume): boolean =>
  source.includes(OWNER) || folder.includes(OWNER);

/** Whether an owner's tasks can have it: a name such as `..` has no folder of its own. */
export const isForOwner = (volume: OfferedVolume, owner: string): boolean =>
  !isPerOwner(volume) || isFolderName(owner);

/** As a task of an owner sees it. */
export const volumeOf = (volume: OfferedVolume, owner: string): OfferedVolume => ({
  ...volume,
  source: volume.source.replaceAll(OWNER, owner),
  folder: volume.folder.replaceAll(OWNER, owner),
});

/** The request of RegisterJobDefinition. */
export interface VolumeContent {
  name: string;
  host?: { sourcePath: string };
  efsVolumeConfiguration?: {
    fileSystemId: string;
    rootDirectory?: string;
    transitEncryption: 'ENABLED';
    authorizationConfig?: { accessPointId?: string; iam?: 'ENABLED' };
  };
  s3filesVolumeConfiguration?: {
    fileSystemArn: string;
    rootDirectory?: string;
    accessPointArn?: string;
  };
}

/** @param name of the volume in the job definition */
export function volumeContent(name: string, volume: OfferedVolume): VolumeContent {
  const { kind, source, folder, accessPoint, iam } = volume;
  if (kind === 'host') return { name, host: { sourcePath: source } };
  const root = folder === '' ? {} : { rootDirectory: folder };
  if (kind === 's3files')
    return {
      name,
      s3filesVolumeConfiguration: {
        fileSystemArn: source,
        ...root,
        ...(accessPoint !== '' && { accessPointArn: accessPoint }),
      },
    };
  const authorization = {
    ...(accessPoint !== '' && { accessPointId: accessPoint }),
    ...(iam && { iam: 'ENABLED' as const }),
  };
  return {
    name,
    efsVolumeConfiguration: {
      fileSystemId: source,
      ...root,
      // Access points and IAM need it, and patients' data should not cross a network without it.
      transitEncryption: 'ENABLED',
      ...(Object.keys(authorization).length > 0 && { authorizationConfig: authorization }),
    },
  };
}
