/** What this service is, in GA4GH's words. Open to all: clients look here before they have anything to show. */
import { Type, type Static } from 'typebox';
import packageJson from '../../package.json' with { type: 'json' };
import { backendParameters } from '../../core/parse-resources.ts';
import type { Api } from '../parts.ts';
import type { ApiServices } from '../services.ts';

export const ServiceInfo = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.Object({ group: Type.String(), artifact: Type.String(), version: Type.String({ description: 'Of TES' }) }),
  description: Type.String(),
  organization: Type.Object({ name: Type.String(), url: Type.String() }),
  documentationUrl: Type.String(),
  version: Type.String({ description: 'Of Batchwell' }),
  storage: Type.Array(Type.String(), { description: 'How URLs of files may begin' }),
  tesResources_backend_parameters: Type.Array(Type.String(), { description: 'Keys that resources.backend_parameters may hold' }),
});

export function serviceInfoRoutes(api: Api, { config }: ApiServices): void {
  const schema = { tags: ['TES'], summary: 'About this service', response: { 200: ServiceInfo } };
  // TES 1.0 had it below the tasks; a static path wins over a task's id.
  for (const url of ['/service-info', '/tasks/service-info']) api.route({ method: 'GET', url, schema, handler: async (request) => describeService(`${request.protocol}://${request.host}`, config.sharedFolders) });
}

const describeService = (here: string, sharedFolders: readonly string[]): Static<typeof ServiceInfo> => ({
  id: 'dev.batchwell.tes',
  name: 'Batchwell',
  type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' },
  description: 'Runs scientific tasks on AWS Batch.',
  organization: { name: 'Batchwell', url: `${here}/docs` },
  documentationUrl: `${here}/docs`,
  version: packageJson.version,
  storage: ['s3://', ...sharedFolders.map((folder) => `file://${folder}`)],
  tesResources_backend_parameters: [...backendParameters],
});
