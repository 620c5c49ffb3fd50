/** Reads a request to create a token, and reports every problem in it at once. */
import { scopes, type Access } from '../../core/access/access.ts';
import { ownerInstead } from '../../core/access/owner-name.ts';
import { problemAt, type Problem } from '../../core/problems.ts';
import { profileNames } from '../../core/profiles/profile-names.ts';
import {
  amongOf,
  rawOf,
  readObject,
  refuse,
  refuseUnknown,
  textOf,
  textsOf,
  type Source,
  type TextRule,
} from '../../core/task/read-fields.ts';
import type { TokenRow } from '../../db/tokens.ts';
import { TokenRequest } from '../schemas/tokens.ts';

export type RequestedToken = Pick<TokenRow, 'name' | 'access' | 'expiresMs'>;

export function readTokenRequest(
  body: unknown,
  nowMs: number,
): RequestedToken | { problems: Problem[] } {
  const problems: Problem[] = [];
  const reader = readObject(body, '', problems);
  if (!reader) return { problems };
  // An unknown field cannot limit the token, but the sender would believe that it does.
  refuseUnknown(reader, Object.keys(TokenRequest.properties));
  const access = accessOf(reader);
  const expiresMs = expiryOf(reader, nowMs);
  const name = textOf(reader, 'name', { longest: 255 }) ?? '';
  return problems.length > 0
    ? { problems }
    : { name, access, ...(expiresMs !== undefined && { expiresMs }) };
}

function accessOf(reader: Source): Access {
  const owner = nameIn(reader, 'owner', { required: true }) ?? '';
  const profile = textOf(reader, 'profile', { emptyIsAbsent: true });
  const known = profileNames.find((one) => one === profile);
  if (profile !== undefined && known === undefined)
    refuse(reader, 'profile', `one of ${profileNames.join(', ')}`, profile);
  return {
    owner,
    scopes: amongOf(reader, 'scopes', scopes) ?? ['submit', 'read', 'cancel'],
    cacheDomain: nameIn(reader, 'cache_domain', { emptyIsAbsent: true }) ?? owner,
    limits: limitsOf(reader),
    ...(known && { profile: known }),
  };
}

function nameIn(reader: Source, field: string, rule: TextRule): string | undefined {
  const name = textOf(reader, field, rule);
  const expected = name === undefined ? undefined : ownerInstead(name);
  return expected === undefined ? name : refuse(reader, field, expected, name);
}

function limitsOf(reader: Source): Access['limits'] {
  // An empty list allows nothing; only an absent list sets no limit.
  const listed = (name: string): string[] | undefined =>
    rawOf(reader, name) === undefined ? undefined : textsOf(reader, name, { longest: 1024 });
  const [urls, queues, jobRoles] = [listed('urls'), listed('queues'), listed('job_roles')];
  urls?.forEach((url, index) => {
    if (!/^(s3:\/\/[^/]|https?:\/\/[^/]|\/)/.test(url))
      reader.problems.push(
        problemAt(`urls[${index}]`, 's3://bucket/prefix, https://host/path or /folder', url),
      );
  });
  return { ...(urls && { urls }), ...(queues && { queues }), ...(jobRoles && { jobRoles }) };
}

function expiryOf(reader: Source, nowMs: number): number | undefined {
  const text = textOf(reader, 'expires', { emptyIsAbsent: true });
  if (text === undefined) return undefined;
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return ms > nowMs
    ? ms
    : refuse(reader, 'expires', 'a time in the future, such as 2027-01-31T00:00:00Z', text);
}
