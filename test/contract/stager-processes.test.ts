/**
 * Processes that a command leaves behind are ended before its outputs are read, however they left it.
 * Each story runs where the stager shares its processes with others, and in a PID namespace of the
 * task's own, as in a container.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { command, emptyTask, makeWorld, useBuiltStager, type World } from './stager-world.ts';

// A graceful end takes seconds, and a busy machine more.
vi.setConfig({ testTimeout: 30_000 });

const stager = useBuiltStager();
let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const BUBBLEWRAP =
  'bwrap --bind / / --dev /dev --proc /proc --unshare-pid --die-with-parent --'.split(' ');
const hasNamespaces = spawnSync('bwrap', [...BUBBLEWRAP.slice(1), 'true']).status === 0;
const hosts = [
  { where: 'among other processes', around: [] as string[] },
  ...(hasNamespaces ? [{ where: 'in a PID namespace of the task', around: BUBBLEWRAP }] : []),
];

/** Ways in which a child leaves its parent: none of them has the command's session, parents and variables. */
const WAYS = {
  plain: '"$@" &',
  nohup: 'nohup "$@" >/dev/null 2>&1 &',
  'own session': 'setsid "$@" &',
  'double fork': '(setsid "$@" >/dev/null 2>&1 &) &',
  // Among other processes only its parents tell whose it is: they are looked at every half second.
  'without variables': 'env -i setsid "$@" & sleep 1.2',
};

describe.each(hosts)('$where', ({ around }) => {
  const run = (env = {}) => world.start([...around, ...stager], env).ended;
  const within = (script: string, more: object = {}) => command(script, world.folder, more);

  test('a child that goes on printing loses no line of stdout that was printed before, and is named', async () => {
    await world.submit(
      emptyTask({
        executors: [
          within(
            '(while :; do echo 0123456789012345678901234567890123456789; done) & sleep 0.4; echo main done',
          ),
        ],
      }),
    );
    expect((await run()).code).toBe(0);
    const { record } = (await world.result())!;
    expect(record.warnings).toEqual([
      expect.stringMatching(
        /^Executor 0 ended while processes that it had started were running: sh\. They were ended\.$/,
      ),
    ]);
    const log = (await world.log('0.stdout')) ?? '';
    expect(log.length).toBeGreaterThan(1_048_576);
    expect(log).toContain('\nmain done\n');
    // Nothing is cut within.
    expect(new Set(log.split('\n').slice(0, -1))).toEqual(
      new Set(['0123456789012345678901234567890123456789', 'main done']),
    );
  });

  test.each(Object.entries(WAYS))(
    'a child with the way out "%s" neither writes to outputs nor is seen by the next executor',
    async (_, way) => {
      const busy = `while :; do date +%N >"$1/written"; done`;
      await world.submit(
        emptyTask({
          executors: [
            within(
              `set -- sh -c '${busy}' left-behind "$PWD"; ${way}\nuntil [ -s written ]; do :; done`,
            ),
            within(
              'for one in /proc/[0-9]*/cmdline; do tr "\\0" " " <"$one" 2>/dev/null | grep -F left-behind | grep -v "for one" | grep -F "$PWD"; done; cat written >first; sleep 0.1; cat written >second',
            ),
          ],
          outputs: [
            { url: 's3://out/first', path: `${world.folder}/first`, type: 'FILE' },
            { url: 's3://out/second', path: `${world.folder}/second`, type: 'FILE' },
          ],
        }),
      );
      expect((await run()).code).toBe(0);
      const { record } = (await world.result())!;
      expect(record.warnings).toEqual([expect.stringContaining('They were ended.')]);
      expect(await world.log('1.stdout')).toBeUndefined();
      expect(await world.s3.text('out/second')).toBe(await world.s3.text('out/first'));
    },
  );

  test('a child that ends soon by itself is waited for, and nobody hears of it', async () => {
    await world.submit(
      emptyTask({ executors: [within('(sleep 0.2; echo last words) & echo first')] }),
    );
    expect((await run()).code).toBe(0);
    expect(await world.log('0.stdout')).toBe('first\nlast words\n');
    expect((await world.result())?.record.warnings).toBeUndefined();
  });

  test('a child may save its work on SIGTERM, and one that ignores it is killed', async () => {
    await world.submit(
      emptyTask({
        executors: [
          within(`sh -c 'trap "echo saved >saved; exit" TERM; : >ready; while :; do sleep 0.05; done' &
            setsid sh -c 'trap "" TERM; while :; do sleep 0.05; done' &
            until [ -e ready ]; do :; done`),
        ],
        outputs: [{ url: 's3://out/saved', path: `${world.folder}/saved`, type: 'FILE' }],
      }),
    );
    expect((await run()).code).toBe(0);
    expect(await world.s3.text('out/saved')).toBe('saved\n');
    expect((await world.result())?.record.warnings).toEqual([
      expect.stringMatching(/running: (sh \(2\)|sh).*They were ended\.$/),
    ]);
  });

  test('a SIGTERM ends children with a session of their own too', async () => {
    await world.submit(
      emptyTask({
        executors: [
          within(
            "setsid sh -c 'echo $$ >pid; exec sleep 600' & until [ -s pid ]; do :; done; : >ready; wait",
          ),
        ],
      }),
    );
    const running = world.start([...around, ...stager], { BATCHWELL_LIVE_LOGS_MS: '0' });
    await until(() =>
      readFile(`${world.folder}/ready`).then(
        () => true,
        () => false,
      ),
    );
    const alive = processesWith('600').length;
    expect(alive).toBeGreaterThan(0);
    if (around.length === 0) running.child.kill('SIGTERM');
    else process.kill(stagerBelow(running.child.pid ?? 0), 'SIGTERM');
    expect((await running.ended).code).toBe(143);
    expect(processesWith('600')).toHaveLength(0);
  });
});

test.skipIf(!hasNamespaces)(
  'a child that forks faster than anybody looks is ended where the namespace is the task’s',
  async () => {
    await world.submit(
      emptyTask({
        executors: [
          command(
            `setsid sh -c 'trap "" TERM; hop() { date +%N >hops; ( hop & ) ; exit; }; hop' & until [ -s hops ]; do :; done`,
            world.folder,
          ),
          command('cat hops >first; sleep 0.1; cat hops >second; cmp first second', world.folder),
        ],
      }),
    );
    expect((await world.start([...BUBBLEWRAP, ...stager]).ended).code).toBe(0);
  },
);

test('processes of others are left alone, also those that were started meanwhile or for the same job', async () => {
  const strangers = [
    spawn('sleep', ['601'], { detached: true, stdio: 'ignore' }),
    spawn('sleep', ['601'], { stdio: 'ignore', env: { AWS_BATCH_JOB_ID: 'job-1' } }),
  ];
  onTestFinished(async () => {
    for (const stranger of strangers) {
      const gone = once(stranger, 'exit');
      if (stranger.kill('SIGKILL')) await gone;
    }
  });
  await world.submit(
    emptyTask({
      executors: [command(': >ready; until [ -e go ]; do :; done; sleep 602 &', world.folder)],
    }),
  );
  const running = world.start(stager);
  await until(() =>
    readFile(`${world.folder}/ready`).then(
      () => true,
      () => false,
    ),
  );
  strangers.push(spawn('setsid', ['sleep', '601'], { stdio: 'ignore' }));
  spawnSync('touch', [`${world.folder}/go`]);
  expect((await running.ended).code).toBe(0);
  expect((await world.result())?.record.warnings).toEqual([
    expect.stringContaining(': sleep. They were ended.'),
  ]);
  expect(strangers.map(({ exitCode, signalCode }) => [exitCode, signalCode])).toEqual(
    strangers.map(() => [null, null]),
  );
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Those whose command line contains the text, and that run in the folder of this test. */
function processesWith(text: string): number[] {
  const { stdout } = spawnSync(
    'sh',
    [
      '-c',
      'for one in /proc/[0-9]*; do [ "$(readlink "$one/cwd")" = "$1" ] && grep -qzF "$2" "$one/cmdline" && echo "${one#/proc/}"; done; true',
      'sh',
      world.folder,
      text,
    ],
    { encoding: 'utf8' },
  );
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** The stager itself: bubblewrap would end everything at once. */
function stagerBelow(pid: number): number {
  const { stdout } = spawnSync('sh', ['-c', 'cat /proc/[0-9]*/stat 2>/dev/null'], {
    encoding: 'utf8',
  });
  const parents = new Map(
    stdout.split('\n').flatMap((line) => {
      const parts = /^(\d+) \((.*)\) \S (\d+)/.exec(line);
      return parts ? [[Number(parts[3]), Number(parts[1])] as const] : [];
    }),
  );
  const init = parents.get(pid) ?? 0;
  return parents.get(init) ?? 0;
}
