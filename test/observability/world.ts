/** A private fleet that works with faults, as users and AWS would give it. */
import { startStack, type Stack } from '../../cli/stack.ts';

const OWNERS = { ann: 'token-of-ann', bob: 'token-of-bob' } as const;
export type Owner = keyof typeof OWNERS;

export const startWatchedStack = (): Promise<Stack> =>
  startStack({
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    },
    workers: 2,
    settings: {
      BATCHWELL_TOKENS: Object.entries(OWNERS)
        .map((pair) => pair.join(':'))
        .join(','),
      BATCHWELL_POLL_MS: '500',
      BATCHWELL_FLEET_COUNT_MS: '1500',
      BATCHWELL_HOST_FAULT_PAUSE_MS: '1000',
    },
  });

/** One rule of packages/local-aws/faults.ts. */
export async function addFault(serverUrl: string, rule: Record<string, unknown>): Promise<void> {
  const reply = await fetch(new URL('/_local/faults', serverUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rule),
  });
  if (!reply.ok) throw new Error(`The fault was refused: ${await reply.text()}`);
}

export interface ScatterWish {
  owner: Owner;
  name: string;
  width: number;
  /** A shell command; {{n}} is the number of the row. */
  command: string;
  /** Equal scatters of one name hit the cache. */
  cache?: 'readwrite';
}

export async function postScatter(stack: Stack, wish: ScatterWish): Promise<string> {
  const { owner, name, width, command, cache } = wish;
  const reply = await fetch(`${stack.apiUrl}/v1/scatters`, {
    method: 'POST',
    headers: headersOf(owner),
    body: JSON.stringify({
      name,
      ...(cache && { cache }),
      template: {
        name: `${name} {{n}}`,
        outputs: [
          { url: `s3://${stack.bucket}/results/${name}/{{n}}.txt`, path: '/out/result.txt' },
        ],
        executors: [{ image: 'debian:stable-slim', command: ['sh', '-c', command] }],
        resources: { cpu_cores: 1, ram_gb: 0.25, disk_gb: 1 },
      },
      rows: Array.from({ length: width }, (_, at) => ({ n: String(at + 1) })),
    }),
  });
  if (!reply.ok) throw new Error(`The scatter was refused: ${await reply.text()}`);
  return ((await reply.json()) as { id: string }).id;
}

const headersOf = (owner: Owner): Record<string, string> => ({
  authorization: `Bearer ${OWNERS[owner]}`,
  'content-type': 'application/json',
});

export async function hasEnded(stack: Stack, owner: Owner, id: string): Promise<boolean> {
  const reply = await fetch(`${stack.apiUrl}/v1/scatters/${id}`, { headers: headersOf(owner) });
  if (!reply.ok) throw new Error(`The scatter cannot be read: ${await reply.text()}`);
  return ((await reply.json()) as { ended: boolean }).ended;
}
