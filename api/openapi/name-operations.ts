/** Gives each operation of the OpenAPI document its name and its examples. */
import { examples } from './examples.ts';
import { operationIdOf, sameAs } from './operations.ts';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
const JSON_TYPE = 'application/json';

type Content = Record<string, { example?: unknown }>;

interface NamedOperation {
  operationId?: string;
  requestBody?: { content?: Content };
  responses?: Record<string, { content?: Content }>;
}

type Paths = Record<string, Partial<Record<(typeof METHODS)[number], NamedOperation>>>;

/** Changes the document in place. */
export function nameOperations(paths: Paths): void {
  for (const [path, operations] of Object.entries(paths))
    for (const method of METHODS) {
      const operation = operations[method];
      const operationId = operation && operationIdOf(method, path);
      if (!operation || operationId === undefined) continue;
      // A route of two methods has one object for both.
      const named = structuredClone(operation);
      operations[method] = { ...named, operationId };
      const { body, reply } = examples[sameAs(operationId)] ?? {};
      addExample(named.requestBody?.content, body);
      addExample(named.responses?.['200']?.content, reply);
    }
}

function addExample(content: Content | undefined, example: object | undefined): void {
  const json = content?.[JSON_TYPE];
  if (json && example) json.example = example;
}
