/** The components of the fingerprints of calls, from the present content of their inputs. */
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

export interface Call {
  spec: TaskSpec;
  profile: ProfileName;
}

export interface DescribedCall {
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
export async function describeCalls(
  objects: ObjectStore,
  calls: readonly Call[],
): Promise<DescribedCall[]> {
  const [identities, texts] = await Promise.all([
    resolveIdentities(
      objects,
      calls.flatMap(({ spec }) => spec.inputs),
    ),
    readTexts(objects, calls),
  ]);
  return calls.map((call) => describe(call, identities, texts));
}

/** Texts that profiles read, by URL. */
async function readTexts(
  objects: ObjectStore,
  calls: readonly Call[],
): Promise<Map<string, string>> {
  const urls = new Set(
    calls
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

function describe(
  call: Call,
  identities: ReadonlyMap<string, InputSeen>,
  texts: ReadonlyMap<string, string>,
): DescribedCall {
  const { inputs } = call.spec;
  const seen = inputs.map((input) => identities.get(identityKey(input)));
  const unreadable = inputs.flatMap(({ url }, position) =>
    seen[position]?.identity === undefined ? [url ?? ''] : [],
  );
  const inputsModifiedMs = Math.max(0, ...seen.map((one) => one?.modifiedMs ?? 0));
  if (unreadable.length > 0) return { unreadable, inputsModifiedMs };

  const canonical = canonicalForm(call, texts);
  const held = seen.map(
    (one, position) => canonical?.identities.get(position) ?? one?.identity ?? '',
  );
  const components = fingerprintComponents(canonical?.spec ?? call.spec, held);
  return {
    unreadable,
    inputsModifiedMs,
    components: canonical
      ? { ...components, client: `${call.profile} ${profiles[call.profile].version}` }
      : components,
  };
}

function canonicalForm(
  { spec, profile }: Call,
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
