/** What one look at the host saw. Everything that decideDisk knows beside the journal is here. */

/** The volume group, and so the first word of what is ours on a device. */
export const GROUP = 'batchwell';

export interface FileSystem {
  sizeBytes: number;
  freeBytes: number;
  inodes: number;
  freeInodes: number;
}

/** What a device holds, as far as it matters here. */
export type Content =
  | { is: 'blank' }
  /** A physical volume; `group` is empty before it is in one. */
  | { is: 'physical-volume'; group: string }
  | { is: 'foreign'; signature: string };

export interface BlockDevice {
  /** As `/dev/nvme2n1`. It can be another one after a boot. */
  path: string;
  /** Of the NVMe controller: the volume's id without its dash. */
  serial: string;
  sizeBytes: number;
  content: Content;
}

/** As EC2 described it. */
export interface SeenVolume {
  volumeId: string;
  sizeGiB: number;
  state: string;
  zone: string;
  createdMs: number;
  tags: Readonly<Record<string, string>>;
  attachment: { instanceId: string; deviceName: string; protected: boolean } | null;
}

export interface Facts {
  instanceId: string;
  zone: string;
  fileSystem: FileSystem;
  /** Fastest growth of what is used, over 5, 30, and 120 s. */
  bytesPerSecond: number;
  /** Growth of what is used over the last 120 s. */
  lastingBytesPerSecond: number;
  /** By NVMe serial; contents are known after an inspection. */
  devices: readonly BlockDevice[];
  /** False where the group has room that the file system does not use yet. */
  isFileSystemWhole: boolean;
  /** Whether the devices were inspected since the last change of them. */
  isInspected: boolean;
  /** The tasks' cgroup; `missing` where there is no such path. */
  tasks: 'running' | 'frozen' | 'missing';
  rootFreeBytes: number;
  hasBallast: boolean;
  /** Of the kernel, about a device that holds tasks' data. */
  ioError: string | null;
  /** What EC2 said last about volumes of this host, and about volumes that nobody uses. */
  own: readonly SeenVolume[] | null;
  unused: readonly SeenVolume[] | null;
  /** When EC2 may be asked again about an empty volume that it did not name. */
  ownAgainMs: number;
  /** When the file system may be grown again without a growth. */
  wholeAgainMs: number;
  /** When this daemon looks for volumes that nobody uses; drawn at the start. */
  sweepAtMs: number;
  /** A request to EC2, or a command of the block layer, that has not ended. */
  busy: { ec2: boolean; block: boolean };
  /** Warnings that were given and still hold. */
  warned: ReadonlySet<Warning>;
}

export type Warning = 'inodes' | 'no-brake' | 'limit' | 'io-error';

export const serialOf = (volumeId: string): string => volumeId.replace('-', '');

export const deviceOf = (facts: Facts, volumeId: string): BlockDevice | undefined =>
  facts.devices.find(({ serial }) => serial === serialOf(volumeId));

/** An EBS volume that holds nothing. */
export const isBlankVolume = ({ serial, content }: BlockDevice): boolean =>
  content.is === 'blank' && serial.startsWith('vol');

export const isOurs = (content: Content): boolean =>
  content.is === 'blank' ||
  (content.is === 'physical-volume' && (content.group === '' || content.group === GROUP));
