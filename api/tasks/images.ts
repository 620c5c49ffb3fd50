/** What the images of calls are, for a dry run and for explanations. */
import type { TaskToFingerprint } from '../../aws/fingerprints.ts';
import type { Config } from '../../config.ts';
import { architectureFor } from '../../core/cache/setting.ts';
import type { ImageSeen } from '../../core/image/image-seen.ts';
import type { ImageDigests } from '../../registry/image-digests.ts';

/** As long as a caller may wait for an answer. */
const PATIENCE_MS = 5000;

const PENDING: ImageSeen = {
  problem: {
    code: 'no-answer',
    sentence: `Its registry did not answer within ${PATIENCE_MS / 1000} s. Ask again in a moment.`,
  },
};

export async function withImages(
  images: ImageDigests | undefined,
  config: Config,
  calls: readonly TaskToFingerprint[],
): Promise<readonly TaskToFingerprint[]> {
  if (!images) return calls;
  const seen = await images.see(
    calls.map(({ spec }) => ({
      image: spec.executors[0]?.image ?? '',
      architecture: architectureFor(spec, config),
    })),
    PATIENCE_MS,
  );
  return calls.map((call, position) => {
    const image = seen[position];
    return { ...call, image: image === undefined || image === 'pending' ? PENDING : image };
  });
}
