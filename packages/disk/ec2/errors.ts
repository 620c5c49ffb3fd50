/** What an error of EC2 means for the one who asked (source: EC2's error codes, and the reports in docs/disks.md). */
import type { Ec2Refusal } from '../rules/action.ts';

/** As the SDK throws it, and as the tests play it. */
export interface Ec2Error {
  name: string;
  message: string;
  /** 0: no answer came. */
  status: number;
}

const KINDS: readonly (readonly [RegExp, Ec2Refusal['kind']])[] = [
  [
    /^(RequestLimitExceeded|Throttl|RequestThrottled|TooManyRequests|SlowDown|EC2ThrottledException)/,
    'transient',
  ],
  [/^(UnauthorizedOperation|AccessDenied|OptInRequired|Blocked)/, 'denied'],
  [
    /^(AttachmentLimitExceeded|MaxIOPSLimitExceeded|Volume\w*LimitExceeded|\w*LimitExceeded|PendingVerification)/,
    'limit',
  ],
  [/^(Insufficient\w*Capacity|VolumeTypeNotAvailableInZone|CapacityNotAvailable)/, 'capacity'],
  [/^InvalidVolume\.NotFound$/, 'gone'],
  [/^InvalidAttachment\.NotFound$/, 'not-attached'],
  [/^(IncorrectState|VolumeInUse|IncorrectInstanceState|ConcurrentTagAccess)/, 'not-yet'],
  // The credentials of the host are renewed by the metadata; until then there is nothing to do.
  [
    /^(RequestExpired|ExpiredToken|AuthFailure|InvalidClientTokenId|CredentialsProviderError|TokenProviderError)/,
    'transient',
  ],
];

/** EC2 throttles with 503, so the status alone does not say it. */
const WITHOUT_EFFECT =
  /^(Credentials|TokenProvider|RequestLimitExceeded|Throttl|RequestThrottled|TooManyRequests|SlowDown)/;

/** `action`: that of IAM, so that a missing permission can be corrected by the sentence alone. */
export function refusalOf(error: Ec2Error, action: string): Ec2Refusal {
  const { name, message, status } = error;
  const kind = kindOf(error);
  return {
    is: 'refused',
    kind,
    // A throttled request had no effect. One without an answer may have had it, and one with a 5xx too.
    isDoubtful:
      kind === 'transient' && !WITHOUT_EFFECT.test(name) && (status === 0 || status >= 500),
    action,
    sentence: `${action}: ${name}: ${message}`.slice(0, 500),
  };
}

function kindOf({ name, message, status }: Ec2Error): Ec2Refusal['kind'] {
  const known = KINDS.find(([pattern]) => pattern.test(name))?.[1];
  if (known !== undefined) return known;
  if (status === 0 || status >= 500) return 'transient';
  if (name === 'InvalidParameterValue' && /already in use|is in use/i.test(message))
    return 'name-taken';
  // ModifyInstanceAttribute, before the attachment is known everywhere.
  if (
    /^InvalidInstanceAttributeValue|^InvalidParameterValue/.test(name) &&
    /mapped|attached/i.test(message)
  )
    return 'not-attached';
  return 'other';
}
