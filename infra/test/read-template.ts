/** The committed templates, which a test holds equal to their source. Reading one takes no CDK. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { TemplateJson } from '../stacks/templates.ts';

const long = (tag: string) => (tag === 'Ref' || tag === 'Condition' ? tag : `Fn::${tag}`);

/** The short forms of the intrinsic functions, of a text or of a list. */
const customTags = ['Ref', 'Condition', 'GetAtt', 'Sub', 'If', 'Join', 'Equals', 'Not', 'And', 'Or']
  .concat(['Split', 'Select', 'GetAZs', 'Cidr'])
  .flatMap((tag) => [
    {
      tag: `!${tag}`,
      resolve: (value: string) => ({
        [long(tag)]: tag === 'GetAtt' ? value.split(/\.(.*)/).slice(0, 2) : value,
      }),
    },
    {
      tag: `!${tag}`,
      collection: 'seq' as const,
      resolve: (seq: { toJSON(): unknown }) => ({ [long(tag)]: seq }),
    },
  ]);

export function readTemplate(name: string): TemplateJson {
  const text = readFileSync(new URL(`../templates/${name}.yaml`, import.meta.url), 'utf8');
  const document = parse(text, { version: '1.1', customTags }) as unknown;
  return JSON.parse(JSON.stringify(document)) as TemplateJson;
}
