/**
 * Commands that a call of Cromwell may have: some read what is in their inputs, the others read their folder, shard,
 * call, attempt or the paths of their inputs, each in a way of its own. Each writes to `out.txt`.
 */

export interface CallPaths {
  /** The call's folder in the container. */
  folder: string;
  /** The folder above the ids of runs. */
  above: string;
  /** Two files that another call made. */
  made: [string, string];
  /** A file from a bucket. */
  sample: string;
  /** A list of `made` that Cromwell wrote. */
  list: string;
}

export interface Way {
  name: string;
  command: (paths: CallPaths) => string;
}

const way = (name: string, command: Way['command']): Way => ({ name, command });

/** These give equal outputs wherever they run. */
const readContent: Way[] = [
  way('cat', ({ made, sample }) => `cat ${made.join(' ')} ${sample} > out.txt`),
  way('count', ({ made: [a] }) => `wc -c < ${a} > out.txt`),
  way('awk record', ({ made: [a] }) => `awk '{print $0, NR}' ${a} > out.txt`),
  way('sort and tee', ({ sample }) => `sort ${sample} | tee out.txt`),
  way(
    'relative files',
    ({ made: [a] }) => `cp ${a} in.txt
wc -c in.txt > out.txt`,
  ),
  way('files of the folder', () => 'ls -1 > out.txt'),
  way('names by pattern', () => 'echo * > out.txt'),
  way('no input', () => 'seq 1 3 > out.txt'),
  way('list as argument', ({ list }) => `perl -pe 'chomp; open F, $_; $_ = <F>' ${list} > out.txt`),
];

/** Labels that a command cuts from the path of an input. */
const cutLabels: Way[] = [
  way('basename', ({ made: [a] }) => `n=$(basename ${a} .fq); echo "$n" > out.txt`),
  way('basename of a folder', ({ sample }) => `basename $(dirname ${sample}) > out.txt`),
  way('label of the sample', ({ sample }) => `echo "$(basename $(dirname "${sample}"))" > out.txt`),
  way(
    'label of the run',
    ({ made: [a] }) => `basename $(dirname $(dirname $(dirname ${a}))) > out.txt`,
  ),
  way(
    'label of the workflow',
    ({ made: [a] }) =>
      `n=$(basename $(dirname $(dirname $(dirname $(dirname ${a})))))\necho $n > out.txt`,
  ),
  way(
    'label of the call',
    ({ made: [a] }) => `echo $(basename $(dirname $(dirname ${a}))) > out.txt`,
  ),
  way(
    'loop over inputs',
    ({ made }) => `for f in ${made.join(' ')}; do echo "$(dirname "$f")" >> out.txt; done`,
  ),
  way(
    'parameter expansion',
    ({ made: [a] }) => `p=${a}\nq=\${p%/execution/*}\necho "\${q##*/}" > out.txt`,
  ),
  way('cut', ({ made: [a] }) => `echo ${a} | rev | cut -d/ -f3 | rev > out.txt`),
  way(
    'awk -F/',
    ({ made: [a] }) => `awk -F/ -v p=${a} 'BEGIN {n = split(p, x); print x[n - 2]}' > out.txt`,
  ),
  way('sed', ({ made: [a] }) => `printf '%s\\n' ${a} | sed 's|/execution/.*||; s|.*/||' > out.txt`),
  way('here-string', ({ made: [a] }) => `IFS=/ read -ra p <<< ${a}; echo "\${p[-3]}" > out.txt`),
  way(
    'regular expression',
    ({ made: [a] }) => `[[ ${a} =~ call-([a-z]+) ]] && echo "\${BASH_REMATCH[1]}" > out.txt`,
  ),
];

/** Tools that put the path of an input into what they write. */
const printPaths: Way[] = [
  way('md5sum', ({ made: [a] }) => `md5sum ${a} > out.txt`),
  way('wc', ({ made }) => `wc -c ${made.join(' ')} > out.txt`),
  way('grep of two', ({ made }) => `grep -c . ${made.join(' ')} > out.txt || true`),
  way('head of two', ({ made }) => `head -n 1 ${made.join(' ')} > out.txt`),
  way('FILENAME', ({ made: [a] }) => `awk 'END {print FILENAME}' ${a} > out.txt`),
  way('here-document', ({ made }) => `cat <<X > out.txt\n${made.join('\n')}\nX`),
  way('list', ({ list }) => `cat ${list} > out.txt`),
  way(
    'loop over the list',
    ({ list }) => `while read -r f; do echo "$f" >> out.txt; done < ${list}`,
  ),
  way('function', ({ made: [a] }) => `say() { echo "$1"; }\nsay ${a} > out.txt`),
  way('continued line', ({ made: [a] }) => `echo \\\n  ${a} \\\n  > out.txt`),
  way('array', ({ made }) => `all=(${made.join(' ')})\necho "\${all[1]}" > out.txt`),
  way('array on lines', ({ made }) => `all=(\n${made.join('\n')}\n)\necho "\${all[1]}" > out.txt`),
  way('second variable', ({ made: [a] }) => `export A=1 B=${a}\necho "$B" > out.txt`),
  way('sed program', ({ made: [a] }) => `seq 1 2 | sed "s|^|${a} |" > out.txt`),
  way(
    'program on lines',
    ({ made }) =>
      `node - > out.txt <<X\nconst all = [\n"${made.join('",\n"')}",\n];\nconsole.log(all.at(-1));\nX`,
  ),
  way('xargs', ({ list }) => `xargs -n 1 dirname < ${list} > out.txt`),
  way('tar', ({ made: [a] }) => `tar cf - ${a} 2> /dev/null | tar tf - > out.txt`),
  way('link', ({ made: [a] }) => `ln -s ${a} x; ls -l x | sed 's/.*-> //' > out.txt`),
  way('verbose copy', ({ made: [a] }) => `cp -v ${a} in.txt > out.txt`),
  way('trace', ({ made: [a] }) => `( set -x; cat ${a} > in.txt ) 2> out.txt`),
  way('argument of perl', ({ made: [a] }) => `perl -e 'print $ARGV[0]' ${a} > out.txt`),
  way('second file of grep', ({ made: [a] }) => `grep -c . ${a} /dev/null > out.txt || true`),
  way('header of head', ({ made: [a] }) => `head --verbose -n 1 ${a} > out.txt`),
  way('second file of tail', ({ made: [a] }) => `tail -n 1 ${a} /dev/null > out.txt`),
  way('F of sed', ({ made: [a] }) => `sed -n '1F' ${a} > out.txt`),
  way('variable of sed', ({ made: [a] }) => `f=${a}\nseq 1 2 | sed "s|^|$f |" > out.txt`),
  way('variable of perl', ({ made: [a] }) => `f=${a}\nseq 1 2 | perl -pe "s|^|$f |" > out.txt`),
  way('value of awk', ({ made: [a] }) => `seq 1 2 | awk -v p=${a} '{ $1 = p } 1' > out.txt`),
  way(
    'variable of awk',
    ({ made: [a] }) => `f=${a}\nseq 1 2 | awk -v p="$f" '{ print p }' > out.txt`,
  ),
  way('separator of seq', ({ made: [a] }) => `seq -s ${a} 1 2 > out.txt`),
  way('yes', ({ made: [a] }) => `yes ${a} | head -n 2 > out.txt`),
  way('long option of cp', ({ made: [a] }) => `cp --verbose ${a} in.txt > out.txt`),
  way('jobs', ({ made: [a] }) => `sleep 0.1 < ${a} & jobs > out.txt; wait`),
  way('declare -f', ({ made: [a] }) => `f() { cat ${a}; }\ndeclare -f f > out.txt`),
  way('trap', ({ made: [a] }) => `(trap 'true ${a}' USR1; trap > out.txt)`),
  way('alias', ({ made: [a] }) => `alias x='cat ${a}'\nalias > out.txt`),
  way('set in a pipeline', ({ made: [a] }) => `X=${a}; set | grep ^X= > out.txt`),
  way('readonly', ({ made: [a] }) => `(readonly X=${a}; readonly | tail -n 1 > out.txt)`),
  way('verbose shell', ({ made: [a] }) => `bash -v -c 'cat ${a} > in.txt' 2> out.txt`),
  way('expression of node', ({ made: [a] }) => `node -p "'${a}'" > out.txt`),
  way(
    'append of node',
    ({ made: [a] }) => `node -e "require('fs').appendFileSync('out.txt', '${a}')"`,
  ),
];

/** Commands that look where they are. */
const lookAround: Way[] = [
  way('pwd', () => 'pwd > out.txt'),
  way('$PWD', () => 'echo "${PWD##*/call-}" > out.txt'),
  way('$OLDPWD', () => '(mkdir -p x; cd x; echo "$OLDPWD") > out.txt'),
  way('cd -', () => '(mkdir -p x; cd x; cd -) > out.txt'),
  way('~+', () => 'echo ~+ > out.txt'),
  way('dirs', () => 'dirs -l > out.txt'),
  way('realpath', () => 'realpath . > out.txt'),
  way('readlink', () => 'readlink -f . > out.txt'),
  way('ls -d', () => 'ls -d -1 "$PWD" > out.txt'),
  way('/proc', () => 'ls -l /proc/self/cwd | sed "s/.*-> //" > out.txt'),
  way('getcwd', () => `perl -MCwd -e 'print getcwd' > out.txt`),
  way('process.cwd()', () => `node -p 'process.cwd()' > out.txt`),
  way('$0', () => 'echo "$0" > out.txt'),
  way('BASH_SOURCE', () => 'echo "${BASH_SOURCE[0]}" > out.txt'),
  way('$_', () => 'echo "$_" > out.txt'),
  way('own script', () => `sed -n 's/^cd //p' "$0" | head -n 1 > out.txt`),
  way('own script by name', () => 'sed -n 2,4p script | grep ^cd > out.txt'),
  way('all files', () => 'x=$(md5sum *); echo "$x" > out.txt'),
  way(
    'whole folder',
    () => `x=$(tar cf - . | tr -d '\\0' | grep ^cd | head -n 1); echo "$x" > out.txt`,
  ),
  way('search in the folder', () => `x=$(grep -rh '^cd ' . | head -n 1); echo "$x" > out.txt`),
  way('TMPDIR', () => 'basename "$(dirname "$TMPDIR")" > out.txt'),
  way('mktemp', () => 'dirname "$(mktemp)" > out.txt'),
  way('tmpDir', () => 'echo "$tmpDir" > out.txt'),
  way('environment', () => `env | grep -c shard > out.txt || true; env | grep ^PWD >> out.txt`),
  way('exported', () => `export -p | grep PWD > out.txt`),
  way('folder above', () => 'ls ../.. > out.txt'),
  way('pattern above', ({ above }) => `echo ${above}/*/call-* > out.txt`),
  way('find above', ({ above }) => `find ${above} -name script > out.txt`),
  way('name of the folder', ({ folder }) => `echo ${folder} | grep -o 'call-.*' > out.txt`),
  way('shell in a shell', () => `bash -c 'echo "$PWD"' > out.txt`),
  way('attempt', () => `n=$(pwd | sed -n 's/.*attempt-//p'); echo "\${n:-1}" > out.txt`),
];

export const ways: readonly Way[] = [...readContent, ...cutLabels, ...printPaths, ...lookAround];
