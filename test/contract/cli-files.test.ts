/** `cp`, `ls` and `cat` on the local S3 of a stack that has left its note. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findStack, noteStack } from '../../cli/local-stacks.ts';
import { freePort } from '../../cli/services/ports.ts';
import { startLocalS3, type LocalS3 } from '../../packages/local-aws/s3/server.ts';
import { run } from '../unit/cli-world.ts';

let folder: string;
let s3: LocalS3;
let apiUrl: string;
let forget: () => Promise<void>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwell-files-'));
  await mkdir(join(folder, 's3'));
  s3 = await startLocalS3({ dataFolder: join(folder, 's3'), bucketsOnDemand: true });
  apiUrl = `http://127.0.0.1:${await freePort()}`;
  forget = await noteStack(apiUrl, {
    AWS_ENDPOINT_URL_S3: s3.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    PATH: 'not of the stack',
    AWS_PROFILE: undefined,
  });
});
afterAll(async () => {
  await forget();
  await s3.close();
  await rm(folder, { recursive: true, force: true });
});

const cli = (...words: string[]) => run(words, { environment: { BATCHWELL_URL: apiUrl } });

it('cp makes a bucket on demand, and cat prints what was copied, byte for byte', async () => {
  const bytes = Buffer.from([0, 255, 10, 13, 128]).toString('latin1');
  await writeFile(join(folder, 'a.bin'), bytes, 'latin1');
  expect(await cli('cp', join(folder, 'a.bin'), 's3://fresh-bucket/x/')).toMatchObject({
    code: 0,
    err: `${join(folder, 'a.bin')} -> s3://fresh-bucket/x/a.bin\n`,
  });
  expect((await cli('cp', 's3://fresh-bucket/x/a.bin', join(folder, 'new/b.bin'))).code).toBe(0);
  expect(await readFile(join(folder, 'new/b.bin'), 'latin1')).toBe(bytes);
});

it('cp takes stdin and stdout as -, and copies within S3', async () => {
  const put = await run(['cp', '-', 's3://fresh-bucket/in'], {
    stdin: 'from stdin\n',
    environment: { BATCHWELL_URL: apiUrl },
  });
  expect(put.code).toBe(0);
  await cli('cp', 's3://fresh-bucket/in', 's3://second-bucket/in');
  expect(await cli('cp', 's3://second-bucket/in', '-')).toEqual({
    code: 0,
    out: 'from stdin\n',
    err: '',
  });
  expect((await cli('cat', 's3://fresh-bucket/in', 's3://second-bucket/in')).out).toBe(
    'from stdin\nfrom stdin\n',
  );
});

it('cp --recursive copies a folder there and back, and ls shows the next level or all', async () => {
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'deep/er'), { recursive: true });
  for (const name of ['a', 'b', 'deep/c', 'deep/er/d', 'z'])
    await writeFile(join(tree, name), name);
  expect((await cli('cp', '-r', tree, 's3://tree/of')).err).toContain('5 files');
  const level = (await cli('ls', 's3://tree/of/')).out.trimEnd().split('\n');
  expect(level.map((line) => line.split(/\s+/).at(-1))).toEqual([
    's3://tree/of/a',
    's3://tree/of/b',
    's3://tree/of/deep/',
    's3://tree/of/z',
  ]);
  const all = (await cli('ls', '-r', '--json', 's3://tree/of')).out.trimEnd().split('\n');
  expect(all.map((line) => JSON.parse(line).url)).toHaveLength(5);
  expect((await cli('cp', '-r', 's3://tree/of', join(folder, 'back'))).code).toBe(0);
  const back = await readdir(join(folder, 'back'), { recursive: true });
  expect(back.toSorted()).toEqual(['a', 'b', 'deep', 'deep/c', 'deep/er', 'deep/er/d', 'z']);
});

it.each([
  [['cat', 's3://fresh-bucket/nothing'], 's3://fresh-bucket/nothing does not exist'],
  [['cp', '/no/such/file', 's3://fresh-bucket/a'], '/no/such/file cannot be read'],
  [['cp', '/', 's3://fresh-bucket/a'], '/ is a folder. Copy it with --recursive.'],
  [['cp', 'a', 'b'], 'Neither a nor b is an s3:// URL'],
  [['cp', '-', 's3://fresh-bucket'], 's3://fresh-bucket: expected s3://bucket/key.'],
  [['ls', 'fresh-bucket'], 'fresh-bucket: expected s3://bucket/key.'],
  [['ls', 's3://never-made'], 'The specified bucket does not exist'],
])('%j is refused with a sentence', async (words, sentence) => {
  const ran = await cli(...words);
  expect(ran.code).toBe(2);
  expect(ran.err).toContain(sentence);
  expect(ran.err).not.toContain('    at ');
});

it('without the option, a write to a bucket that does not exist is refused, as on AWS', async () => {
  const strict = join(folder, 'strict');
  await mkdir(strict);
  const aws = await startLocalS3({ dataFolder: strict });
  try {
    const put = await fetch(`${aws.url}/never-made/key`, {
      method: 'PUT',
      body: 'x',
      headers: { authorization: 'any' },
    });
    expect(put.status).toBe(404);
  } finally {
    await aws.close();
  }
});

it('a note is believed only from its own user, while its process lives, and it holds no other variables', async () => {
  expect(await findStack(apiUrl)).toMatchObject({ apiUrl });
  expect(Object.keys((await findStack(apiUrl))!.environment).toSorted()).toEqual([
    'AWS_ACCESS_KEY_ID',
    'AWS_ENDPOINT_URL_S3',
    'AWS_REGION',
    'AWS_SECRET_ACCESS_KEY',
  ]);
  expect(await findStack(apiUrl.replace('127.0.0.1', '192.0.2.1'))).toBeUndefined();
  const file = join(tmpdir(), `batchwell-stacks-${userInfo().uid}`, `${new URL(apiUrl).port}.json`);
  await chmod(file, 0o666);
  expect(await findStack(apiUrl)).toBeUndefined();
  await chmod(file, 0o600);
  const note = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...note, pid: 2 ** 30 }));
  expect(await findStack(apiUrl)).toBeUndefined();
  await writeFile(file, JSON.stringify(note));
});

it('the key of an object that somebody else named cannot control the terminal', async () => {
  const key = 'odd/\u001b]0;title\u0007\u202etxt.exe\u202c\nfake line';
  await writeFile(join(folder, 'odd'), 'x');
  await cli('cp', join(folder, 'odd'), `s3://fresh-bucket/${key}`);
  const shown = 's3://fresh-bucket/odd/?]0;title??txt.exe??fake line';
  const listed = await cli('ls', '-r', 's3://fresh-bucket/odd/');
  expect([listed.out.split('\n').length, listed.out.includes('\u001b')]).toEqual([2, false]);
  expect(listed.out).toContain(shown);
  const copied = await cli('cp', `s3://fresh-bucket/${key}`, 's3://fresh-bucket/copy');
  expect(copied.err).toBe(`${shown} -> s3://fresh-bucket/copy\n`);
  expect((await cli('cat', `s3://fresh-bucket/${key}x`)).err).not.toContain('\u001b');
});
