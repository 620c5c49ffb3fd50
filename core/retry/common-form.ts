// cspell:ignore errno
/**
 * What sentences about one reason have in common. What tells reasons apart stays: exit codes,
 * signals, HTTP statuses, error numbers, executors, queues, and architectures. Noise goes: ids,
 * names, paths, URLs, times, sizes, and how many times something was tried.
 */

const GONE = '…';

/** Also one that has no end, because its sentence was cut. An apostrophe is not a quote. */
const QUOTED =
  /"[^"]*(?:"|$)|`[^`]*(?:`|$)|“[^”]*(?:”|$)|‘[^’]*(?:’|$)|(?<!\w)'(?:[^']|'(?=\w))*'/g;

const ADDRESS = /\b(?:https?|file|ftp|arn|s3a?|gs|docker):\S*[^\s.,;:)\]}]/gi;

/** A number after one of these is a fact. */
const BEFORE_FACT =
  /(?:\b(?:codes?|status|signal|executor|errno|error|rc|killed by|exited(?: with)?|HTTP(?:\/[\d.]+)?)|(?:[cC]ode|[sS]tatus))(?:\s*[:=#]\s*|\s+)\(?-?$/i;

/** `403 Forbidden`, `(503)`, `HTTP 500`: what a server answered. */
const HTTP_STATUS = /^[1-5]\d\d$/;
const BEFORE_STATUS = /(?:\b(?:answered|responded|returned|replied|says|gave|got|with)\s+|\()$/i;
const AFTER_STATUS = /^(?:\)| [A-Z][a-z]+)/;

/** Words with digits or slashes that are no names. */
const KEPT_WORD =
  /^(?:S3|EC2|SHA-?\d+|MD5|CRC\w{2,4}|UTF-8|IPv[46]|x86(?:[-_]64)?|i386|amd64|arm64|arm\/v\d|aarch64|(?:linux|windows)\/\w+|i\/o|n\/a|tcp\/ip|and\/or|read\/write)$/i;

/** Digits in a word, a path, a dotted or an addressed name, and the ids of AWS that have no digit. */
const IS_NAME = /\d|[^\s/]\/|\/[^\s/]|\w\.\w|\w@\w|^i-[0-9a-f]{8,17}$|^[0-9a-f]{32,}$/;

/** Pairs, and what is at the ends of a word, belong to the sentence. */
const WORD = /[^\s()[\]{}<>,;=|]+/g;

/** `a, b, c, and 1,234 more`: it does not matter how many. */
const LIST = /…(?:(?:,| and|, and)? …)*(?: more)?/g;

const UNIT = /… (?:bytes?|(?:[kK]|M|G|T|P)i?B|ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)\b/g;

/** `1 try`, `3 tries` */
const PLURAL = /(?<=… [a-z]{2,20}?)(?:ies|y|s)\b/g;

export function commonForm(sentence: string): string {
  const named = sentence.replaceAll(QUOTED, GONE).replaceAll(ADDRESS, GONE);
  return named
    .replaceAll(/\b\d{1,3}(?:,\d{3})+\b/g, (number) => number.replaceAll(',', ''))
    .replaceAll(WORD, (word, at: number, whole: string) => commonWord(word, at, whole))
    .replaceAll(LIST, GONE)
    .replaceAll(UNIT, GONE)
    .replaceAll(PLURAL, '');
}

function commonWord(word: string, at: number, whole: string): string {
  const [, inner = '', end = ''] = /^(.*?)([.:!?]*)$/.exec(word) ?? [];
  if (!IS_NAME.test(inner) || KEPT_WORD.test(inner)) return word;
  const before = whole.slice(Math.max(0, at - LONGEST_BEFORE), at);
  if (/\bqueue $/.test(before) && !inner.includes('/')) return word;
  const number = /^(-?\d+)(?:['’]s)?$/.exec(inner)?.[1];
  if (number !== undefined && isFact(number, before, whole.slice(at + inner.length))) return word;
  return `${GONE}${end}`;
}

const LONGEST_BEFORE = 40;

const isFact = (number: string, before: string, after: string): boolean =>
  BEFORE_FACT.test(before) ||
  (HTTP_STATUS.test(number) && (BEFORE_STATUS.test(before) || AFTER_STATUS.test(after)));
