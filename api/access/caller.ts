/** Who calls, as a token told. */
import type { Access } from '../../core/access/access.ts';

/** Of the name of an owner, in characters. */
export const LONGEST_OWNER = 64;

export interface Caller {
  access: Access;
  /** Whom a rate limit counts: one token, or one subject of the provider. */
  countedAs: string;
}

/** Why a token opens nothing, as a sentence for its sender. */
export interface Refused {
  refused: string;
}
