/**
 * Checks replies against the TES 1.1 OpenAPI, strictly: as in py-tes, a field that the spec does
 * not name is an error.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import { readFileSync } from 'node:fs';

type Json = Record<string, unknown>;
const SERVICE_INFO =
  'https://raw.githubusercontent.com/ga4gh-discovery/ga4gh-service-info/v1.0.0/service-info.yaml';

const load = (name: string): Json =>
  JSON.parse(readFileSync(new URL(`fixtures/specs/${name}`, import.meta.url), 'utf8')) as Json;

/**
 * Closes objects with named properties. Those combined by allOf stay open, because each half names
 * only its own.
 */
function close(schema: unknown): void {
  if (Array.isArray(schema)) for (const item of schema) close(item);
  else if (typeof schema === 'object' && schema !== null) {
    const one = schema as Json;
    if (one['type'] === 'object' && one['properties'] !== undefined)
      one['additionalProperties'] ??= false;
    for (const [name, value] of Object.entries(one)) if (name !== 'allOf') close(value);
  }
}

const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
const tes = load('tes-v1.1.openapi.json');
close((tes['components'] as Json)['schemas']);
ajv.addSchema({ ...load('ga4gh-service-info-v1.0.0.openapi.json'), $id: SERVICE_INFO });
ajv.addSchema({ ...tes, $id: 'tes' });
// According to the text of the spec, MINIMAL has only id and state, but the schema requires
// executors there too.
const minimal = structuredClone(tes) as {
  components: { schemas: { tesTask: { required: string[]; properties: Json } } };
};
const { tesTask } = minimal.components.schemas;
tesTask.required = ['id', 'state'];
tesTask.properties = { id: tesTask.properties['id'], state: tesTask.properties['state'] };
ajv.addSchema({ ...minimal, $id: 'tes-minimal' });

/** What is wrong with a reply; empty when it matches the spec. */
export function violations(
  schema:
    | 'tesTask'
    | 'tesListTasksResponse'
    | 'tesCreateTaskResponse'
    | 'tesCancelTaskResponse'
    | 'tesServiceInfo',
  reply: unknown,
  view = 'FULL',
): string[] {
  const validate = ajv.getSchema(
    `${view === 'MINIMAL' ? 'tes-minimal' : 'tes'}#/components/schemas/${schema}`,
  ) as ValidateFunction;
  if (validate(reply)) return [];
  return (validate.errors ?? []).map(
    (error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`,
  );
}
