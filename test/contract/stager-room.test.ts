/** The stager on a small disk: a tmpfs of 16 MiB in a sandbox of its own. */
// cspell:ignore unstub
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openS3 } from '../../stager/s3.ts';
import { fetchInputs } from '../../stager/inputs.ts';
import { openRoom } from '../../stager/room.ts';
import {
  command,
  emptyTask,
  makeWorld,
  PREFIX,
  useBuiltStager,
  type World,
} from './stager-world.ts';

const MIB = 1_048_576;
const bubblewrap = spawnSync('bwrap', ['--dev-bind', '/', '/', 'true']).status === 0;
const stager = useBuiltStager();
let world: World;
let disk: string;

beforeEach(async () => {
  world = await makeWorld();
  disk = join(world.folder, 'disk');
  await mkdir(disk);
});
afterEach(() => world.close());

/** Other tasks of the host hold `ballastMib` of the disk, until the file `go` is there. */
const startOnSmallDisk = (ballastMib: number, env: Record<string, string>) =>
  world.start(
    [
      ...sandbox(),
      `head -c ${ballastMib * MIB} /dev/zero > ${disk}/ballast; ${RUN}`,
      'sh',
      ...stager,
    ],
    {
      BATCHWELL_LIVE_LOGS_MS: '20',
      DISK: disk,
      GO: `${world.folder}/go`,
      ...env,
    },
  );

const sandbox = (): string[] =>
  `bwrap --die-with-parent --dev-bind / / --size ${16 * MIB} --tmpfs ${disk} -- /bin/sh -c`.split(
    ' ',
  );

const RUN = `
  { while [ ! -e "$GO" ]; do sleep 0.02; done; rm "$DISK/ballast"; } &
  "$@"; code=$?; kill $! 2>/dev/null; exit $code`;

async function submit(...sizesMib: number[]): Promise<void> {
  for (const [at, mib] of sizesMib.entries())
    await world.s3.put(`data/${at}`, Buffer.alloc(mib * MIB, at + 1));
  await world.submit(
    emptyTask({
      inputs: sizesMib.map((_, at) => ({
        url: `s3://data/${at}`,
        path: `${disk}/${at}`,
        type: 'FILE' as const,
      })),
      executors: [command(`cat ${disk}/[0-9] | wc -c`, world.folder)],
    }),
  );
}

describe.skipIf(!bubblewrap)('a small disk', () => {
  test('an input waits until there is room, beside the others of its task, and says so in the live log', async () => {
    await submit(6, 6, 1);
    const running = startOnSmallDisk(5, { BATCHWELL_DISK_WAIT_MS: '600000' });
    await running.saw('waits_for_room');
    const live = `${PREFIX}live/00000/0.stderr`;
    await expect
      .poll(() => world.s3.text(live))
      .toMatch(
        /^Batchwell: \S+\/disk\/[01] waits for room on the disk of its host: it needs 6\.3 MB, and \S+ \S?B are free\.$/m,
      );
    await writeFile(join(world.folder, 'go'), '');
    const { code, events } = await running.ended;
    expect(code).toBe(0);
    expect(await world.log('0.stdout')).toBe(`${13 * MIB}\n`);
    expect(await world.log('0.stderr')).toBeUndefined();
    expect(events.filter(({ event }) => event === 'waits_for_room')).toHaveLength(1);
  });

  test('an input that finds no room in time fails with an error that a retry may fix', async () => {
    await submit(6);
    expect((await startOnSmallDisk(12, { BATCHWELL_DISK_WAIT_MS: '0' }).ended).code).toBe(120);
    const record = (await world.result())?.record;
    expect(record?.executors).toEqual([]);
    expect(record?.error).toMatchObject({ kind: 'input', subject: 's3://data/0', transient: true });
    expect(record?.error?.message).toMatch(
      /^Input 1 of 1 s3:\/\/data\/0 could not be read: ENOSPC: no space left on device: 6\.3 MB are needed/,
    );
  });

  test('inputs that are larger than the whole disk fail at once, and for good', async () => {
    await submit(9, 9);
    const { code } = await startOnSmallDisk(1, { BATCHWELL_DISK_WAIT_MS: '600000' }).ended;
    expect(code).toBe(120);
    const error = (await world.result())?.record.error;
    expect(error?.transient).toBeUndefined();
    expect(error?.message).toContain(
      `ENOSPC: the inputs need at least 18.9 MB, but the file system of ${disk} has 16.8 MB in total`,
    );
  });

  test('a command that fills the disk itself ends with its own exit code', async () => {
    await world.submit(
      emptyTask({
        executors: [command(`head -c 40m /dev/zero > ${disk}/x || exit 9`, world.folder)],
      }),
    );
    expect((await startOnSmallDisk(1, {}).ended).code).toBe(9);
    expect((await world.result())?.record).toMatchObject({ executors: [{ exitCode: 9 }] });
    expect((await world.result())?.record.error).toBeUndefined();
  });
});

test('the sizes of files that wait for their turn are asked for once a large file is there', async () => {
  await world.s3.put('data/large', Buffer.alloc(65 * MIB));
  await world.s3.put('data/small', Buffer.alloc(MIB));
  const inputs = Array.from({ length: 25 }, (_, at) => ({
    kind: 'file' as const,
    name: '',
    url: at === 0 ? 's3://data/large' : 's3://data/small',
    path: `${world.folder}/${at}`,
  }));
  let heads = 0;
  let parts = 0;
  world.s3.fault = (request) => {
    if (request.method === 'HEAD') heads += 1;
    if (request.headers.range !== undefined) parts += 1;
    return false;
  };
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'local');
  vi.stubEnv('AWS_ENDPOINT_URL_S3', world.s3.url);
  const s3 = openS3(process.env);
  const totalBytes = 85 * MIB;
  const room = openRoom({
    waitMs: 600_000,
    onWait: () => undefined,
    look: () => Promise.resolve({ device: 1, totalBytes, freeBytes: totalBytes }),
  });
  try {
    const outcome = await fetchInputs(s3, inputs, room);
    expect(outcome).toMatchObject({
      error: { message: expect.stringContaining('ENOSPC: the inputs need at least') },
    });
    expect(heads).toBe(9);
    expect(parts).toBe(0);
  } finally {
    s3.destroy();
    vi.unstubAllEnvs();
  }
});
