/** The components of the fingerprints of calls, from the present content of their inputs. */
import { fingerprintComponents, inputNames, type Components } from '../core/cache/fingerprint.ts';
import { isStrong } from '../core/cache/identity.ts';
import type { ImageProblem, ImageSeen } from '../core/image/image-seen.ts';
import type { CanonicalCall } from '../core/profiles/profile.ts';
import type { ProfileName } from '../core/profiles/profile-names.ts';
import { profiles } from '../core/profiles/profiles.ts';
import { parseS3Url } from '../core/files/s3-url.ts';
import { isShared } from '../core/result/outputs.ts';
import type { TaskSpec } from '../core/task/task.ts';
import { readDigest, sumsDigest } from '../core/cache/read-digest.ts';
import { inParallel } from './in-parallel.ts';
import { ignorePermanent } from './see-objects.ts';
import { inputKey, resolveInputs } from './identities.ts';
import type { IdentitySources, InputSeen, WhyNoIdentity } from './identity-sources.ts';
import type { ObjectStore } from './s3.ts';

export interface TaskToFingerprint {
  spec: TaskSpec;
  profile: ProfileName;
  /** What the installation adds that a task can notice: see `FingerprintFacts`. */
  setting?: Readonly<Record<string, string>>;
  /** What is known of its image; absent where its name counts as it is. */
  image?: ImageSeen;
}

interface UnreadableInput {
  url: string;
  why: WhyNoIdentity;
}

export interface TaskComponents {
  /** Absent when its image or an input has no identity, or an output is in a shared folder. */
  components?: Components;
  /** The same by what listings alone say. Absent with `components`. */
  listed?: Components;
  /** Whether an input is known by its ETag only. */
  isWeak: boolean;
  /** Why the digest of its image is not known. Its inputs were not looked at then. */
  imageProblem?: ImageProblem;
  /** Inputs without an identity. */
  unreadable: UnreadableInput[];
  /**
   * What a run must have read for its outputs to be those of this fingerprint, hex: by ETags where
   * they can be trusted, else by checksums.
   */
  read?: string;
  /** By position of the declared inputs. */
  inputs: DescribedInput[];
}

interface DescribedInput extends InputSeen {
  /** Its component, and whether that is made of a text's meaning and not of the object's bytes. */
  component: string;
  isFixed: boolean;
}

/** A script is some kB, a list of files some 100 kB; what is longer is no text that a profile knows. */
const LONGEST_TEXT_BYTES = 1024 ** 2;

/** In the order given. */
export async function resolveComponents(
  sources: IdentitySources,
  tasks: readonly TaskToFingerprint[],
): Promise<TaskComponents[]> {
  const known = tasks.filter(({ image }) => image === undefined || 'identity' in image);
  const identities = await resolveInputs(
    sources,
    known.flatMap(({ spec }) => spec.inputs),
  );
  const texts = await readTexts(sources.objects, known, identities);
  return tasks.map((task) => describe(sources, task, identities, texts));
}

/** The calls as they are compared: without the names that their clients made for one run. In the order given. */
export async function canonicalSpecs(
  sources: IdentitySources,
  calls: readonly TaskToFingerprint[],
): Promise<TaskSpec[]> {
  const identities = await resolveInputs(sources, calls.flatMap(textInputs));
  const texts = await readTexts(sources.objects, calls, identities);
  return calls.map((call) => canonicalForm(call, texts)?.spec ?? call.spec);
}

const textInputs = ({ spec, profile }: TaskToFingerprint): TaskSpec['inputs'] =>
  (profiles[profile].textsWanted?.(spec) ?? []).flatMap((position) => spec.inputs[position] ?? []);

/**
 * Texts that profiles look into, by url, as they were when their identities were seen: a run proves that it read those
 * objects, and no others. A text that was replaced since then is left out.
 */
async function readTexts(
  objects: ObjectStore,
  tasks: readonly TaskToFingerprint[],
  identities: ReadonlyMap<string, InputSeen>,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  await inParallel(
    [...textsWanted(tasks, identities)].map(([url, etag]) => async () => {
      // Its end, so that of a large object no more is read than shows that it is one.
      const asked = objects.getTail(url, LONGEST_TEXT_BYTES + 1, etag === '' ? undefined : etag);
      const body = await ignorePermanent(asked);
      const text = body && body.length <= LONGEST_TEXT_BYTES ? asText(body) : undefined;
      if (text !== undefined) texts.set(url, text);
    }),
  );
  return texts;
}

/** ETags as they were seen, by url. */
function textsWanted(
  tasks: readonly TaskToFingerprint[],
  identities: ReadonlyMap<string, InputSeen>,
): Map<string, string> {
  const wanted = tasks.flatMap(textInputs);
  const etags = new Map<string, string>();
  for (const input of wanted) {
    const [seen] = identities.get(inputKey(input))?.read ?? [];
    if (seen && input.url?.startsWith('s3://')) etags.set(input.url, seen.etag);
  }
  return etags;
}

/** Undefined where it is no UTF-8: what stands for a wrong byte would make two texts equal that are not. */
function asText(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

const UNSEEN: InputSeen = { why: 'missing', read: null, sizeBytes: 0, modifiedMs: 0 };

function describe(
  sources: IdentitySources,
  task: TaskToFingerprint,
  identities: ReadonlyMap<string, InputSeen>,
  texts: ReadonlyMap<string, string>,
): TaskComponents {
  const { spec, profile, setting = {}, image } = task;
  if (image && 'problem' in image)
    return { imageProblem: image.problem, unreadable: [], inputs: [], isWeak: false };
  const seen = spec.inputs.map((input) => identities.get(inputKey(input)) ?? UNSEEN);
  const canonical = canonicalForm(task, texts);
  const names = inputNames((canonical?.spec ?? spec).inputs);
  const inputs = seen.map((one, position) => ({
    ...one,
    component: names[position] ?? '',
    isFixed: canonical?.identities.has(position) ?? false,
  }));
  const unreadable = inputs.flatMap(({ identity, why = 'missing' }, position): UnreadableInput[] =>
    identity === undefined ? [{ url: spec.inputs[position]?.url ?? '', why }] : [],
  );
  if (profiles[profile].hidesFiles?.(spec) === true)
    unreadable.push({ url: `files that ${profile} does not declare`, why: 'undeclared' });
  if (unreadable.length > 0 || spec.outputs.some(isShared))
    return { unreadable, inputs, isWeak: false };

  const componentsBy = (held: (one: InputSeen) => string | undefined): Components =>
    fingerprintComponents(canonical?.spec ?? spec, {
      identities: seen.map(
        (one, position) => canonical?.identities.get(position) ?? held(one) ?? '',
      ),
      ...(image && { image: image.identity }),
      setting: canonical
        ? { ...setting, client: `${profile} ${profiles[profile].version}` }
        : setting,
    });
  const read = digestToRead(sources, task, seen);
  const components = componentsBy(({ identity }) => identity);
  const isAsListed = seen.every(({ identity, listed }) => identity === listed);
  return {
    unreadable,
    inputs,
    isWeak: inputs.some(({ isFixed, identity }) => !isFixed && !isStrong(identity ?? '')),
    components,
    listed: isAsListed ? components : componentsBy(({ listed }) => listed),
    ...(read !== undefined && { read }),
  };
}

/** ETags prove what was read where they can be trusted; elsewhere only checksums do. */
function digestToRead(
  { etags }: IdentitySources,
  { spec }: TaskToFingerprint,
  inputs: readonly InputSeen[],
): string | undefined {
  const read = inputs.map((one) => one.read);
  const trusted = spec.inputs.every(({ url }, position) => {
    const bucket = parseS3Url(url ?? '')?.bucket;
    return read[position] === null || bucket === undefined || etags.trusts(bucket);
  });
  return trusted
    ? readDigest(read)
    : sumsDigest(
        read,
        inputs.map(({ sum }) => sum ?? null),
      );
}

function canonicalForm(
  { spec, profile }: TaskToFingerprint,
  texts: ReadonlyMap<string, string>,
): CanonicalCall | undefined {
  const { canonical, textsWanted } = profiles[profile];
  if (!canonical) return undefined;
  const known = (textsWanted?.(spec) ?? []).flatMap((position): [number, string][] => {
    const text = texts.get(spec.inputs[position]?.url ?? '');
    return text === undefined ? [] : [[position, text]];
  });
  return canonical(spec, new Map(known));
}
