/** Writes every template: `npm run infra:synth`. It needs neither the CDK CLI nor AWS. */
import { writeFileSync } from 'node:fs';
import { templates } from './stacks/templates.ts';

for (const [name, text] of templates())
  writeFileSync(new URL(`templates/${name}.yaml`, import.meta.url), text);
