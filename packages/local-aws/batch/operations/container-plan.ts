/** Definition and overrides, merged into the container that will run. */
import type { ContainerPlan, Mount } from '../jobs.ts';
import {
  extrasOf,
  fileSystemOf,
  secretProblem,
  volumeProblem,
  type ExtraProperties,
  type VolumeRequest,
} from './container-extras.ts';

interface Pair {
  name?: string;
  value?: string;
}

interface Requirement {
  type: string;
  value: string;
}

export interface ContainerProperties extends ExtraProperties {
  image?: string;
  vcpus?: number;
  memory?: number;
  command?: string[];
  environment?: Pair[];
  resourceRequirements?: Requirement[];
  volumes?: VolumeRequest[];
  mountPoints?: { containerPath?: string; readOnly?: boolean; sourceVolume?: string }[];
  readonlyRootFilesystem?: boolean;
}

export interface ContainerOverrides {
  vcpus?: number;
  memory?: number;
  command?: string[];
  environment?: Pair[];
  resourceRequirements?: Requirement[];
}

const PLACEHOLDER = 'Ref::';

/**
 * `Ref::name` is replaced by the parameter of that name. Without such a parameter it stays.
 */
function substitute(command: string[], parameters: Record<string, string>): string[] {
  return command.map((word) =>
    word.startsWith(PLACEHOLDER) ? (parameters[word.slice(PLACEHOLDER.length)] ?? word) : word,
  );
}

function toRecord(pairs: Pair[] | undefined): Record<string, string> {
  return Object.fromEntries((pairs ?? []).map(({ name, value }) => [name ?? '', value ?? '']));
}

function mergeRequirements(
  properties: ContainerProperties,
  overrides: ContainerOverrides,
): Requirement[] {
  const merged = new Map<string, string>();
  for (const { vcpus, memory, resourceRequirements } of [properties, overrides]) {
    if (vcpus !== undefined) merged.set('VCPU', String(vcpus));
    if (memory !== undefined) merged.set('MEMORY', String(memory));
    for (const { type, value } of resourceRequirements ?? []) merged.set(type, value);
  }
  return [...merged].map(([type, value]) => ({ type, value }));
}

function mountsOf({ volumes = [], mountPoints = [] }: ContainerProperties): Mount[] {
  return mountPoints.map(({ containerPath = '', readOnly = false, sourceVolume = '' }) => {
    const volume = volumes.find(({ name }) => name === sourceVolume);
    const [hostPath, fileSystem] = [volume?.host?.sourcePath, fileSystemOf(volume)];
    return {
      volume: sourceVolume,
      containerPath,
      readOnly,
      ...(hostPath === undefined ? {} : { hostPath }),
      ...(fileSystem === undefined ? {} : { fileSystem }),
    };
  });
}

export function planContainer(
  properties: ContainerProperties,
  overrides: ContainerOverrides,
  parameters: Record<string, string>,
): ContainerPlan {
  const resourceRequirements = mergeRequirements(properties, overrides);
  const extras = extrasOf(properties);
  const amount = (type: string, absent: number) =>
    Number(resourceRequirements.find((item) => item.type === type)?.value ?? absent);
  return {
    image: properties.image ?? '',
    command: substitute(overrides.command ?? properties.command ?? [], parameters),
    environment: { ...toRecord(properties.environment), ...toRecord(overrides.environment) },
    vcpus: amount('VCPU', 1),
    memoryMiB: amount('MEMORY', 0),
    mounts: mountsOf(properties),
    ...(Object.keys(extras).length > 0 && { extras }),
    readonlyRoot: properties.readonlyRootFilesystem ?? false,
    properties: { ...properties },
    resourceRequirements,
    overridesLength: Object.keys(overrides).length === 0 ? 0 : JSON.stringify(overrides).length,
  };
}

function requirementProblem(properties: ContainerProperties): string | undefined {
  const requirements = mergeRequirements(properties, {});
  for (const type of ['VCPU', 'MEMORY']) {
    const value = requirements.find((item) => item.type === type)?.value;
    if (value === undefined)
      return `Container properties must have resourceRequirements of type ${type}`;
    if (!(Number(value) > 0))
      return `Resource requirement ${type} must be a positive number, got ${JSON.stringify(value)}`;
  }
  return undefined;
}

function mountProblem({ volumes = [], mountPoints = [] }: ContainerProperties): string | undefined {
  const names = new Set(volumes.map(({ name }) => name));
  for (const { sourceVolume = '', containerPath = '' } of mountPoints) {
    if (!names.has(sourceVolume))
      return `Mount point sourceVolume ${sourceVolume} is not among the volumes`;
    if (!containerPath.startsWith('/'))
      return `Mount point containerPath ${containerPath} must be absolute`;
  }
  return undefined;
}

/** What is wrong with a definition's container; AWS looks at it at registration. */
export function containerProblem(properties: ContainerProperties | undefined): string | undefined {
  if (properties === undefined) return 'Container properties should not be empty';
  if ((properties.image ?? '') === '')
    return 'Container properties image should not be null or empty';
  return (
    requirementProblem(properties) ??
    mountProblem(properties) ??
    volumeProblem(properties.volumes ?? []) ??
    secretProblem(properties)
  );
}
