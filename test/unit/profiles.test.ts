// cspell:ignore SBATCH gres
import { describe, expect, test } from 'vitest';
import { parseTesTask } from '../../core/task/parse-task.ts';
import { mapPath, readPathMap } from '../../core/files/path-map.ts';
import { profiles } from '../../core/profiles/profiles.ts';
import { cromwellTask, fixtures, workOf, type CromwellTask } from '../cromwell.ts';
import { cromwellCall, fingerprintOfTask, folderOf, parse } from './profile-world.ts';

describe('Cromwell', () => {
  test.each(fixtures)(
    'Cromwell is recognised by the shape of %s, and the files that its script tees are not redirected again',
    (fixture) => {
      const task = parse(cromwellTask(fixture));
      expect(task.profile).toBe('cromwell');
      expect(task.spec.executors[0]).not.toHaveProperty('stdout');
      expect(task.spec.executors[0]).not.toHaveProperty('stderr');
    },
  );

  test.each(fixtures)(
    'equal calls of two workflows and of two Cromwell servers are one call: %s',
    async (fixture) => {
      const first = await cromwellCall(cromwellTask(fixture));
      const other = cromwellTask(fixture, { workflowId: '00000000-1111-4222-8333-444444444444' });
      expect(await cromwellCall(other)).toBe(first);
      const elsewhere = cromwellTask(fixture, {
        workflowId: '99999999-1111-4222-8333-444444444444',
        root: '/other/place',
      });
      expect(await cromwellCall(elsewhere)).toBe(first);
    },
  );

  describe('the canonical form of Cromwell calls', () => {
    const fixture = 's3-root';
    const base = () => cromwellTask(fixture);
    const cases: [string, () => Promise<string>][] = [
      ['another command', () => cromwellCall(base(), `${workOf(base())}\necho more`)],
      [
        'a command that names another file',
        () => cromwellCall(base(), workOf(base()).replace('greeting', 'farewell')),
      ],
      [
        'another input',
        () => cromwellCall(base(), undefined, { 's3://lab-inputs/names/who.txt': 'someone else' }),
      ],
      [
        'another image',
        () =>
          cromwellCall({
            ...base(),
            executors: base().executors.map((one) => ({ ...one, image: 'debian:11-slim' })),
          }),
      ],
      [
        'another declared output',
        () => cromwellCall({ ...base(), outputs: base().outputs.slice(0, -1) }),
      ],
      [
        'hex in the command that looks like a temporary folder',
        () => cromwellCall(base(), `${workOf(base())}\necho tmp.0123abcd`),
      ],
      ['other hex there', () => cromwellCall(base(), `${workOf(base())}\necho tmp.4567abcd`)],
    ];
    const piece = (task: CromwellTask): string => String(task.tags['workflow_id']).slice(0, 8);
    const saying = (text: (task: CromwellTask) => string): Promise<string> =>
      cromwellCall(base(), `${workOf(base())}\necho ${text(base())}`);
    test.each<[string, (task: CromwellTask) => string, (task: CromwellTask) => string]>([
      [
        'the mark that replaces the call’s folder, and the folder',
        () => '⟨call⟩/x',
        (task) => `${folderOf(task)}/x`,
      ],
      ['braces, and the folder', () => '{call}/x', (task) => `${folderOf(task)}/x`],
      [
        'two temporary folders in the command itself',
        (task) => `${folderOf(task)}/tmp.0123abcd`,
        (task) => `${folderOf(task)}/tmp.4567abcd`,
      ],
      ['out, and the name of the wrapper’s fifo', () => 'out', (task) => `out${piece(task)}`],
      ['err, and the name of the wrapper’s fifo', () => 'err', (task) => `err${piece(task)}`],
      [
        'an input, and the mark that replaces it',
        (task) => task.inputs[0]?.path ?? '',
        () => '⟨call⟩/inputs/lab-inputs/names/who.txt',
      ],
      [
        'lines of the wrapper in the command itself, with other digits',
        () => ')  > "$out01234567" 2> "$err01234567"',
        () => ')  > "$out76543210" 2> "$err76543210"',
      ],
      ['characters that a replacement pattern would expand', () => '$& $1 $`', () => '$$& $$1 $$`'],
      ['line ends', () => 'a\r\nb', () => 'a\nb'],
      ['letters that look alike', () => '\u00e9', () => 'e\u0301'],
    ])('two commands that differ in this are different calls: %s', async (_, one, other) => {
      expect(await saying(one)).not.toBe(await saying(other));
    });

    test('every change that matters gives another fingerprint', async () => {
      const all = await Promise.all([cromwellCall(base()), ...cases.map(([, call]) => call())]);
      expect(new Set(all).size, cases.map(([what]) => what).join(', ')).toBe(cases.length + 1);
    });
  });

  describe('a call whose command failed is not cached', () => {
    const zero = { sizeBytes: 2, crc64nvme: 'wUU2gGmYNtE=', etag: '' };
    const other = { sizeBytes: 2, crc64nvme: 'AAAAAAAAAAA=', etag: '' };
    const mayCache = (
      fixture: string,
      rc: string,
      files: { name: string; path: string; held: typeof zero }[],
    ) => {
      const { spec } = parse(cromwellTask(fixture));
      const outputs = files.map(({ name, path, held }) => ({
        output: spec.outputs.findIndex((output) => output.name === name),
        path,
        ...held,
      }));
      expect(
        outputs.every(({ output }) => output !== -1),
        rc,
      ).toBe(true);
      return profiles.cromwell.mayCache?.(spec, {
        startedMs: 1,
        endedMs: 2,
        executors: [],
        missingOutputs: [],
        outputs,
      });
    };
    const rc = (held: typeof zero) => ({ name: 'rc', path: '', held });
    const inRoot = (path: string, held: typeof zero) => ({
      name: 'execution.dir.output',
      path,
      held,
    });
    test.each([
      ['rc 0', 's3-root', [rc(zero)], true],
      ['another rc', 's3-root', [rc(other)], false],
      ['no rc', 's3-root', [], false],
      [
        'another rc, and a file of that name among its own',
        'granular-glob-root-workflow',
        [rc(other), { name: 'globDir.1', path: 'rc', held: zero }],
        false,
      ],
      [
        'rc 0, and a file of that name among its own',
        'granular-glob-root-workflow',
        [rc(zero), { name: 'globDir.1', path: 'rc', held: other }],
        true,
      ],
      [
        'rc 0 in the whole folder',
        'output-mode-root-nulls',
        [inRoot('rc', zero), inRoot('sub/rc', other)],
        true,
      ],
      [
        'another rc in the whole folder',
        'output-mode-root-nulls',
        [inRoot('rc', other), inRoot('sub/rc', zero)],
        false,
      ],
    ])('a Cromwell run is cached only with rc 0: %s', (what, fixture, files, may) =>
      expect(mayCache(fixture, what, files)).toBe(may),
    );
  });

  test('a task that only names the Cromwell profile keeps its stdout and may be sent twice', () => {
    const named = parse({
      tags: { 'batchwell.profile': 'cromwell', workflow_id: 'mine' },
      description: 'twice on purpose',
      executors: [{ image: 'a', command: ['b'], stdout: '/out/log' }],
      outputs: [{ url: 's3://lab/log', path: '/out/log' }],
    });
    expect(named.spec.executors[0]?.stdout).toBe('/out/log');
    expect(profiles.cromwell.requestName?.(named)).toBeUndefined();
    expect(profiles.cromwell.requestName?.(parse(cromwellTask('s3-root')))).toContain(
      'BackendJobDescriptorKey_',
    );
  });
});

describe('Nextflow', () => {
  const work = (hash: string) => `s3://bucket/work/${hash}`;
  const task = (hash: string) => ({
    name: 'align (1)',
    inputs: ['.command.run', '.command.sh', 'reads.fq'].map((name) => ({
      url: `${work(hash)}/${name}`,
      path: `/work/${name}`,
    })),
    outputs: ['.command.out', '.exitcode', 'out.bam'].map((name) => ({
      url: `${work(hash)}/${name}`,
      path: `/work/${name}`,
    })),
    executors: [{ image: 'quay.io/x:1', command: ['/bin/bash', '.command.run'], workdir: '/work' }],
  });
  const wrapper = (hash: string, name: string, env = 'A=1') =>
    `#!/bin/bash\n### ---\n### name: '${name}'\n### ---\n# NEXTFLOW TASK: ${name}\nset -e\nexport ${env}\nNXF_TASK_WORKDIR="${work(hash)}"\nbash .command.sh\n`;
  const callOf = (
    made: object,
    text: string,
    held: Record<string, string> = {},
  ): Promise<string> => {
    const parsed = parse(made);
    expect(parsed.profile).toBe('nextflow');
    return fingerprintOfTask(parsed, { [parsed.spec.inputs[0]?.url ?? '']: text, ...held });
  };
  const call = (hash: string, name: string, env?: string): Promise<string> =>
    callOf(task(hash), wrapper(hash, name, env));
  const [one, two] = ['ab/0123456789abcdef0123456789abcd', 'cd/fedcba9876543210fedcba98765432'];
  const [a, b] = ['11/0123456789abcdef0123456789abcd', '22/0123456789abcdef0123456789abcd'];
  const withInputs = (hash: string, inputs: object[]) => ({
    ...task(hash),
    inputs: [...task(hash).inputs, ...inputs],
  });

  test('a Nextflow task is recognised, and its task of another run in another work folder is the same call', async () => {
    expect(await call(two, 'align (1)')).toBe(await call(one, 'align (1)'));
  });

  test('replicates, which only their numbers tell apart, are two calls, also where the wrapper does not say the number', async () => {
    expect(await call(two, 'sim (2)')).not.toBe(await call(one, 'sim (1)'));
    const named = (hash: string, name: string) =>
      callOf({ ...task(hash), name }, wrapper(hash, 'sim'));
    expect(await named(two, 'sim (2)')).not.toBe(await named(one, 'sim (1)'));
    expect(await named(two, 'sim (1)')).toBe(await named(one, 'sim (1)'));
  });

  test.each(['#SBATCH --gres=gpu:1\n', 'NXF_CHDIR=/elsewhere\n', 'export B=1\n'])(
    'every line at the top of the wrapper counts: %j',
    async (line) => {
      const led = (text: string) =>
        callOf(task(one), wrapper(one, 'x').replace('### ---\n', `### ---\n${text}`));
      expect(await led(line)).not.toBe(await led(''));
    },
  );

  test.each(['readlink n.txt', 'ls -l', 'env', 'echo $NXF_TASK_WORKDIR', 'cat .command.run'])(
    'a call whose own script may show its work folder is compared as it is: %s',
    async (command) => {
      const shown = (hash: string) =>
        callOf(task(hash), wrapper(hash, 'x'), { [`${work(hash)}/.command.sh`]: command });
      expect(await shown(two)).not.toBe(await shown(one));
    },
  );

  test('inputs with one name from two work folders stay two inputs and cannot be swapped', async () => {
    const staged = (
      first: string,
      second: string,
      held: Record<string, string>,
    ): Promise<string> => {
      const links = `ln -s /bucket/work/${first}/n.txt 1.txt\nln -s /bucket/work/${second}/n.txt 2.txt\n`;
      return callOf(
        withInputs(
          one,
          [a, b].map((hash) => ({
            url: `${work(hash)}/n.txt`,
            path: `/bucket/work/${hash}/n.txt`,
          })),
        ),
        wrapper(one, 'x') + links,
        held,
      );
    };
    const held = (x: string, y: string) => ({ [`${work(a)}/n.txt`]: x, [`${work(b)}/n.txt`]: y });
    const all = [
      await staged(a, b, held('x', 'y')),
      await staged(b, a, held('x', 'y')),
      await staged(a, b, held('z', 'y')),
      await staged(a, b, held('x', 'z')),
    ];
    expect(new Set(all).size).toBe(4);
  });

  test('the pipeline’s own programs are recognised in the folder of another run', async () => {
    const bin = (hash: string, tmp: string) =>
      callOf(
        withInputs(hash, [
          {
            url: `s3://bucket/work/tmp/${tmp}/bin/tool.py`,
            path: `/bucket/work/tmp/${tmp}/bin/tool.py`,
          },
        ]),
        `${wrapper(hash, 'x')}cp -r /bucket/work/tmp/${tmp}/bin/* $PWD/nextflow-bin/\n`,
      );
    expect(await bin(two, b)).toBe(await bin(one, a));
  });

  test.each([
    [
      'a data store whose files are named like Nextflow’s folders',
      (hash: string) => `MODEL=s3://cache/files/md5/${hash}`,
    ],
    [
      'a file beside an input, whose content is not compared',
      (hash: string) => `MORE=s3://bucket/work/${hash}/beside.txt`,
    ],
    [
      'the same folder in another bucket',
      (hash: string) => `MORE=s3://copies/bucket/work/${hash}/n.txt`,
    ],
  ])('two environments that name different things are different calls: %s', async (_, env) => {
    const reading = (hash: string) =>
      callOf(
        withInputs(one, [{ url: `${work(hash)}/n.txt`, path: '/work/n.txt' }]),
        wrapper(one, 'x', env(hash)),
      );
    expect(await reading(a)).not.toBe(await reading(b));
  });

  test('every character of the user’s own script counts, including its first line', async () => {
    const script = (text: string) =>
      callOf(task(one), wrapper(one, 'x'), { [`${work(one)}/.command.sh`]: text });
    const all = await Promise.all(
      [
        '#!/bin/bash -ue\ntrue\n',
        '#!/usr/bin/env python\ntrue\n',
        '#!/bin/bash -ue\n# note\ntrue\n',
      ].map(script),
    );
    expect(new Set(all).size).toBe(3);
  });

  test('a line further down that looks like a comment counts', async () => {
    const say = (line: string): Promise<string> =>
      callOf(task(one), `${wrapper(one, 'x')}cat <<X\n# ${line}\nX\n`);
    expect(await say('a')).not.toBe(await say('b'));
  });

  test('a call with another environment in the wrapper is another call', async () => {
    expect(await call(one, 'align (1)', 'A=2')).not.toBe(await call(one, 'align (1)'));
  });
});

test('a profile can be named by a tag, and an unknown name is refused', () => {
  const task = { executors: [{ image: 'a', command: ['b'] }] };
  expect(parse({ ...task, tags: { 'batchwell.profile': 'pulsar' } }).profile).toBe('pulsar');
  expect(parse(task).profile).toBe('generic');
  expect(parse({ ...task, name: 'snakejob.align' }).profile).toBe('snakemake');
  expect(
    parseTesTask({ ...task, tags: { 'batchwell.profile': 'pulser' } }, { cache: 'off' }),
  ).toMatchObject({ problems: [{ field: 'tags["batchwell.profile"]' }] });
});

test('Pulsar, which treats QUEUED as failed, sees INITIALIZING', () => {
  expect(profiles.pulsar.showState?.('QUEUED')).toBe('INITIALIZING');
  expect(profiles.pulsar.showState?.('COMPLETE')).toBe('COMPLETE');
});

describe('paths of a client’s file system', () => {
  const map = readPathMap(['/mnt=s3://aaa/b/', '/mnt/deep=s3://ccc', '/=s3://all']);
  test.each([
    ['/mnt/x', 's3://aaa/b/x'],
    ['file:///mnt/x y', 's3://aaa/b/x y'],
    ['/mnt/deep/x/', 's3://ccc/x/'],
    ['/mnt', 's3://aaa/b'],
    ['/mntx', 's3://all/mntx'],
    ['s3://o/k', 's3://o/k'],
    ['http://h/mnt/x', 'http://h/mnt/x'],
  ])('the path %s is mapped to %s', (path, url) => expect(mapPath(path, map)).toBe(url));

  test.each([['mnt=s3://aaa'], ['/mnt=aaa'], ['/mnt'], ['/mnt=http://aaa']])(
    'the mapping %s is refused',
    (item) => expect(() => readPathMap([item])).toThrow(JSON.stringify(item)),
  );
});
