/**
 * Pairs of tasks and whether they are one call. A call that cannot be cached is never the same as another one.
 * Pairs of images, and of numbers beyond 2^53, are tested where those are read.
 */
// cspell:ignore plumless Cmhg
import { describe, expect, test } from 'vitest';
import { expandScatter } from '../../core/scatter/scatter.ts';
import {
  fingerprintOfNew,
  fingerprintOfSent,
  type Bucket,
  type Looks,
} from './fingerprint-world.ts';

const A = 's3://bkt/a';
const plain = {
  name: 't',
  inputs: [{ url: A, path: '/in/a' }] as object[],
  outputs: [{ url: 's3://bkt/out', path: '/out/x' }] as object[],
  executors: [{ image: 'debian:12', command: ['sh', '-c', 'cat /in/a > /out/x'] }] as object[],
};
const executor = { image: 'debian:12', command: ['sh', '-c', 'cat /in/a > /out/x'] };
const HELLO: Bucket = { [A]: { body: 'hello' } };

interface Side extends Looks {
  task: object;
}
const sent = (task: object, bucket: Bucket = HELLO): Side => ({ task, bucket });
const base = sent(plain);
const changed = (change: object, bucket?: Bucket): Side => sent({ ...plain, ...change }, bucket);
const running = (change: object): Side => changed({ executors: [{ ...executor, ...change }] });
const reading = (inputs: object[], bucket?: Bucket): Side => changed({ inputs }, bucket);
const folder = (bucket: Bucket): Side =>
  reading([{ url: 's3://bkt/d/', path: '/in/d', type: 'DIRECTORY' }], bucket);
const content = (text: string): Side => reading([{ content: text, path: '/in/a' }]);
const object = (one: Omit<Bucket[string], 'body'>, body = 'hello'): Side =>
  sent(plain, { [A]: { body, ...one } });
const backend = (parameters: object): Side =>
  changed({ resources: { backend_parameters: parameters } });

async function areOne([one, other]: readonly [Side, Side]): Promise<boolean> {
  const first = await fingerprintOfSent(one.task, one);
  return first !== undefined && first === (await fingerprintOfSent(other.task, other));
}

const file = (name: string) => ({ url: `s3://bkt/${name}`, path: `/in/${name}` });
const two = [file('a'), file('b')];
const inFolder = [
  { url: 's3://bkt/d/', path: '/in/d', type: 'DIRECTORY' },
  { url: A, path: '/in/d/1' },
];
const overlapping: Bucket = { 's3://bkt/d/1': { body: 'dir' }, [A]: { body: 'file' } };
const CRC = { crc64nvme: 'AAAAAAAAAAA=' };
/** Of `hello`, hex. */
const HELLO_CRC64NVME = '3377857006524257';
/** plumless and buckeroo are known to have one CRC32. */
const CRC32 = { crc32: 'TdPa6g==' };

describe('tasks that are not one call', () => {
  test.each<[string, Side, Side]>([
    [
      'a secret variable',
      running({ env: { API_TOKEN: 'a' } }),
      running({ env: { API_TOKEN: 'b' } }),
    ],
    [
      'where a word of the command ends',
      running({ command: ['a b'] }),
      running({ command: ['a', 'b'] }),
    ],
    ['an empty last word', running({ command: ['a', ''] }), running({ command: ['a'] })],
    ['line ends of content', content('x\r\ny'), content('x\ny')],
    ['a byte order mark', content('\uFEFFx'), content('x')],
    [
      'NFC and NFD in the command',
      running({ command: ['\u00e9'] }),
      running({ command: ['e\u0301'] }),
    ],
    [
      'NFC and NFD in a path',
      reading([{ url: A, path: '/in/\u00e9' }]),
      reading([{ url: A, path: '/in/e\u0301' }]),
    ],
    ['a space after a variable', running({ env: { A: 'x' } }), running({ env: { A: 'x ' } })],
    [
      'where a variable’s name ends',
      running({ env: { A: 'B=c' } }),
      running({ env: { A: '', B: 'c' } }),
    ],
    ['stdin', running({ stdin: '/in/a' }), base],
    ['stdout', running({ stdout: '/out/x' }), base],
    ['stderr', running({ stderr: '/out/x' }), base],
    [
      'stdout and stderr swapped',
      running({ stdout: '/out/x', stderr: '/out/y' }),
      running({ stdout: '/out/y', stderr: '/out/x' }),
    ],
    ['the working directory', running({ workdir: '/w' }), base],
    ['whether an error is ignored', running({ ignore_error: true }), base],
    [
      'the order of executors',
      changed({ executors: [executor, { ...executor, command: ['b'] }] }),
      changed({ executors: [{ ...executor, command: ['b'] }, executor] }),
    ],
    ['a volume', changed({ volumes: ['/scratch'] }), base],
    [
      'the contents of two inputs swapped',
      reading(two, { [A]: { body: '1' }, 's3://bkt/b': { body: '2' } }),
      reading(two, { [A]: { body: '2' }, 's3://bkt/b': { body: '1' } }),
    ],
    [
      'one more file in a directory',
      folder({ 's3://bkt/d/1': { body: '1' } }),
      folder({ 's3://bkt/d/1': { body: '1' }, 's3://bkt/d/2': { body: '' } }),
    ],
    [
      'the name of a file in a directory',
      folder({ 's3://bkt/d/1': { body: '1' } }),
      folder({ 's3://bkt/d/2': { body: '1' } }),
    ],
    [
      'a folder in a directory',
      folder({ 's3://bkt/d/e/f': { body: '1' } }),
      folder({ 's3://bkt/d/ef': { body: '1' } }),
    ],
    [
      'a file or a directory of one URL',
      reading([{ url: 's3://bkt/d', path: '/in/d' }], {
        's3://bkt/d': { body: '1' },
        's3://bkt/d/1': { body: '1' },
      }),
      folder({ 's3://bkt/d': { body: '1' }, 's3://bkt/d/1': { body: '1' } }),
    ],
    ['content of one size', object({}), object({}, 'hellO')],
    ['content without ETags', object({ etag: '' }), object({ etag: '' }, 'hellO')],
    [
      'content with an ETag that says nothing',
      object({ etag: '-' }),
      object({ etag: '-' }, 'hellO'),
    ],
    [
      'content with one CRC32',
      object({ etag: 'x1-2', checksums: CRC32 }, 'plumless'),
      object({ etag: 'x2-2', checksums: CRC32 }, 'buckeroo'),
    ],
    [
      'the version of an object without a checksum',
      object({ etag: 'x-2', versionId: 'v1' }),
      object({ etag: 'x-2', versionId: 'v2' }, 'hellO'),
    ],
    [
      'the job role',
      backend({ job_role: 'arn:aws:iam::123456789012:role/a' }),
      backend({ job_role: 'arn:aws:iam::123456789012:role/b' }),
    ],
    ['a job role and none', backend({ job_role: 'arn:aws:iam::123456789012:role/a' }), base],
    ['whether missing outputs fail', backend({ missing_outputs: 'fail' }), base],
    [
      'the prefix of a pattern',
      changed({ outputs: [{ url: 's3://bkt/o', path: '/out/*', path_prefix: '/out' }] }),
      changed({ outputs: [{ url: 's3://bkt/o', path: '/out/*', path_prefix: '/' }] }),
    ],
    [
      'a pattern',
      changed({ outputs: [{ url: 's3://bkt/o', path: '/out/*', path_prefix: '/out' }] }),
      changed({ outputs: [{ url: 's3://bkt/o', path: '/out/?', path_prefix: '/out' }] }),
    ],
    [
      'what an input holds that is laid over a directory input',
      reading(inFolder, overlapping),
      reading(inFolder, { ...overlapping, [A]: { body: 'other' } }),
    ],
    [
      'an empty folder in a directory input',
      folder({ 's3://bkt/d/1': { body: '1' } }),
      folder({ 's3://bkt/d/1': { body: '1' }, 's3://bkt/d/logs/': { body: '' } }),
    ],
  ])('two tasks are two calls if they differ in this: %s', async (_, one, other) => {
    expect(await areOne([one, other])).toBe(false);
  });

  test('an input outside of S3 has no identity, so its task is not cached', async () => {
    const web = reading([{ url: 'https://example.org/a', path: '/in/a' }]);
    expect(await fingerprintOfSent(web.task, web)).toBeUndefined();
  });
});

describe('tasks that are one call', () => {
  const elsewhere = { 's3://other/p/q': { body: 'hello' } };
  test.each<[string, Side, Side]>([
    [
      'the order of variables',
      running({ env: { A: '1', B: '2' } }),
      running({ env: { B: '2', A: '1' } }),
    ],
    ['no variables', running({ env: {} }), base],
    [
      'the order of inputs',
      reading([
        { url: A, path: '/1' },
        { url: A, path: '/2' },
      ]),
      reading([
        { url: A, path: '/2' },
        { url: A, path: '/1' },
      ]),
    ],
    [
      'the order of a directory input and of a file that is laid over it',
      reading(inFolder, overlapping),
      reading(inFolder.toReversed(), overlapping),
    ],
    ['an input that is declared twice', reading([file('a'), file('a')]), base],
    [
      'names, tags, output URLs and resources',
      sent({
        ...plain,
        name: 'q',
        description: 'other',
        tags: { a: 'b' },
        outputs: [{ url: 's3://zzz/q', path: '/out/x' }],
        resources: { cpu_cores: 8, ram_gb: 64 },
      }),
      base,
    ],
    ['the place of an input', reading([{ url: 's3://other/p/q', path: '/in/a' }], elsewhere), base],
    [
      'the parts of an upload, with CRC64NVME',
      object({ etag: 'p-2', checksums: CRC }),
      object({ etag: 'q-9', checksums: CRC }),
    ],
    [
      'a multipart upload and its copy in one piece, with CRC64NVME',
      object({ etag: 'p-2', checksums: CRC }),
      object({ checksums: CRC }),
    ],
    [
      'the ETag of the same bytes under KMS, with CRC64NVME',
      object({ etag: '0'.repeat(32), checksums: CRC }),
      object({ etag: '1'.repeat(32), checksums: CRC }),
    ],
    [
      'content in the task or at a URL',
      content('hello'),
      { ...base, memo: { [A]: HELLO_CRC64NVME } },
    ],
    [
      'the marker object of a folder',
      folder({ 's3://bkt/d/1': { body: '1' } }),
      folder({ 's3://bkt/d/': { body: '' }, 's3://bkt/d/1': { body: '1' } }),
    ],
    ['empty parts of a path', reading([{ url: A, path: '/in//./a' }]), base],
  ])('two tasks are one call if they differ only in this: %s', async (_, one, other) => {
    const [listed, byHead] = [
      await areOne([one, other]),
      await areOne([
        { ...one, byHead: true },
        { ...other, byHead: true },
      ]),
    ];
    expect(listed || byHead).toBe(true);
  });

  test('an object with CRC32 only has no identity until a run has read it', async () => {
    const strong = object({ etag: 'p-2', checksums: CRC });
    const short = object({ etag: 'p-2', checksums: { crc32: 'NhCmhg==' } });
    expect(await fingerprintOfSent(short.task, short)).toBeUndefined();
    expect(await areOne([strong, { ...short, memo: { [A]: '0'.repeat(16) } }])).toBe(true);
  });

  test('the order of outputs counts, which costs a miss and no more', async () => {
    const outputs = ['/1', '/2'].map((path) => ({ url: `s3://bkt${path}`, path }));
    expect(await areOne([changed({ outputs }), changed({ outputs: outputs.toReversed() })])).toBe(
      false,
    );
  });
});

describe('rows of a scatter', () => {
  const one = async (command: string[], row: object): Promise<string | undefined> => {
    const template = { ...plain, executors: [{ image: 'i', command }] };
    const expanded = expandScatter(
      { template, rows: [row], cache: 'readwrite' },
      { cache: 'off', pathMap: new Map() },
    );
    if ('problems' in expanded) throw new Error(JSON.stringify(expanded.problems));
    const [made] = expanded.tasks;
    return made && fingerprintOfNew(made.task, { bucket: HELLO });
  };
  test.each<[string, string[], object, object, boolean]>([
    [
      'values cut elsewhere, two words',
      ['{{a}}', '{{b}}'],
      { a: 'x', b: 'yz' },
      { a: 'xy', b: 'z' },
      false,
    ],
    [
      'values cut elsewhere, one word',
      ['{{a}}{{b}}'],
      { a: 'x', b: 'yz' },
      { a: 'xy', b: 'z' },
      true,
    ],
    [
      'a value that looks like a slot',
      ['{{a}}', '{{b}}'],
      { a: '{{b}}', b: 'z' },
      { a: 'z', b: 'z' },
      false,
    ],
    ['true as a word', ['{{a}}'], { a: true }, { a: 'true' }, true],
    ['1.10 and 1.1', ['{{a}}'], JSON.parse('{"a":1.10}') as object, { a: 1.1 }, true],
  ])(
    'two rows are one call exactly if they fill the template alike: %s',
    async (_, command, a, b, same) => {
      expect((await one(command, a)) === (await one(command, b))).toBe(same);
    },
  );
});

describe('Snakemake', () => {
  const job = (options: string, more: object = {}) => ({
    name: 'snakejob.count.1.sh',
    inputs: [
      { content: 'rule count:\n  output: "counts/{s}.txt"\n', path: '/tmp/Snakefile' },
      { url: A, path: '/tmp/reads/a.txt' },
      { content: `snakemake --target-jobs count:s=a ${options}`, path: '/tmp/run_snakemake.sh' },
    ],
    outputs: [{ url: 's3://bkt/counts/a.txt', path: '/tmp/counts/a.txt' }],
    executors: [
      {
        image: 'snakemake/snakemake:v9',
        command: ['/bin/bash', '/tmp/run_snakemake.sh'],
        workdir: '/tmp',
        ...more,
      },
    ],
  });
  const fingerprint = (task: object) => fingerprintOfSent(task, { bucket: HELLO });

  test('a job whose files are all declared is cached', async () => {
    expect(await fingerprint(job('--cores 1'))).toBeDefined();
    expect(await fingerprint(job('--cores 1'))).toBe(await fingerprint(job('--cores 1')));
  });

  test.each([
    job('--default-storage-provider s3 --default-storage-prefix s3://bkt/smk'),
    job('--storage-s3-endpoint-url http://s3'),
    job('--default-remote-provider S3'),
    job('--deploy-sources base64//czM= abc'),
    job('--cores 1', { env: { SNAKEMAKE_STORAGE_S3_ACCESS_KEY: 'x' } }),
    job('--cores 1', { command: ['snakemake', '--default-storage-provider', 's3'] }),
    {
      ...job(''),
      inputs: [{ content: 'rule a:\n  input: storage.s3("s3://b/x")\n', path: '/tmp/Snakefile' }],
    },
    {
      ...job(''),
      inputs: [{ content: 'storage:\n  provider="s3"\n', path: '/tmp/Snakefile' }],
    },
    { ...job(''), inputs: [{ url: A, path: '/tmp/run_snakemake.sh' }] },
  ])(
    'a job whose data Snakemake may fetch from a storage itself is not cached (%#)',
    async (task) => {
      expect(await fingerprint(task)).toBeUndefined();
    },
  );
});
