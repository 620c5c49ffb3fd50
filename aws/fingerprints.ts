/** The components of tasks' fingerprints, from the present content of their inputs. */
import { fingerprintComponents, type Components } from '../core/cache/fingerprint.ts';
import type { CanonicalCall } from '../core/profiles/profile.ts';
import type { ProfileName } from '../core/profiles/profile-names.ts';
import { profiles } from '../core/profiles/profiles.ts';
import type { TaskSpec } from '../core/task/task.ts';
import {
  identityKey,
  inParallel,
  resolveIdentities,
  ignorePermanent,
  type InputSeen,
} from './identities.ts';
import type { ObjectStore } from './s3.ts';

export interface TaskToFingerprint {
  spec: TaskSpec;
  profile: ProfileName;
}

export interface TaskComponents {
  /** Absent if an input does not exist or cannot be identified. */
  components?: Components;
  /** URLs of such inputs. */
  unreadable: string[];
  /** Last modification of the newest input, as S3 gives it. 0 without inputs. */
  inputsModifiedMs: number;
}

/** A script is some kB, a list of files some 100 kB. Profiles do not use longer texts. */
const LONGEST_TEXT_BYTES = 1024 ** 2;

/** In the order given. */
export async function resolveComponents(
  objects: ObjectStore,
  tasks: readonly TaskToFingerprint[],
): Promise<TaskComponents[]> {
  const [identities, texts] = await Promise.all([
    resolveIdentities(
      objects,
      tasks.flatMap(({ spec }) => spec.inputs),
    ),
    readTexts(objects, tasks),
  ]);
  return tasks.map((task) => componentsOf(task, identities, texts));
}

/** Texts that profiles read, by URL. */
async function readTexts(
  objects: ObjectStore,
  tasks: readonly TaskToFingerprint[],
): Promise<Map<string, string>> {
  const urls = new Set(
    tasks
      .flatMap(({ spec, profile }) =>
        (profiles[profile].textsWanted?.(spec) ?? []).flatMap(
          (position) => spec.inputs[position]?.url ?? [],
        ),
      )
      .filter((url) => url.startsWith('s3://')),
  );
  const texts = new Map<string, string>();
  await inParallel(
    [...urls].map((url) => async () => {
      // The tail, so that one byte above the limit shows that an object is too large.
      const body = await ignorePermanent(objects.getTail(url, LONGEST_TEXT_BYTES + 1));
      const text = body && body.length <= LONGEST_TEXT_BYTES ? asText(body) : undefined;
      if (text !== undefined) texts.set(url, text);
    }),
  );
  return texts;
}

/** Undefined if it is not UTF-8: replacement characters could make different texts equal. */
function asText(body: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined;
  }
}

function componentsOf(
  task: TaskToFingerprint,
  identities: ReadonlyMap<string, InputSeen>,
  texts: ReadonlyMap<string, string>,
): TaskComponents {
  const { inputs } = task.spec;
  const seen = inputs.map((input) => identities.get(identityKey(input)));
  const unreadable = inputs.flatMap(({ url }, position) =>
    seen[position]?.identity === undefined ? [url ?? ''] : [],
  );
  const inputsModifiedMs = Math.max(0, ...seen.map((one) => one?.modifiedMs ?? 0));
  if (unreadable.length > 0) return { unreadable, inputsModifiedMs };

  const canonical = canonicalForm(task, texts);
  const held = seen.map(
    (one, position) => canonical?.identities.get(position) ?? one?.identity ?? '',
  );
  const components = fingerprintComponents(canonical?.spec ?? task.spec, held);
  return {
    unreadable,
    inputsModifiedMs,
    components: canonical
      ? { ...components, client: `${task.profile} ${profiles[task.profile].version}` }
      : components,
  };
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
