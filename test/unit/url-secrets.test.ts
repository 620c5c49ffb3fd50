import { describe, expect, test } from 'vitest';
import { hideUrlSecrets, hideUser, namesUser } from '../../core/files/url-secrets.ts';
import { problemSentence } from '../../core/problems.ts';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { hideSecrets, hideSecretValues } from '../../core/task/secrets.ts';
import { splitTask } from '../../core/task/template.ts';

const executors = [{ image: 'debian', command: ['true'] }];

const problemsOf = (task: object): string[] => {
  const parsed = parseTesTask({ executors, ...task }, { cache: 'off', fileRoots: ['/srv'] });
  return 'problems' in parsed ? parsed.problems.map(problemSentence) : [];
};

describe('a task whose URL names a user or a password', () => {
  test.each([
    'http://user:sword-fish@127.0.0.1:9/x',
    'https://sword-fish@host/x',
    'https://:sword-fish@host/x',
    'https://user:sword-fish@@host/x',
    'https://user:sword@-fish@host/x',
    'https://user:sword-fi/sh@host/x',
    'https://user:sword-fi?sh@host/x',
    'https://user:sword-fish%2f@host/x',
    'http:///user:sword-fish@host/x',
    'http://\tuser:sword-fish@host/x',
    'http://us er:sword-fish@host/x',
    'HTTP://user:sword-fish@host/x',
    's3://user:sword-fish@bucket/key',
    's3://sword-fish@bucket/key',
    'ftp://user:sword-fish@host/x',
    'file://user:sword-fish@host/x',
  ])('is refused, and the problem does not show it: %j', (url) => {
    const asInput = problemsOf({ inputs: [{ url, path: '/in/x' }] });
    const asOutput = problemsOf({ outputs: [{ url, path: '/out/x' }] });
    const asType = problemsOf({ inputs: [{ url: [url], path: '/in/x' }] });
    expect(asInput[0]).toMatch(/^inputs\[0\]\.url: expected /);
    expect(asOutput[0]).toMatch(/^outputs\[0\]\.url: expected /);
    expect(asType[0]).toMatch(/^inputs\[0\]\.url: expected a string/);
    const shown = /\s/.test(url) ? [asInput, asOutput] : [asInput, asOutput, asType];
    for (const [problem = ''] of shown) expect(problem).not.toMatch(/sword-|fish/);
  });

  test('is refused without it being shown, however long it is', () => {
    for (const times of [200, 1_000]) {
      const url = `https://user:${'sword-fish'.repeat(times)}@host/x`;
      const [problem] = problemsOf({ inputs: [{ url, path: '/in/x' }] });
      expect(problem).toContain('inputs[0].url: expected ');
      expect(problem).not.toContain('sword-');
    }
  });

  test('is told what to do instead', () => {
    expect(problemsOf({ inputs: [{ url: 'http://u:p@host/x', path: '/x' }] })).toEqual([
      'inputs[0].url: expected a URL without user and password, because tasks are stored and shown ' +
        'with their URLs; use a presigned URL, or copy the file to S3',
    ]);
  });

  test.each([
    's3://bucket/a:b@c',
    'https://host/a:b@c',
    'https://host:8080/x@y?z=a:b@c',
    '/srv/a:b@c',
  ])('is none where the @ is in its path: %s', (url) => {
    expect(namesUser(url)).toBe(false);
    expect(hideUser(url)).toBe(url);
    expect(problemsOf({ inputs: [{ url, path: url.startsWith('/') ? url : '/in/x' }] })).toEqual(
      [],
    );
  });
});

test.each([
  ['GET https://u:p@h:1/x?X-Amz-Signature=abc failed', 'GET https://…@h:1/x?… failed'],
  ['"http://h/x?sig=abc" and http://h/y', '"http://h/x?…" and http://h/y'],
  ['http://h/x#token=abc', 'http://h/x?…'],
  ['s3://b/k?X-Amz-Signature=abc&versionId=1', 's3://b/k?X-Amz-Signature=…&versionId=1'],
  ['s3://b/what?.txt', 's3://b/what?.txt'],
  ['/cache?token=abc', '/cache?token=…'],
  ['no URL at all, a@b.c', 'no URL at all, a@b.c'],
])('the secrets of URLs in %j are hidden', (text, shown) => {
  expect(hideUrlSecrets(text)).toBe(shown);
});

test('a hostile text of many beginnings of URLs is looked at in no time that grows with its square', () => {
  const hostile = 'a://b:ca://b:c'.repeat(200_000);
  expect(problemsOf({ name: [hostile] })).toEqual([
    'name: expected a string, got ["a://… (2800004 characters)',
  ]);
});

test('a task of an earlier version shows its URLs without their passwords', () => {
  const url = 'http://user:sword-fish@host/x?sig=1';
  const task = {
    inputs: [{ url, path: '/x', type: 'FILE' as const }],
    outputs: [{ url: 's3://u:sword-fish@b/k', path: '/y', type: 'FILE' as const }],
    executors,
    resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
    volumes: [],
  };
  expect(hideSecrets(task).inputs[0]?.url).toBe('http://…@host/x?sig=1');
  expect(hideSecrets(task).outputs[0]?.url).toBe('s3://…@b/k');
  const split = hideSecretValues(splitTask(task));
  expect(JSON.stringify(split)).not.toContain('sword-fish');
  const literal = hideSecretValues({ template: task, values: [] });
  expect(JSON.stringify(literal)).not.toContain('sword-fish');
});
