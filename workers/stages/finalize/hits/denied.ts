/** Sources that may not be read: hits wait, one at a time probes, and after a time the tasks run. */
import { statusOf } from '../../../../aws/s3-errors.ts';
import { decideDenied, probeEveryMs, type Denial } from '../../../../core/cache/copy-trouble.ts';
import {
  claimProbe,
  forgetDenial,
  noteDenial,
  readDenials,
  type DenialPlace,
  type NotedDenial,
} from '../../../../db/cache-denials.ts';
import type { Runtime } from '../../../runtime.ts';
import { roleOf, type AppliedHit, type Hit } from './hit.ts';

export interface Denials {
  /** What a hit does whose source is denied; undefined when it goes on, as the one that probes. */
  blocks(hit: Hit): Promise<AppliedHit | undefined>;
  /** Notes that a source may not be read, and says what its hit does. */
  note(hit: Hit, source: { url: string; message: string }): Promise<AppliedHit>;
  /** What the hit read may be read: a denial that it probed goes. */
  clear(hit: Hit): Promise<void>;
}

const folderOf = (url: string): string => url.slice(0, url.lastIndexOf('/') + 1);

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

const nameOf = ({ owner, role, folder }: DenialPlace): string =>
  JSON.stringify([owner, role, folder]);

export async function openDenials(runtime: Runtime, hits: readonly Hit[]): Promise<Denials> {
  const { pool } = runtime.database;
  const { cacheDeniedWaitMs: waitMs } = runtime.config;
  const owners = [...new Set(hits.map(({ row }) => row.owner))];
  const noted = new Map((await readDenials(pool, owners)).map((one) => [nameOf(one), one]));

  const placesOf = (hit: Hit): NotedDenial[] => {
    if (noted.size === 0) return [];
    const [owner, role] = [hit.row.owner, roleOf(runtime, hit)];
    const folders = new Set(hit.outputs.map(({ url }) => folderOf(url)));
    return [...folders].flatMap((folder) => noted.get(nameOf({ owner, role, folder })) ?? []);
  };
  const decide = (denial: Denial) => decideDenied({ denial, nowMs: runtime.nowMs(), waitMs });
  const blocked = (denial: NotedDenial): AppliedHit => {
    const decision = decide(denial);
    if (decision.do === 'run') return avoided(denial, waitMs);
    return {
      do: 'wait',
      waitMs: decision.do === 'wait' ? decision.waitMs : probeEveryMs(waitMs),
      note: `Access to ${denial.folder}, where the outputs of an equal task are, is denied. The hit waits for up to ${seconds(waitMs)}.`,
    };
  };

  return {
    async blocks(hit) {
      for (const denial of placesOf(hit)) {
        if (decide(denial).do !== 'probe') return blocked(denial);
        const nowMs = runtime.nowMs();
        const mine = await claimProbe(pool, denial, nowMs);
        const probed = { ...denial, probedMs: nowMs };
        noted.set(nameOf(denial), probed);
        if (!mine || (await isStillDenied(runtime, hit, denial))) return blocked(probed);
      }
      return undefined;
    },
    async note(hit, { url, message }) {
      const place = { owner: hit.row.owner, role: roleOf(runtime, hit), folder: folderOf(url) };
      const nowMs = runtime.nowMs();
      const sinceMs = noted.get(nameOf(place))?.sinceMs ?? nowMs;
      const denial = { ...place, reason: message, sinceMs, probedMs: nowMs };
      noted.set(nameOf(place), denial);
      await noteDenial(pool, denial, nowMs);
      runtime.log.warn({ taskId: hit.row.id, ...place, message }, 'cache-source-denied');
      return blocked(denial);
    },
    async clear(hit) {
      for (const denial of placesOf(hit)) {
        noted.delete(nameOf(denial));
        await forgetDenial(pool, denial);
      }
    },
  };
}

/** One request tells: an entry may have 10,000 outputs. What S3 does not tell now, the copy will. */
async function isStillDenied(
  { objects }: Runtime,
  { outputs }: Hit,
  { folder }: NotedDenial,
): Promise<boolean> {
  const url = outputs.find((output) => folderOf(output.url) === folder)?.url ?? folder;
  try {
    await objects.describe(url);
    return false;
  } catch (error) {
    return statusOf((error as Error).cause) === 403;
  }
}

function avoided({ folder, reason }: NotedDenial, waitMs: number): AppliedHit {
  return {
    do: 'avoid-entry',
    refusal: 'source-denied',
    warning: `The outputs of an equal task were not used: access to ${folder} has been denied for more than ${seconds(waitMs)}. ${reason}`,
  };
}
