/**
 * The unmodified AWS CLI, whichever is on PATH, against the local S3. Debian's is 2.9, which does
 * not read AWS_ENDPOINT_URL: it gets --endpoint-url.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCrc } from '../../packages/local-aws/s3/crc.ts';
import type { LocalS3 } from '../../packages/local-aws/s3/server.ts';
import { startLocalS3 } from '../../packages/local-aws/s3/server.ts';

const run = promisify(execFile);

function findCli(): string | undefined {
  for (const program of ['/usr/bin/aws', 'aws']) {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
      return program;
    } catch {
      continue;
    }
  }
  return undefined;
}

const cli = findCli();
const MINUTE_AGO = Date.now() / 1000 - 60;
if (cli === undefined)
  process.stderr.write('awscli-s3: skipped, no `aws` on PATH (Debian: apt-get install awscli)\n');

// One start of the CLI takes about a second.
describe.skipIf(cli === undefined)('the AWS CLI and the local S3', { timeout: 90_000 }, () => {
  let folder: string;
  let s3: LocalS3;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'awscli-s3-'));
    s3 = await startLocalS3({ dataFolder: join(folder, 'data') });
    await mkdir(join(folder, 'home'));
  });
  afterAll(async () => {
    await s3.close();
    await rm(folder, { recursive: true, force: true });
  });

  const aws = async (...args: string[]) => {
    const { stdout } = await run(cli ?? 'aws', [...args, '--endpoint-url', s3.url], {
      cwd: folder,
      env: {
        PATH: process.env['PATH'],
        HOME: join(folder, 'home'),
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local',
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_PAGER: '',
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_ENDPOINT_URL_S3: s3.url,
        // Newer CLIs send a checksum of their choice. This test is about the one that S3 computes
        // if none is sent.
        AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
      },
    });
    return stdout;
  };

  it('the AWS CLI makes buckets, copies, syncs, lists, moves and removes objects', async () => {
    await aws('s3', 'mb', 's3://cli');
    await mkdir(join(folder, 'tree/deep er'), { recursive: true });
    const files = ['a.txt', 'deep er/b & c.txt', 'deep er/ä+%.txt'];
    for (const name of files) {
      await writeFile(join(folder, 'tree', name), `content of ${name}`);
      // S3 has whole seconds: a file written in the second of its upload looks newer than its
      // object and is sent again.
      await utimes(join(folder, 'tree', name), MINUTE_AGO, MINUTE_AGO);
    }
    await aws('s3', 'sync', 'tree', 's3://cli/up', '--quiet');
    expect(await aws('s3', 'ls', 's3://cli/up/', '--recursive')).toMatch(
      /up\/a\.txt\n.*up\/deep er\/b & c\.txt\n.*up\/deep er\/ä\+%\.txt\n/,
    );
    expect(await aws('s3', 'ls', 's3://cli/up/')).toMatch(/PRE deep er\/\n.* a\.txt\n/);
    expect(await aws('s3', 'sync', 'tree', 's3://cli/up')).toBe('');
    await aws('s3', 'cp', 's3://cli/up', 's3://cli/copy', '--recursive', '--quiet');
    await aws('s3', 'sync', 's3://cli/copy', 'back', '--quiet');
    for (const name of files)
      expect(await readFile(join(folder, 'back', name), 'utf8')).toBe(`content of ${name}`);
    await aws('s3', 'rm', 's3://cli/', '--recursive', '--quiet');
    expect(await aws('s3', 'ls', 's3://cli/', '--recursive').catch(() => '')).toBe('');
    await aws('s3', 'rb', 's3://cli');
    expect(await aws('s3', 'ls')).toBe('');
  });

  it('the AWS CLI uploads 20 MB in parts, downloads and copies them, with a valid checksum', async () => {
    await aws('s3', 'mb', 's3://large');
    const body = randomBytes(20_000_000);
    await writeFile(join(folder, 'large.bin'), body);
    await aws('s3', 'cp', 'large.bin', 's3://large/large.bin', '--quiet');
    const crc = createCrc('CRC64NVME');
    crc.update(body);
    const head = JSON.parse(
      await aws(
        's3api',
        'head-object',
        '--bucket',
        'large',
        '--key',
        'large.bin',
        '--checksum-mode',
        'ENABLED',
        '--output',
        'json',
      ),
    ) as Record<string, unknown>;
    expect(head).toMatchObject({ ContentLength: body.length, ETag: expect.stringMatching(/-3"$/) });
    // CLI 2.9 does not know this header, so the test asks the server itself.
    const raw = await fetch(`${s3.url}/large/large.bin`, {
      method: 'HEAD',
      headers: { authorization: 'AWS4-HMAC-SHA256 Credential=x', 'x-amz-checksum-mode': 'ENABLED' },
    });
    expect(raw.headers.get('x-amz-checksum-crc64nvme')).toBe(crc.digest().toString('base64'));
    await aws('s3', 'cp', 's3://large/large.bin', 's3://large/across.bin', '--quiet');
    await aws('s3', 'cp', 's3://large/across.bin', 'down.bin', '--quiet');
    expect(
      createHash('md5')
        .update(await readFile(join(folder, 'down.bin')))
        .digest('hex'),
    ).toBe(createHash('md5').update(body).digest('hex'));
    expect(s3.ledger.summary().requests).toMatchObject({
      's3.UploadPart': { byCode: { OK: 3 } },
      's3.UploadPartCopy': { byCode: { OK: 3 } },
    });
    expect(await readdir(folder)).not.toContain('down.bin.tmp');
  });

  it('the local S3 keeps a SHA-256 given with a put, and accepts presigned URLs', async () => {
    await aws('s3', 'mb', 's3://sums');
    await writeFile(join(folder, 'small'), '123456789');
    await aws(
      's3api',
      'put-object',
      '--bucket',
      'sums',
      '--key',
      'small',
      '--body',
      'small',
      '--checksum-algorithm',
      'SHA256',
      '--output',
      'json',
    );
    const head = JSON.parse(
      await aws(
        's3api',
        'head-object',
        '--bucket',
        'sums',
        '--key',
        'small',
        '--checksum-mode',
        'ENABLED',
        '--output',
        'json',
      ),
    ) as Record<string, unknown>;
    expect(head['ChecksumSHA256']).toBe(createHash('sha256').update('123456789').digest('base64'));
    const url = (await aws('s3', 'presign', 's3://sums/small')).trim();
    expect(await (await fetch(url)).text()).toBe('123456789');
  });
});
