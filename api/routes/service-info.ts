/** What this service is, in GA4GH's words. Open to all: clients look here before they have anything to show. */
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
    version: Type.String({ description: 'Of TES' }),
  }),
  description: Type.String(),
  organization: Type.Object({ name: Type.String(), url: Type.String() }),
  documentationUrl: Type.String(),
  version: Type.String({ description: 'Of Batchwell' }),
  storage: Type.Array(Type.String(), { description: 'How URLs of files may begin' }),
  tesResources_backend_parameters: Type.Array(Type.String(), {
    description: 'Keys that resources.backend_parameters may hold',
  }),
});

export function serviceInfoRoutes(api: Api, { config }: ApiContext): void {
  const { sharedFolders } = config;
  const schema = { tags: ['TES'], summary: 'About this service', response: { 200: ServiceInfo } };
  api.route({
    method: 'GET',
    url: '/service-info',
    schema,
    handler: async (request) =>
      describeService(`${request.protocol}://${request.host}`, sharedFolders),
  });
  // TES 1.0 had it here, with these three fields: py-tes 0.4, and with it Toil, refuses any other.
  const asOf10 = { tags: ['TES'], summary: 'About this service, as TES 1.0 says it' };
  api.get('/tasks/service-info', { schema: asOf10 }, (_request, reply) =>
    reply.send({ name: NAME, doc: DESCRIPTION, storage: storageOf(sharedFolders) }),
  );
}

const NAME = 'Batchwell';
const DESCRIPTION = 'Runs scientific tasks on AWS Batch.';

/** How urls of files may begin. */
const storageOf = (sharedFolders: readonly string[]): string[] => [
  's3://',
  ...sharedFolders.map((folder) => `file://${folder}`),
];

const describeService = (
  here: string,
  sharedFolders: readonly string[],
): Static<typeof ServiceInfo> => ({
  id: 'dev.batchwell.tes',
  name: NAME,
  type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' },
  description: DESCRIPTION,
  organization: { name: NAME, url: `${here}/docs` },
  documentationUrl: `${here}/docs`,
  version: packageJson.version,
  storage: storageOf(sharedFolders),
  tesResources_backend_parameters: [...backendParameters],
});
