/** The program as it is started from a shell. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, it, onTestFinished, vi } from 'vitest';
import { chooseRunner } from '../batch/runners/choose.ts';
import { temporaryFolder } from './batch-world.ts';

vi.setConfig({ testTimeout: 30_000 });

const PROGRAM = join(import.meta.dirname, '../main.ts');
const run = promisify(execFile);
const noRunner = await chooseRunner({ dataFolder: '/nonexistent-local-batch' }).then(
  () => false,
  () => true,
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

it.skipIf(noRunner)(
  'the program serves S3 and Batch until SIGTERM, then exits with 0',
  async () => {
    const dataFolder = await temporaryFolder();
    const [s3Port, batchPort] = [await freePort(), await freePort()];
    const child = spawn(
      process.execPath,
      [PROGRAM, '--data', dataFolder, '--s3-port', `${s3Port}`, '--batch-port', `${batchPort}`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const [line] = await once(createInterface(child.stdout), 'line');
    const urls = { s3: `http://127.0.0.1:${s3Port}`, batch: `http://127.0.0.1:${batchPort}` };
    expect(JSON.parse(String(line))).toEqual(urls);
    for (const [service, url] of Object.entries(urls)) {
      const health = await fetch(`${url}/_local/health`);
      expect(await health.json()).toMatchObject({ service });
    }
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  },
);

it('the program prints its usage with --help and refuses a missing data folder', async () => {
  expect((await run(process.execPath, [PROGRAM, '--help'])).stdout).toMatch(/^Usage: local-aws/);
  await expect(run(process.execPath, [PROGRAM])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--data FOLDER is missing'),
  });
});
