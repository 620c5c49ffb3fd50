/** The settings of the fleet in a file of the customer: checked, and put into the release bucket by content. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf, Refusal } from './errors.ts';

export interface FleetSettings {
  key: string;
  content: Buffer;
}

/** What is in S3 can be read by whoever reads the bucket. */
const SECRET = /PASSWORD|SECRET|TOKENS?$|_KEY$/;

const template = (): string =>
  readFileSync(new URL('../templates/service.yaml', import.meta.url), 'utf8');

/** Names that the template sets: ECS would leave those of the file out without a word. */
const takenNames = (): Set<string> =>
  new Set(
    [...template().matchAll(/^\s+(?:- )?Name: ([A-Z][A-Z0-9_]+)$/gm)].map(([, name = '']) => name),
  );

/** @throws Refusal that names each line */
export function readFleetSettings(path: string): FleetSettings {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Refusal(`--settings ${path}: ${messageOf(error)}`);
  }
  const taken = takenNames();
  const lines = text.split(/\r?\n/);
  const kept: string[] = [];
  const wrong: string[] = [];
  for (const [at, line] of lines.entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const problem = problemOf(line, taken);
    if (problem === undefined) kept.push(line);
    else wrong.push(`--settings ${path}, line ${at + 1}: ${problem}`);
  }
  if (wrong.length > 0) throw new Refusal(wrong.join('\n'));
  const content = Buffer.from(`${kept.join('\n')}\n`);
  const name = createHash('sha256').update(content).digest('hex');
  return { key: `settings/${name}.env`, content };
}

/** The value is not repeated: it may be a secret in the wrong place. */
function problemOf(line: string, taken: ReadonlySet<string>): string | undefined {
  const [, name] = /^([A-Z][A-Z0-9_]*)=/.exec(line) ?? [];
  if (name === undefined) return 'it must be NAME=value.';
  if (taken.has(name)) return `${name} is set by the template service: use its parameters.`;
  if (SECRET.test(name)) return `${name} is a secret, and this file is not encrypted for readers.`;
  return undefined;
}
