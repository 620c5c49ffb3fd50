/** The API, as in production. */
import { startApi, type RunningApi } from '../api/main.ts';
import { readConfig } from '../config.ts';
import { serveParent } from './child.ts';

let api: RunningApi | undefined;

serveParent(
  {
    async start() {
      api = await startApi(readConfig());
      return api.url;
    },
  },
  async () => api?.close(),
);
