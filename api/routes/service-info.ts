/** The GA4GH service-info document. It needs no token: clients read it before they authenticate. */
import { Type, type Static } from 'typebox';
import packageJson from '../../package.json' with { type: 'json' };
import { backendParameters } from '../../core/task/parse-resources.ts';
import type { Api } from '../dependencies.ts';
import type { ApiContext } from '../context.ts';

export const ServiceInfo = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.Object({
    group: Type.String(),
    artifact: Type.String(),
    version: Type.String({ description: 'Version of TES' }),
  }),
  description: Type.String(),
  organization: Type.Object({ name: Type.String(), url: Type.String() }),
  documentationUrl: Type.String(),
  version: Type.String({ description: 'Version of Batchwell' }),
  storage: Type.Array(Type.String(), { description: 'Prefixes that URLs of files may have' }),
  tesResources_backend_parameters: Type.Array(Type.String(), {
    description: 'Keys that resources.backend_parameters may have',
  }),
});

export function serviceInfoRoutes(api: Api, { config }: ApiContext): void {
  const { sharedFolders } = config;
  const schema = {
    tags: ['TES'],
    // Needs no token.
    security: [],
    summary: 'Get information about this service',
    response: { 200: ServiceInfo },
  };
  api.route({
    method: 'GET',
    url: '/service-info',
    schema,
    handler: async (request) =>
      describeService(`${request.protocol}://${request.host}`, sharedFolders),
  });
  // The path of TES 1.0, with its three fields: py-tes 0.4, which Toil uses, rejects any other
  // field.
  const tes10 = {
    tags: ['TES'],
    // Needs no token.
    security: [],
    summary: 'Get information about this service in the form of TES 1.0',
  };
  api.get('/tasks/service-info', { schema: tes10 }, (_request, reply) =>
    reply.send({ name: NAME, doc: DESCRIPTION, storage: storageOf(sharedFolders) }),
  );
}

const NAME = 'Batchwell';
const DESCRIPTION = 'Runs scientific tasks on AWS Batch.';

/** Prefixes that URLs of files may have. */
const storageOf = (sharedFolders: readonly string[]): string[] => [
  's3://',
  ...sharedFolders.map((folder) => `file://${folder}`),
];

const describeService = (
  origin: string,
  sharedFolders: readonly string[],
): Static<typeof ServiceInfo> => ({
  id: 'dev.batchwell.tes',
  name: NAME,
  type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' },
  description: DESCRIPTION,
  organization: { name: NAME, url: `${origin}/docs` },
  documentationUrl: `${origin}/docs`,
  version: packageJson.version,
  storage: storageOf(sharedFolders),
  tesResources_backend_parameters: [...backendParameters],
});
