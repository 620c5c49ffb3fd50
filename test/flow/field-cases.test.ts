/**
 * Tasks that users sent (test/fixtures/field), and what becomes of each on a whole Batchwell with its local Batch. Those
 * about files and about processes have stories of their own: task-files.test.ts, field-processes.test.ts.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Stack } from '../../cli/stack.ts';
import { lastLog, postTask, runTask, startTaskStack, systemLogs } from './stack-tasks.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startTaskStack();
});
afterAll(() => stack?.stop());

async function readCase(name: string): Promise<object> {
  const file = new URL(`../fixtures/field/${name}.json`, import.meta.url);
  return JSON.parse(await readFile(file, 'utf8')) as object;
}

describe('a task is refused, and the field is named, when', () => {
  test.each([
    ['a variable is longer than Linux allows', '10-env-value-131071', 'executors[0].env.BIG'],
    ['an input is below another that is a file', '12-file-below-a-file', 'inputs[1].path'],
    ['a URL has a user and a password', '24-basic-auth-url', 'inputs[0].url'],
  ])('%s', async (_, name, field) => {
    const { status, body } = await postTask(stack, await readCase(name));
    expect([status, body['problems']]).toEqual([400, [expect.objectContaining({ field })]]);
    expect(JSON.stringify(body)).not.toContain('secret-word');
  });
});

describe('the caller’s own mistake is an EXECUTOR_ERROR with advice that fits:', () => {
  test('a file whose URL says that it is a folder', async () => {
    const view = await runTask(stack, await readCase('13-file-declared-as-folder'));
    expect([view.state, lastLog(view)?.logs[0]?.exit_code]).toEqual(['EXECUTOR_ERROR', 0]);
    expect(systemLogs(view)).toMatch(/is a file, but its URL ends in .*Remove the/);
    expect(systemLogs(view)).not.toContain('job role');
  });

  test('a folder whose name is only the beginning of other keys', async () => {
    for (const key of ['reference', 'ref.fa'])
      await stack.objects.put(`s3://${stack.bucket}/fr/${key}`, Buffer.from('x'));
    const view = await runTask(stack, await readCase('23-key-prefix-of-others'));
    expect(view.state).toBe('EXECUTOR_ERROR');
    expect(systemLogs(view)).toContain(`no key begins with "fr/ref/"`);
    // It never ran.
    expect(lastLog(view)?.logs).toEqual([]);
  });
});

test('an image with an ENTRYPOINT or a USER runs as any other on the local Batch', async () => {
  const entry = await runTask(stack, await readCase('20-image-with-entrypoint'));
  expect([entry.state, lastLog(entry)?.logs[0]?.stdout]).toEqual(['COMPLETE', 'hello\n']);
  const user = await runTask(stack, await readCase('21-image-with-user'));
  expect([user.state, lastLog(user)?.outputs.map((one) => one.size_bytes)]).toEqual([
    'COMPLETE',
    ['6'],
  ]);
});
