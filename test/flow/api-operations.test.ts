/** Every operation of the OpenAPI document has a name and examples, and the examples hold. */
import { Ajv } from 'ajv';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jsonAs, startApiWorld, type ApiWorld } from '../api-world.ts';

interface Media {
  schema?: object;
  example?: object;
}
interface Operation {
  operationId?: string;
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}

let world: ApiWorld;
let operations: (Operation & { method: string; path: string })[];
beforeAll(async () => {
  world = await startApiWorld({ tokens: ['ann:secret'] });
  const { paths } = jsonAs<{ paths: Record<string, Record<string, Operation>> }>(
    await world.call('GET', '/openapi.json'),
  );
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method, path })),
  );
});
afterAll(() => world.close());

const JSON_TYPE = 'application/json';

test('every operation has a name of its own, and those of TES have the specification’s', () => {
  const unnamed = operations.filter(({ operationId }) => !operationId);
  expect(unnamed.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  const ids = operations.map(({ operationId }) => operationId);
  expect(ids.length).toBeGreaterThan(50);
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  expect(ids).toEqual(
    expect.arrayContaining(['GetServiceInfo', 'ListTasks', 'CreateTask', 'GetTask', 'CancelTask']),
  );
});

test('every JSON body and reply has an example, which its schema accepts', () => {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  const wrong: string[] = [];
  let checked = 0;
  for (const { method, path, requestBody, responses } of operations)
    for (const [what, media] of [
      ['body', requestBody?.content[JSON_TYPE]],
      ['reply', responses['200']?.content?.[JSON_TYPE]],
    ] as const) {
      if (!media?.schema) continue;
      checked += 1;
      if (!media.example) wrong.push(`${method} ${path}: no example of its ${what}`);
      else if (!ajv.validate(media.schema, media.example))
        wrong.push(`${method} ${path}, ${what}: ${ajv.errorsText()}`);
    }
  expect(wrong).toEqual([]);
  expect(checked).toBeGreaterThan(50);
});

test('the API takes each example of a body', async () => {
  const answers: string[] = [];
  for (const { method, path, requestBody } of operations) {
    const example = requestBody?.content[JSON_TYPE]?.example;
    // Webhooks need an operator's leave.
    if (!example || path.includes('{') || path === '/v1/webhooks') continue;
    const { status, text } = await world.call(method.toUpperCase(), path, example, {
      authorization: 'Bearer secret',
    });
    answers.push(`${path} ${status}${status === 200 ? '' : text}`);
  }
  expect(answers.filter((answer) => !answer.endsWith(' 200'))).toEqual([]);
  expect(answers.length).toBeGreaterThan(7);
});
