/** The OpenAPI document says what the code enforces. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApiWorld, type ApiWorld } from '../api-world.ts';

const task = { executors: [{ image: 'alpine', command: ['true'] }] };
const TES = '/ga4gh/tes/v1';

interface Form {
  properties: Record<string, Form | undefined>;
  items?: Form;
  minItems?: number;
  anyOf?: object[];
  oneOf?: object[];
}
interface Document {
  openapi: string;
  webhooks: Record<
    string,
    { post: { requestBody: { content: Record<string, { schema: Form }> } } }
  >;
  security?: object[];
  components: { securitySchemes?: object };
  paths: Record<
    string,
    Record<
      string,
      {
        security?: object[];
        requestBody: { content: Record<string, { schema: Form }> };
      }
    >
  >;
}
const bodyOf = ({ paths }: Document, path: string): Form => {
  const schema = paths[path]?.['post']?.requestBody.content['application/json']?.schema;
  if (!schema) throw new Error(`no body of ${path}`);
  return schema;
};

describe('an API with tokens', () => {
  let world: ApiWorld;
  beforeAll(async () => {
    world = await startApiWorld({ tokens: ['ann:secret'] });
  });
  afterAll(() => world.close());

  test('the OpenAPI document asks for a token, except where none is needed', async () => {
    const { text } = await world.call('GET', '/openapi.json');
    const { security, components, paths } = JSON.parse(text) as Document;
    expect(security).toEqual([{ bearer: [] }]);
    expect(components.securitySchemes).toEqual({ bearer: { type: 'http', scheme: 'bearer' } });
    const open = Object.entries(paths).flatMap(([path, methods]) =>
      methods['get']?.security?.length === 0 ? [path] : [],
    );
    expect(open).toEqual(
      expect.arrayContaining(['/healthz', '/readyz', '/metrics', `${TES}/service-info`]),
    );
    for (const path of open) expect((await world.call('GET', path)).status).toBe(200);
  });
});

describe('an API without tokens', () => {
  let world: ApiWorld;
  beforeAll(async () => {
    world = await startApiWorld();
  });
  afterAll(() => world.close());

  test('the OpenAPI document describes what webhooks receive', async () => {
    const { text } = await world.call('GET', '/openapi.json');
    const document = JSON.parse(text) as Document;
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.webhooks)).toEqual(['tasks.ended', 'scatter.ended', 'ping']);
    const { post } = document.webhooks['tasks.ended'] ?? {};
    expect(
      post?.requestBody.content['application/json']?.schema.properties['data']?.properties['tasks'],
    ).toMatchObject({ type: 'array', maxItems: 100 });
  });

  test('the OpenAPI document asks for no token where none is needed, and says what is checked', async () => {
    const { text } = await world.call('GET', '/openapi.json');
    const document = JSON.parse(text) as Document;
    expect([document.security, document.components.securitySchemes]).toEqual([
      undefined,
      undefined,
    ]);
    const { executors, inputs } = bodyOf(document, `${TES}/tasks`).properties;
    expect([executors?.minItems, executors?.items?.properties['command']?.minItems]).toEqual([
      1, 1,
    ]);
    expect(inputs?.items?.anyOf).toEqual([{ required: ['url'] }, { required: ['content'] }]);
    expect(bodyOf(document, '/v1/scatters').properties['rows']).toMatchObject({
      minItems: 1,
      maxItems: 10_000,
    });
    for (const [path, names] of [
      ['/v1/cache:invalidate', ['tasks', 'name', 'output_prefix']],
      ['/v1/tasks:cancel', ['ids', 'tags', 'scatter']],
    ] as const)
      expect(bodyOf(document, path).oneOf).toEqual(names.map((name) => ({ required: [name] })));

    for (const [path, body] of [
      [`${TES}/tasks`, { executors: [] }],
      [`${TES}/tasks`, { executors: [{ image: 'a', command: [] }] }],
      [`${TES}/tasks`, { ...task, inputs: [{ path: '/a' }] }],
      ['/v1/scatters', { template: task, rows: [] }],
      ['/v1/tasks:cancel', { ids: ['x'], scatter: 'y' }],
      ['/v1/tasks:cancel', {}],
      ['/v1/cache:invalidate', { name: 'x', output_prefix: 's3://b/', reason: 'r' }],
    ] as const)
      expect([path, (await world.call('POST', path, body)).status]).toEqual([path, 400]);
  });
});
