/** What this service is, in GA4GH's words. Open to all: clients look here before they have anything to show. */
import packageJson from '../../package.json' with { type: 'json' };
import { backendParameters } from '../../core/parse-resources.ts';
import type { Api } from '../parts.ts';
import type { ApiServices } from '../services.ts';

export function serviceInfoRoutes(api: Api, { config }: ApiServices): void {
  // TES 1.0 had it below the tasks; a static path wins over a task's id.
  for (const path of ['/service-info', '/tasks/service-info']) api.get(path, { schema: { tags: ['TES'], summary: 'About this service' } }, (request, reply) => {
    const here = `${request.protocol}://${request.host}`;
    return reply.send({
      id: 'dev.batchwell.tes',
      name: 'Batchwell',
      type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' },
      description: 'Runs scientific tasks on AWS Batch.',
      organization: { name: 'Batchwell', url: `${here}/docs` },
      documentationUrl: `${here}/docs`,
      version: packageJson.version,
      storage: ['s3://', ...config.sharedFolders.map((folder) => `file://${folder}`)],
      tesResources_backend_parameters: [...backendParameters],
    });
  });
}
