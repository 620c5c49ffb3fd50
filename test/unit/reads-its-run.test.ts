/** Which scripts may show the names of their run, and so are compared as they are. */
// cspell:ignore pathlib abspath Rscript gatk zcat
import { describe, expect, test } from 'vitest';
import { readsItsRun } from '../../core/profiles/reads-its-run.ts';

const ABOVE = '/cromwell-executions/main_wf';
const CALL = `${ABOVE}/⟨run 0⟩/call-align/shard-3`;
const IN = `${ABOVE}/⟨run 0⟩/call-trim/shard-1/execution/a.fq`;
const IN2 = `${ABOVE}/⟨run 0⟩/call-trim/shard-1/execution/b.fq`;
const LIST = `${CALL}/execution/write_lines_${'0'.repeat(64)}.tmp`;
const shows = (text: string, lists = false): boolean => readsItsRun(text, { above: ABOVE, lists });

test.each([
  'pwd',
  'echo ${PWD##*shard-}',
  'echo $OLDPWD',
  'cd x; cd -',
  'echo ~+',
  'echo ~-',
  'dirs -l',
  'pushd x',
  'realpath x',
  'readlink -f .',
  'ls -d "$x"',
  'ls --directory x',
  'ls -lh',
  'ls /proc/self/cwd',
  'ls ..',
  'cd ../..; ls',
  'find / -name script',
  'ls /',
  'df .',
  'echo $0',
  'echo "${0##*/}"',
  'echo $_',
  'echo ${BASH_SOURCE[0]}',
  'cat script',
  'cat ./script | grep x',
  'md5sum *',
  'tar cf x.tar .',
  'grep -r x .',
  'find . -type f -exec cat {} +',
  'python3 -c "import os; print(os.getcwd())"',
  'python3 -c "from pathlib import Path; print(Path().absolute())"',
  'print(Path("x").resolve())',
  'print(os.path.abspath("x"))',
  'print(__file__)',
  'print(sys.argv[0])',
  `perl -MCwd -e 'print getcwd'`,
  'perl -e "use FindBin"',
  'Rscript -e "getwd()"',
  'normalizePath("x")',
  'commandArgs(trailingOnly = TRUE)',
  'node -p "process.cwd()"',
  'node -p "__dirname"',
  'System.getProperty("user.dir")',
  'new File("x").getAbsolutePath()',
  'os.Getwd()',
  'std::env::current_dir()',
  'Dir.pwd',
  'echo $TMPDIR',
  'mktemp -d',
  'echo $tmpDir',
  'tempfile.TemporaryDirectory()',
  'env | sort',
  'printenv',
  'export -p',
  'declare -p x',
  'set | grep x',
  'os.environ["PWD"]',
  'Sys.getenv("HOME")',
  'process.env.HOME',
  'eval "$x"',
  'echo ${!x}',
  'ps aux',
  'hostname',
  'echo $AWS_BATCH_JOB_ID',
  'uname -a',
  `ls ${ABOVE}`,
  `echo ${ABOVE}/*/call-*`,
  'find /cromwell-executions -name x',
  'echo /*',
])('a script that looks at its run is one that may show it: %s', (text) => {
  expect(shows(text)).toBe(true);
});

test.each([
  `echo ${IN}`,
  `echo "$(dirname ${IN})"`,
  `printf '%s' ${IN}`,
  `echo \\\n  ${IN}`,
  `ls ${IN}`,
  `wc -l ${IN}`,
  `md5sum ${IN} > x`,
  `grep x ${IN} ${IN2}`,
  `grep -H x ${IN}`,
  `head ${IN} ${IN2}`,
  `awk 'END {print FILENAME}' ${IN}`,
  `awk -v p=${IN} 'BEGIN {print p}'`,
  `awk '{print p}' p=${IN} x`,
  `perl -e 'print $ARGV[0]' ${IN}`,
  `cat <<X > list\n${IN}\nX`,
  `p=${IN}\necho $p`,
  `p=${IN}\nq=\${p%/*}\necho $q`,
  `for f in ${IN} ${IN2}; do\necho $f\ndone`,
  `all=(${IN} ${IN2})\necho "\${all[@]}"`,
  `f() { echo "$1"; }\nf ${IN}`,
  `set -- ${IN}\necho $1`,
  `read a <<< ${IN}`,
  `[[ ${IN} =~ shard-(.) ]]`,
  `python3 <<X\np = "${IN}"\nprint(p)\nX`,
  `python3 <<X\nprint("${IN}")\nX`,
  `tar czf x.tgz ${IN}`,
  `cp -v ${IN} x`,
  `diff ${IN} ${IN2}`,
  `set -x\ntool ${IN} 2> log`,
  `x="a; ${IN}"; echo $x`,
  `all=(\n  ${IN}\n  ${IN2}\n)\necho "\${all[@]}"`,
  `python3 <<X\nfiles = [\n  "${IN}",\n  "${IN2}",\n]\nfor f in files:\n  print(f)\nX`,
  `python3 <<X\nprint(\n  "${IN}"\n)\nX`,
  `python3 <<X\na, b = "${IN}", 2\nprint(a)\nX`,
  `export A=1 B=${IN}\necho $B`,
  `sed "1i ${IN}" x`,
  `sed 's|^|${IN}:|' x`,
  `perl -pe 's|x|${IN}|' x`,
  `/usr/bin/time -v -o time.txt tool ${IN}`,
  `parallel gzip -l ::: ${IN}`,
  `unzip ${IN}`,
  `basename $(dirname $(dirname $(dirname $(dirname ${IN}))))`,
  `basename "$(dirname "$(dirname "$(dirname "$(dirname ${IN})")")")" .x`,
  `echo $(basename $(dirname $(dirname $(dirname $(dirname ${IN})))))`,
  `echo "a; ${IN}"`,
  `for f in ${IN}; do echo $f; done`,
  `bash -x y ${IN} &> log`,
  `echo ${CALL}/execution`,
])('a script that prints a path of its run is one that may show it: %s', (text) => {
  expect(shows(text)).toBe(true);
});

test.each([
  `cat ${LIST}`,
  `while read f; do samtools index $f; done < ${LIST}`,
  `xargs samtools merge x.bam < ${LIST}`,
  `list=${LIST}`,
  'ls -1 > files',
  'echo * > files',
  `basename ${LIST}`,
])('a script that opens a list of paths of its run is one that may show them: %s', (text) => {
  expect(shows(text, true)).toBe(true);
});

describe('scripts that hit in other runs', () => {
  test.each([
    `samtools merge -@ 4 out.bam ${IN} ${IN2}`,
    `samtools index ${IN} ${IN}.bai`,
    `bwa mem -t 8 ref.fa ${IN} | samtools sort -o out.bam -`,
    `cat ${IN} ${IN2} > all.fq`,
    `wc -l < ${IN} > n.txt`,
    `echo started; gatk --java-options -Xmx4g HaplotypeCaller -I ${IN} -O out.vcf`,
    `n=$(basename ${IN} .fq)\necho "$n"\nmv x $n.bam`,
    `echo $(basename $(dirname $(dirname ${IN}))) > label`,
    `for f in ${IN} ${IN2}; do\nsamtools index $f\ndone`,
    `awk '{print $0}' ${IN} > x`,
    `awk -F'\\t' '$3 > 1 {print $1, $2}' ${IN} > x`,
    `perl -ne 'print if /x/; print $_' ${IN} > x`,
    `grep -c '>' ${IN} > n`,
    `zcat ${IN} | head -n 100 > x`,
    `sed 's/a/b/' ${IN} > x`,
    `tar xzf ${IN}`,
    `cp ${IN} in.fq\nls -1\nmd5sum in.fq > sums`,
    `ln -s ${IN} a.bam`,
    `set -euxo pipefail\ntool ${IN}`,
    `python3 <<X\nimport csv\nrows = list(csv.reader(open("${IN}")))\nprint(len(rows))\nX`,
    `tool --list ${LIST}`,
    `tool --list=${LIST}`,
    `java -jar picard.jar MergeSamFiles I=${LIST} O=x.bam`,
    `sed 's/a/b/' "${IN}" > x`,
    `unzip -q ${IN}`,
    `f(\n)\n{ true; }\ntool ${IN}`,
    '# The environment of this script is fine.\ntool',
    '#!/usr/bin/env bash\ntool',
    'cat <<X > config\nthreads: 4\nX',
    'for i in {1..5}; do echo $i; done',
    'grep -v x /opt/tools/db/*.txt > out',
    'basename $(dirname /refs/hg38/x.fa)',
  ])('a script that only hands its inputs to tools shows nothing of its run: %s', (text) => {
    expect(shows(text, text.includes(LIST))).toBe(false);
  });
});

describe('a name with spaces', () => {
  const spaced = IN.replace('a.fq', 'file to sort.txt');

  test.each([
    `cat "${spaced}"`,
    `cat '${spaced}'; basename "${spaced}"`,
    `f="${spaced}"; cat "$f"`,
  ])('words in it are no commands: %s', (text) => expect(shows(text)).toBe(false));

  test.each([
    `echo "${spaced}"`,
    `bash -c "${IN}; file ${IN}"`,
    `file "${spaced}"`,
    `cat "${spaced}" > x; md5sum "${spaced}"`,
    `cat "${IN}/../file x"`,
  ])('a command beside it still counts: %s', (text) => expect(shows(text)).toBe(true));
});

test('a script of more than 200,000 characters beside its paths is compared as it is', () => {
  expect(shows('true\n'.repeat(40_000))).toBe(false);
  expect(shows('true\n'.repeat(50_000))).toBe(true);
  expect(shows(`cat ${`${IN} `.repeat(8_000)}`)).toBe(false);
});

test('no script keeps a worker busy for long', () => {
  for (const text of [
    'samtools view -b x.bam > y.bam\n'.repeat(6_000),
    'ls -'.repeat(50_000),
    'awk '.repeat(49_000),
    '/a/b/c.x '.repeat(20_000),
    `${IN} `.repeat(8_000),
    'x='.repeat(99_000),
    '$(basename '.repeat(18_000),
    '$(dirname "a⟨'.repeat(15_000),
    'set -a '.repeat(28_000),
    `"${'; '.repeat(99_000)}`,
    'x'.repeat(199_000),
    `${"'".repeat(199_001)};`,
  ]) {
    const startMs = performance.now();
    shows(text);
    expect(performance.now() - startMs, text.slice(0, 20)).toBeLessThan(5000);
  }
}, 60_000);
