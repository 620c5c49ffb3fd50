/**
 * The caller of a request, as its token identifies it. This folder: authentication and access
 * control.
 */
import type { Access } from '../../core/access/access.ts';

export interface Caller {
  access: Access;
  /** What a rate limit counts: one token, or one subject of the OpenID provider. */
  countedAs: string;
}

/** Why a token is refused, as a sentence for its sender. */
export interface Refused {
  refused: string;
}

export const UNKNOWN_TOKEN =
  'The token is unknown. Check it, or ask an administrator for a new one.';
