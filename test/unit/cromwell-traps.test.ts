/**
 * Calls of two runs that look alike and do different things. A wrong hit silently gives a scientist
 * wrong data. Each of these was found by trying to provoke one, and must stay another call.
 */
import { describe, expect, test } from 'vitest';
import { cromwellTask, type CromwellTask } from '../cromwell.ts';
import { cromwellCall, exchange, folderOf, type Contents } from './profile-world.ts';

const SHARD = 'granular-s3-shard3-attempt2-labels';
const ROOT = '5d1b7c9e-2f0a-4b65-8c55-1f1e8c8a9d21';
const SUB = '0f9f3a52-6c1d-4e08-a3a7-6d2f0a7c1e44';
const here = cromwellTask(SHARD);
/** The same call in another run of the workflow and of the one above it. */
const elsewhere = (task: CromwellTask = here): CromwellTask =>
  exchange(task, {
    [ROOT]: '11111111-2222-4333-8444-555555555555',
    [SUB]: '66666666-7777-4888-8999-aaaaaaaaaaaa',
  });
const inputPath = (task: CromwellTask, position: number): string =>
  task.inputs[position]?.path ?? '';

/** Whether the cache treats a call here and another one elsewhere as one call. */
async function isSame(
  command: (task: CromwellTask) => string,
  other: {
    task?: CromwellTask;
    command?: (task: CromwellTask) => string;
    contents?: Contents;
  } = {},
): Promise<boolean> {
  const there = elsewhere(other.task);
  return (
    (await cromwellCall(here, command(here))) ===
    (await cromwellCall(there, (other.command ?? command)(there), other.contents))
  );
}
const reads = (task: CromwellTask): string =>
  `cat ${inputPath(task, 1)} ${inputPath(task, 2)} >${folderOf(task)}/execution/s3.bam`;

test('a call is the same in another run', async () => {
  expect(await isSame(reads)).toBe(true);
});

test.each([
  (task: CromwellTask) => `echo ${inputPath(task, 1)} | cut -d/ -f3`,
  (task: CromwellTask) =>
    `basename $(dirname $(dirname $(dirname $(dirname $(dirname ${inputPath(task, 1)})))))`,
  () => 'pwd | cut -d/ -f3',
])(
  'a call that may show the root of its server is another call below another root (%#)',
  async (command) => {
    const moved = exchange(here, { '/mnt/cromwell-executions': '/mnt/other' });
    expect(await isSame(reads, { task: moved })).toBe(true);
    expect(await isSame(command, { task: moved })).toBe(false);
  },
);

test.each<[string, Record<string, string>]>([
  ['shard', { 'shard-3/': 'shard-7/', ':3:2': ':7:2' }],
  ['attempt', { '/attempt-2': '', ':3:2': ':3:1' }],
  ['name, because its task was imported under another one', { 'call-align/': 'call-realign/' }],
  ['workflow', { main_wf: 'other_wf' }],
  ['shard of a call that made its inputs', { 'call-trim/': 'call-trim/shard-12/' }],
  ['attempt of a call that made its inputs', { 'call-trim/': 'call-trim/attempt-3/' }],
])('a call is another call if it has another %s, which a command can see', async (_, texts) => {
  expect(await isSame(reads, { task: exchange(here, texts) })).toBe(false);
});

describe('calls that look equal but are not', () => {
  test('a call with its inputs swapped is another call', async () => {
    expect(
      await isSame(reads, {
        command: (task) =>
          `cat ${inputPath(task, 2)} ${inputPath(task, 1)} >${folderOf(task)}/execution/s3.bam`,
      }),
    ).toBe(false);
  });

  test('a call with the content of its inputs swapped is another call', async () => {
    const made = elsewhere().inputs.map(({ url }) =>
      url.replace('/mnt/cromwell-executions', 's3://lab/y'),
    );
    expect(
      await isSame(reads, {
        contents: { [made[1] ?? '']: 's3_R2.fq.gz', [made[2] ?? '']: 's3_R1.fq.gz' },
      }),
    ).toBe(false);
  });

  test('a call with two files in two folders instead of one is another call, because tools look for an index beside its file', async () => {
    expect(
      await isSame(reads, {
        task: {
          ...here,
          inputs: here.inputs.map((input, at) =>
            at === 2 ? exchange(input, { 'call-trim': 'call-other' }) : input,
          ),
        },
      }),
    ).toBe(false);
  });

  test.each([
    ['the name of an input’s folder', { 'hg38/hg38.fa': 'hg19/hg38.fa' }],
    ['the name of an input', { 's3_R1.fq.gz': 's4_R1.fq.gz' }],
    [
      'the folder below the call that made it',
      { 'call-trim/execution/s3_R1': 'call-trim/execution/sub/s3_R1' },
    ],
    ['where an output is expected', { 'execution/s3.bam': 'execution/s4.bam' }],
  ])('a call that differs in %s, which a command may use, is another call', async (_, texts) => {
    const dirname = (task: CromwellTask): string => `basename $(dirname ${inputPath(task, 0)})`;
    expect(await isSame(dirname, { task: exchange(here, texts) })).toBe(false);
  });

  test.each<[string, (task: CromwellTask) => string]>([
    ['a file beside an input', (task) => inputPath(task, 1).replace('s3_R1', 'beside')],
    [
      'a file behind a bucket’s name, which the command reads itself',
      (task) => `s3://lab${inputPath(task, 1)}.bai`,
    ],
    [
      'a file behind a bucket’s name in a variable',
      (task) => `s3://\${BUCKET}${inputPath(task, 1)}.bai`,
    ],
    ['a call whose name begins with the call’s own', (task) => `${folderOf(task)}0/execution/x`],
    ['the id of its workflow', (task) => String(task.tags['workflow_id'])],
    [
      'a piece of the id of its workflow',
      (task) => `$out${String(task.tags['workflow_id']).slice(0, 8)}`,
    ],
  ])(
    'a call whose command names something of another run is another call: %s',
    async (_, named) => {
      expect(await isSame((task) => `${reads(task)}\necho ${named(task)}`)).toBe(false);
    },
  );

  test('a call that differs in a byte that is not text is another call', async () => {
    const bytes = (byte: number) => (script: string) =>
      Buffer.concat([Buffer.from(script), Buffer.from([0x23, byte])]);
    const [one, two] = [
      await cromwellCall(here, reads(here), {}, bytes(0xfe)),
      await cromwellCall(here, reads(here), {}, bytes(0xff)),
    ];
    expect(one).not.toBe(two);
    expect(await cromwellCall(here, reads(here), {}, (script) => `\uFEFF${script}`)).not.toBe(
      await cromwellCall(here, reads(here)),
    );
  });

  test('a call that differs after the first MiB of its script is another call', async () => {
    const long = (end: string) =>
      cromwellCall(here, `${reads(here)}\n# ${'x'.repeat(1024 ** 2)}${end}`);
    expect(await long('a')).not.toBe(await long('b'));
  });

  test('a call is another call if its command differs in lines that look exactly like the wrapper’s', async () => {
    const quoted = (task: CromwellTask): string => {
      const piece = String(task.tags['workflow_id']).slice(0, 8);
      return `${reads(task)}\ncat <<X\nmkfifo "$out${piece}" "$err${piece}"\ntee 'x' < "$err${piece}" >&2 &\n)  > "$out${piece}" 2> "$err${piece}"\nX`;
    };
    expect(await isSame(quoted)).toBe(false);
  });
});

test('a file whose name a command extends, such as a BAM index, is recognised in another run', async () => {
  expect(
    await isSame(
      (task) =>
        `samtools index ${inputPath(task, 1)} ${inputPath(task, 1)}.bai; samtools sort -o "${inputPath(task, 2)}"_sorted ${folderOf(task)}/execution/x`,
    ),
  ).toBe(true);
});

test('a gather of five thousand shards is recognised in another run', async () => {
  const gather = (run: string): CromwellTask => {
    const shards = Array.from(
      { length: 5000 },
      (_, n) =>
        `/mnt/cromwell-executions/main_wf/${run}/call-align/shard-${n}/execution/part_${n}.bam`,
    );
    const made = exchange(here, { [ROOT]: run });
    return {
      ...made,
      inputs: [
        ...shards.map((path, n) => ({ name: `parts.${n}`, url: path, path, type: 'FILE' })),
        ...made.inputs.slice(-1),
      ],
    };
  };
  const command = ({ inputs }: CromwellTask): string =>
    `cat ${inputs
      .slice(0, -1)
      .map(({ path }) => path)
      .join(' ')}`;
  const [one, two] = [gather(ROOT), gather('11111111-2222-4333-8444-555555555555')];
  expect(await cromwellCall(two, command(two))).toBe(await cromwellCall(one, command(one)));
});
