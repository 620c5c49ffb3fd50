import { expect, test } from 'vitest';
import { parseTesTask } from '../../core/task/parse-task.ts';

const fieldsRefused = (urls: string[], task: { input?: string; output?: string }): string[] => {
  const parsed = parseTesTask(
    {
      executors: [{ image: 'debian', command: ['true'] }],
      inputs: task.input === undefined ? [] : [{ url: task.input, path: '/in' }],
      outputs: task.output === undefined ? [] : [{ url: task.output, path: '/out' }],
    },
    { cache: 'off', fileRoots: ['/mnt/shared'], limits: { urls } },
  );
  return 'problems' in parsed ? parsed.problems.map(({ field }) => field) : [];
};

test('an owner names only the part of a shared folder that the token allows, for inputs and outputs alike', () => {
  const own = ['/mnt/shared/ann'];
  for (const url of ['/mnt/shared/ann/x', 'file:///mnt/shared/ann/x'])
    expect(fieldsRefused(own, { input: url, output: url }), url).toEqual([]);
  for (const url of [
    '/mnt/shared/bob/x',
    'file:///mnt/shared/bob/x',
    '/mnt/shared/annabel',
    '/mnt/shared/ann/../bob/x',
    '/mnt/shared//bob/x',
    '/mnt/shared/./bob/x',
    '/mnt/shared/',
    '/mnt/other/x',
  ])
    expect(fieldsRefused(own, { input: url, output: url }), url).toEqual([
      'inputs[0].url',
      'outputs[0].url',
    ]);
});
