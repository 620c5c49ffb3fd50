/** What this service is, in GA4GH's words. Open to all: clients look here before they have anything to show. */
import packageJson from '../../package.json' with { type: 'json' };
import { backendParameters } from '../../core/parse-resources.ts';
import type { Api } from '../parts.ts';
import type { ApiServices } from '../services.ts';

const NAME = 'Batchwell';
const DESCRIPTION = 'Runs scientific tasks on AWS Batch.';

export function serviceInfoRoutes(api: Api, { config }: ApiServices): void {
  const schema = { tags: ['TES'], summary: 'About this service' };
  const storage = ['s3://', ...config.sharedFolders.map((folder) => `file://${folder}`)];
  api.get('/service-info', { schema }, (request, reply) => {
    const here = `${request.protocol}://${request.host}`;
    return reply.send({
      id: 'dev.batchwell.tes',
      name: NAME,
      type: { group: 'org.ga4gh', artifact: 'tes', version: '1.1.0' },
      description: DESCRIPTION,
      organization: { name: NAME, url: `${here}/docs` },
      documentationUrl: `${here}/docs`,
      version: packageJson.version,
      storage,
      tesResources_backend_parameters: [...backendParameters],
    });
  });
  // TES 1.0 had it here, with these three fields: py-tes 0.4, and with it Toil, refuses any other.
  api.get('/tasks/service-info', { schema: { ...schema, summary: 'About this service, as TES 1.0 says it' } }, (_request, reply) => reply.send({ name: NAME, doc: DESCRIPTION, storage }));
}
