/** What tasks and the host get from the instance metadata and from the agent. */
import { expect } from 'vitest';
import type { BootedHost } from './boot-world.ts';
import { fetchAsTask } from './containers.ts';

const METADATA = 'http://169.254.169.254/latest/meta-data/';
const CREDENTIALS = 'http://169.254.170.2/v2/credentials/1';

export async function reached(
  { machine }: BootedHost,
  task: string,
): Promise<Record<string, string>> {
  const get = (network: 'host' | 'bridge', ...urls: string[]): Promise<string> =>
    fetchAsTask(machine, { task, network, urls });
  const said = await get('host', METADATA, CREDENTIALS);
  return {
    metadata: said,
    credentials: said,
    metadataByBridge: await get('bridge', METADATA),
    metadataOfHost: await machine.read(`curl -s -o /dev/null -w '%{http_code}' ${METADATA}`),
  };
}

export const SHUT_OUT = {
  metadata: expect.stringContaining(`Couldn't connect`),
  metadataByBridge: expect.stringContaining('timed out'),
  credentials: expect.stringContaining('TASK-KEY-ID'),
  // It was asked for its token.
  metadataOfHost: '401',
};
