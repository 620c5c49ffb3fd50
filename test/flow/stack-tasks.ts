/** A whole Batchwell with its local Batch, for tests that send tasks and look at what became of them. */
import { expect } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';

/** @param settings of config.ts, by variable */
export const startTaskStack = (settings: Record<string, string> = {}): Promise<Stack> =>
  startStack({
    // Without the other settings of the machine that runs the test.
    environment: {
      PATH: process.env['PATH'],
      TMPDIR: process.env['TMPDIR'],
      BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    },
    settings: { BATCHWELL_POLL_MS: '200', BATCHWELL_PACK_IDLE_MS: '50', ...settings },
  });

export interface TaskView {
  state: string;
  outputs: { path: string }[];
  logs: {
    logs: { exit_code: number; stdout: string; stderr: string }[];
    outputs: { url: string; path: string; size_bytes: string }[];
    system_logs?: string[];
    metadata: Record<string, string>;
  }[];
}

interface Posted {
  status: number;
  body: Record<string, unknown>;
}

export async function postTask({ apiUrl }: Stack, task: object): Promise<Posted> {
  const reply = await fetch(`${apiUrl}/ga4gh/tes/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(task),
  });
  return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
}

/** The task in full, once it has ended. */
export async function runTask(stack: Stack, task: object): Promise<TaskView> {
  const { status, body } = await postTask(stack, task);
  expect([status, body]).toEqual([200, { id: expect.any(String) as string }]);
  for (;;) {
    const url = `${stack.apiUrl}/ga4gh/tes/v1/tasks/${String(body['id'])}?view=FULL&wait=20s`;
    const view = (await (await fetch(url)).json()) as TaskView;
    if (/COMPLETE|ERROR|CANCELED/.test(view.state)) return view;
  }
}

export const lastLog = (view: TaskView) => view.logs.at(-1);

export const systemLogs = (view: TaskView): string => (lastLog(view)?.system_logs ?? []).join('\n');
