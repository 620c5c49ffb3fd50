import { escapePath, unescapePath } from '../../core/files/path-pattern.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseTesTask, type AcceptableTask } from '../../core/task/parse-task.ts';

const executor = { image: 'alpine', command: ['true'] };
const output = { path: '/out', url: 's3://bucket/out' };
const parse = (task: object) =>
  parseTesTask(
    { executors: [executor], ...task },
    { cache: 'off', fileRoots: ['/mnt', '/data', '/srv'] },
  );

function accepted(task: object): AcceptableTask {
  const read = parse(task);
  if ('problems' in read) throw new Error(`refused: ${JSON.stringify(read.problems)}`);
  return read;
}

function refused(task: object): Record<string, string> {
  const read = parse(task);
  if (!('problems' in read)) throw new Error('accepted');
  return Object.fromEntries(read.problems.map(({ field, expected }) => [field, expected]));
}

describe('parseTesTask accepts what clients send', () => {
  test('a minimal task gets one vCPU, 2 GiB and no queue of its own', () => {
    expect(accepted({}).task).toEqual({
      name: '',
      description: '',
      tags: {},
      cache: 'off',
      profile: 'generic',
      spec: {
        inputs: [],
        outputs: [],
        volumes: [],
        executors: [executor],
        resources: { cpu_cores: 1, ram_gb: 2, disk_gb: 10, preemptible: false },
      },
    });
  });

  test('a null counts as absent, and unknown fields are ignored', () => {
    const task = {
      id: null,
      state: null,
      name: null,
      description: null,
      inputs: null,
      outputs: null,
      volumes: null,
      resources: null,
      logs: null,
      creation_time: null,
      future: { field: 1 },
      tags: { root: 'r', parent_workflow_id: null },
      executors: [
        { ...executor, workdir: null, stdin: null, stdout: '', env: null, ignore_error: null },
      ],
    };
    expect(accepted(task).task).toMatchObject({
      tags: { root: 'r' },
      spec: { executors: [executor] },
    });
  });

  test.each(readdirSync(new URL('../fixtures/cromwell', import.meta.url)))(
    'a task as Cromwell sends it is accepted: %s',
    (file) => {
      const task = JSON.parse(
        readFileSync(new URL(`../fixtures/cromwell/${file}`, import.meta.url), 'utf8'),
      ) as object;
      expect(accepted(task).task.spec.executors).toHaveLength(1);
    },
  );

  test('resources may be numbers as strings, as @elixir-cloud/tes sends them, and other strings are refused', () => {
    expect(
      accepted({ resources: { cpu_cores: '3', ram_gb: '0.5', disk_gb: '0' } }).task.spec.resources,
    ).toMatchObject({ cpu_cores: 3, ram_gb: 0.5, disk_gb: 10 });
    for (const cpu_cores of ['', ' 1', '1e3', '0x1', '-1', '9999', 'one'])
      expect(Object.keys(refused({ resources: { cpu_cores } }))).toEqual(['resources.cpu_cores']);
  });

  test('zero resources count as not set, and fractions of a vCPU are rounded up', () => {
    expect(
      accepted({ resources: { cpu_cores: 0, ram_gb: 0, disk_gb: 0 } }).task.spec.resources,
    ).toMatchObject({ cpu_cores: 1, ram_gb: 2, disk_gb: 10 });
    expect(
      accepted({ resources: { cpu_cores: 1.5, ram_gb: 0.5 } }).task.spec.resources,
    ).toMatchObject({ cpu_cores: 2, ram_gb: 0.5 });
  });

  test.each([
    [{ url: 's3://bucket/dir/', path: '/d' }, 'DIRECTORY', '/d'],
    [{ url: 's3://bucket/dir/', path: '/d', type: 'FILE' }, 'DIRECTORY', '/d'],
    [{ url: 's3://bucket/dir', path: '/d/' }, 'DIRECTORY', '/d'],
    [{ url: 's3://bucket/f', path: '//d/./f' }, 'FILE', '/d/f'],
    [{ url: '/mnt/f', path: '/f' }, 'FILE', '/f'],
    [{ url: 'file:///mnt/f', path: '/f', type: '' }, 'FILE', '/f'],
    [{ url: 'https://example.org/a b', path: '/f' }, 'FILE', '/f'],
  ])('the input %j is a %s at %s', (input, type, path) => {
    expect(accepted({ inputs: [input] }).task.spec.inputs).toEqual([
      { url: input.url, path, type },
    ]);
  });

  test('content takes precedence over a URL unless it is empty', () => {
    const inputs = [
      { url: 'nonsense', path: '/a', content: 'x' },
      { url: 's3://bucket/b', path: '/b', content: '' },
      { path: '/c', content: '' },
    ];
    expect(accepted({ inputs }).task.spec.inputs).toEqual([
      { path: '/a', type: 'FILE', content: 'x' },
      { path: '/b', type: 'FILE', url: 's3://bucket/b' },
      { path: '/c', type: 'FILE', content: '' },
    ]);
  });

  test('a path_prefix is kept for a path with wildcards and dropped for any other', () => {
    const outputs = [
      { path: '/out/*.txt', path_prefix: '/out', url: 's3://bucket' },
      { path: '/a', path_prefix: '/', url: 's3://bucket/a' },
    ];
    expect(accepted({ outputs }).task.spec.outputs).toEqual([
      { path: '/out/*.txt', path_prefix: '/out', url: 's3://bucket', type: 'FILE' },
      { path: '/a', url: 's3://bucket/a', type: 'FILE' },
    ]);
  });

  test('keys such as __proto__ are plain data', () => {
    const task = JSON.parse(
      '{"tags": {"__proto__": "x", "constructor": "y"}, "executors": [{"image": "a", "command": ["b"], "env": {"__proto__": "z"}}]}',
    ) as object;
    const { task: read } = accepted(task);
    expect(Object.entries(read.tags)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(Object.entries(read.spec.executors[0]?.env ?? {})).toEqual([['__proto__', 'z']]);
  });
});

const withParameters = (backend_parameters: object, more: object = {}) => ({
  outputs: [output],
  resources: { backend_parameters, ...more },
});

describe('backend parameters', () => {
  test('known backend parameters ignore case, and unknown ones are dropped with a warning', () => {
    const { task, warnings } = accepted(
      withParameters({
        QUEUEARN: 'fast',
        JobTimeout: '120',
        Cache: 'readwrite',
        VmSize: 'big',
        vmsize: null,
      }),
    );
    expect(task.cache).toBe('readwrite');
    expect(task.spec.resources).toMatchObject({
      queue: 'fast',
      timeout_seconds: 120,
      backend_parameters: { queueArn: 'fast', jobTimeout: '120', cache: 'readwrite' },
    });
    expect(warnings).toEqual([expect.stringContaining('"VmSize"')]);
  });

  test('unknown backend parameters are refused if backend_parameters_strict is true', () => {
    expect(refused(withParameters({ VmSize: 'big' }, { backend_parameters_strict: true }))).toEqual(
      { 'resources.backend_parameters.VmSize': expect.stringContaining('queueArn') },
    );
  });

  test('every wrong value of a backend parameter is reported', () => {
    const fields = refused(
      withParameters({
        queue: 'no such queue!',
        timeout: '5',
        cache: 'maybe',
        missing_outputs: 'hide',
      }),
    );
    expect(Object.keys(fields).toSorted()).toEqual(
      ['cache', 'missing_outputs', 'queue', 'timeout'].map(
        (name) => `resources.backend_parameters.${name}`,
      ),
    );
  });

  test('the cache mode comes from the parameter, else the tag, else the default; without outputs it is off', () => {
    const tags = { 'batchwell.cache': 'read' };
    expect(accepted({ ...withParameters({ cache: 'refresh' }), tags }).task.cache).toBe('refresh');
    expect(accepted({ ...withParameters({}), tags }).task.cache).toBe('read');
    expect(
      parseTesTask({ executors: [executor], outputs: [output] }, { cache: 'write' }),
    ).toMatchObject({ task: { cache: 'write' } });
    expect(accepted({ tags }).task.cache).toBe('off');
    expect(refused({ tags: { 'batchwell.cache': 'sometimes' } })).toHaveProperty(
      'tags["batchwell.cache"]',
    );
  });
});

describe('parseTesTask reports all problems at once', () => {
  test('a task with many errors is refused with all of them at once', () => {
    const fields = refused({
      name: 5,
      tags: { '': 'x', long: 'x'.repeat(256), list: [] },
      inputs: [
        { path: 'relative', url: 's3://bucket/f' },
        { path: '/a/../b', url: 'gs://bucket/f' },
        'text',
        { path: '/c' },
        { path: '/d', url: 's3://Bucket/f' },
        { path: '/e', url: 's3://bucket', type: 'SOCKET' },
      ],
      outputs: [
        { path: '/o/*', url: 's3://bucket/' },
        { path: '/o' },
        { path: '/p', url: 'https://example.org/f' },
      ],
      executors: [
        { image: '', command: [] },
        { image: 'a b', command: ['x', null], env: { '1X': 'v', OK: 7 }, stdout: 'out' },
      ],
      resources: { cpu_cores: -1, ram_gb: 'much', disk_gb: 1e9, preemptible: 'yes' },
      volumes: ['/v', 'w', '/'],
    });
    expect(Object.keys(fields).toSorted()).toEqual(
      [
        'name',
        'tags[""]',
        'tags.long',
        'tags.list',
        'inputs[0].path',
        'inputs[1].path',
        'inputs[1].url',
        'inputs[2]',
        'inputs[3].url',
        'inputs[4].url',
        'inputs[5].type',
        'inputs[5].url',
        'outputs[0].path_prefix',
        'outputs[1].url',
        'outputs[2].url',
        'executors[0].image',
        'executors[0].command',
        'executors[1].image',
        'executors[1].command[1]',
        'executors[1].env["1X"]',
        'executors[1].env.OK',
        'executors[1].stdout',
        'resources.cpu_cores',
        'resources.ram_gb',
        'resources.disk_gb',
        'resources.preemptible',
        'volumes[1]',
        'volumes[2]',
      ].toSorted(),
    );
  });

  test.each([[null], ['text'], [[]], [7]])('the body %j is not a task', (body) => {
    expect(parseTesTask(body, { cache: 'off' })).toEqual({
      problems: [expect.objectContaining({ expected: 'an object' })],
    });
  });

  test('a task without executors is refused', () => {
    for (const executors of [undefined, null, []])
      expect(refused({ executors })).toEqual({ executors: 'at least one executor' });
  });

  test('a NUL or half a surrogate pair is refused in every text', () => {
    expect(
      Object.keys(
        refused({
          name: 'a\0',
          executors: [{ image: 'a', command: ['x\0'], env: { A: '\ud800' } }],
        }),
      ),
    ).toEqual(['name', 'executors[0].command[0]', 'executors[0].env.A']);
  });

  test('the value of a variable is never shown in a problem', () => {
    const read = parse({ executors: [{ ...executor, env: { SECRET: 'hush\0' } }] });
    expect(JSON.stringify(read)).not.toContain('hush');
  });

  test('content may have at most 128 KiB', () => {
    expect(
      accepted({ inputs: [{ path: '/a', content: 'é'.repeat(65_536) }] }).task.spec.inputs,
    ).toHaveLength(1);
    expect(refused({ inputs: [{ path: '/a', content: `${'é'.repeat(65_536)}x` }] })).toEqual({
      'inputs[0].content': expect.stringContaining('131072'),
    });
  });

  test('two inputs may share a path only if they are the same', () => {
    const same = { path: '/a', url: 's3://bucket/a' };
    expect(accepted({ inputs: [same, same] }).task.spec.inputs).toHaveLength(2);
    const folder = { path: '/d', url: 's3://bucket/d', type: 'DIRECTORY' };
    accepted({ inputs: [folder, { ...folder, url: 's3://bucket/d/' }] });
    for (const other of [
      { ...same, url: 's3://bucket/b' },
      { path: '/a', content: 'x' },
    ])
      expect(refused({ inputs: [same, other] })).toEqual({
        'inputs[1].path': expect.stringContaining('inputs[0].path') as string,
      });
    expect(refused({ inputs: [same, { ...same, type: 'DIRECTORY' }] })).toEqual({
      'inputs[1].path': expect.stringContaining(
        'one is a FILE and the other a DIRECTORY',
      ) as string,
    });
  });

  test('two outputs may share a URL only if they are the same file, or patterns', () => {
    const one = { path: '/1', url: 's3://bucket/o' };
    accepted({ outputs: [one, one] });
    accepted({
      outputs: ['a', 'b'].map((path) => ({ ...one, path: `/${path}*`, path_prefix: '/' })),
    });
    expect(refused({ outputs: [one, { ...one, path: '/2' }] })).toEqual({
      'outputs[1].url': expect.stringContaining('outputs[0].url') as string,
    });
  });

  test.each([
    ['/out/s\\[1\\].txt', '/out/s[1].txt'],
    ['/out/\\*\\?\\\\', '/out/*?\\'],
    ['/out/a\\b', '/out/a\\b'],
    ['/out/a[b', '/out/a[b'],
    ['/out/[a/b]', '/out/[a/b]'],
  ])('the output path %s has no wildcards and names %s', (path, name) => {
    const { outputs } = accepted({ outputs: [{ path, url: 's3://bucket/o' }] }).task.spec;
    expect(outputs).toEqual([{ path: name, url: 's3://bucket/o', type: 'FILE' }]);
    expect(unescapePath(escapePath(name))).toBe(name);
  });

  test.each(['/out/s\\[1\\]/', '/out/s[1]/', '/out/'])(
    'the path_prefix %s of a pattern with escapes may be given with or without them',
    (prefix) => {
      const output = { path: '/out/s\\[1\\]/*.t', path_prefix: prefix, url: 's3://bucket/o' };
      expect(accepted({ outputs: [output] }).task.spec.outputs[0]?.path_prefix).toBe(
        prefix.replaceAll('\\', ''),
      );
    },
  );
});

test('executors with different images are refused, because a task runs in one container', () => {
  const read = parse({ executors: [executor, { ...executor, image: 'other' }] });
  expect(read).toMatchObject({ problems: [{ field: 'executors[1].image' }] });
});
