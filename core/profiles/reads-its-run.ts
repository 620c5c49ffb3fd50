/**
 * Whether a script may show what a canonical form leaves out: the ids and random names of one run. A hit gives such a
 * script another run's names, so its call is compared as it is. The lists here err on that side: a word in a comment
 * counts too, and costs a miss. What a program does inside an image cannot be seen here.
 */
// cspell:ignore getwd listdir scandir normali ment tmpnam gethost cksum cpio bsdtar logg fread Rscript gsutil papermill

import {
  LISTS_SHELL,
  matchesScript,
  namesOneOfSeveral,
  PRINTS,
  TELLS_FOLDER,
} from './prints-names.ts';

/** How a text asks for its folder, the way to itself, links, its environment or its host, in the usual languages. */
const LOOKS: readonly RegExp[] = [
  // Its folder: $PWD, getcwd, os.getcwd, process.cwd(), Dir.pwd, R's getwd, Go's Getwd.
  /[pc]wd|getwd|current_?dir|user\.dir/i,
  /(?<!\w)~[+-]|(?<![\w./-])(?:dirs|pushd|popd)\b|\bDIRSTACK\b|\bcd\s+["']?-(?!\w)/,
  // A folder above it.
  /(?<![\w.])\.\.(?![\w.])/,
  /\b(?:find|ls|du|tree|cd|chdir|walk|glob|listdir|scandir)\b[^\n]{0,300}?[\s("']\/["']?(?=[\s;|&)]|$)/m,
  /(?<![\w./-])(?:df|mount|findmnt|lsblk)\b/,
  // The way to a file, or to the script.
  /realpath|readlink|abs_?path|absolute|canonical|rel2abs|normali[sz]e_?path|\bresolve\b/i,
  /\bargv|commandArgs|BASH_(?:SOURCE|ARGV|COMMAND)|\bcaller\b|\$(?:0(?!\d)|\{0\b|_(?!\w)|\{_\W)/i,
  /__(?:file|dirname|FILE|DIR)__|__dirname|__filename|FindBin|import\.meta|PROGRAM_NAME/,
  // What links and processes show.
  /\bls\b[^\n;|&]{0,300}\s-(?:-directory|-format|\w*[dl])|\/proc\b|(?<![\w./-])(?:ps|lsof)\s|pgrep|\s-(?:ls|printf)\b/,
  // The script beside it, by name or with all else that is there.
  /^[^#\n]*[\s"'/]script(?=["'\s;|&)<>]|$)|\bgrep\s[^\n;|&]{0,300}-\w*[rR]|\bfind\b[^\n]{0,300}(?:-exec|xargs)/m,
  /\b(?:cat|\w*sum|z?e?f?grep|head|tail|tar|zip|cp|rsync|wc|sort|in|awk|sed|strings)\s[^\n;|&]{0,300}?(?<=\s|\.\/)(?:\*|\.\/?)(?=[\s;|&)]|$)/m,
  // Its environment, which names the temporary folder.
  /(?<![\w/.-])(?:env|printenv)\b(?!\s*=)|environ(?!ment)|get_?env|process\.env|\bcompgen\b|\$\{!|\beval\b/i,
  /\bENV(?:IRON)?\b/,
  /\b(?:declare|typeset|export|readonly)\s+-p|^\s*(?:declare|typeset|export|set)\s*(?:[|>;&)]|$)/m,
  /TMPDIR|tmpDir|_JAVA_OPTIONS|java\.io\.tmpdir|mktemp|temp_?file|temp_?dir|temporary_?(?:dir|file)|tmpnam/i,
  /\bNXF_|\.command\.(?!sh\b)/,
  /hostname|gethost|\buname\b|AWS_BATCH|BATCHWELL_|ECS_CONTAINER/i,
];

/** Whole programs in quotes, in which $0 and $_ are a record and not the script. */
const RECORD_PROGRAM =
  /(?<=^|[\s|;&(`])((?:[gmn]?awk|perl)\b(?:-[Fv]\s*'[^'\n]*'|[^'\n]){0,300})('[^']*')(?=([^\n]{0,2000}))/g;

/** @param change what becomes of a program, from what is before and after it on its line */
function mapRecordPrograms(
  text: string,
  change: (program: string, around: { before: string; after: string }) => string,
): string {
  let quotes = 0;
  let counted = 0;
  return text.replace(
    RECORD_PROGRAM,
    (whole, before: string, program: string, after: string, at) => {
      for (; counted < at; counted += 1) if (text[counted] === "'") quotes += 1;
      return quotes % 2 === 0 ? before + change(program, { before, after }) : whole;
    },
  );
}

const withoutRecords = (text: string): string =>
  mapRecordPrograms(text, (program) => program.replace(/\$[0_](?!\w)/g, '$1'));

const NAMES_ARGUMENT = /FILENAME|ARG|ENV|⟨/i;
/** A program prints the name of its file only if it asks for that, or gets it as a value. */
const withoutPrinters = (text: string): string =>
  mapRecordPrograms(text, (program, { before, after }) =>
    NAMES_ARGUMENT.test(program) || before.includes('⟨') || /\w=["']?[^\s"']*⟨/.test(after)
      ? program
      : "'program'",
  );

/** A text of the run that a canonical form replaced. */
const RUN_NAME = /⟨(?:run|work) \d+⟩/;
const PATH = String.raw`[\w./+@%:-]*(?:⟨(?:run|work) \d+⟩[\w./+@%:-]*)+`;
const PATHS = new RegExp(PATH, 'g');

/** One path alone in its quotes: it may hold spaces, and so words that are names of commands. */
const QUOTED_PATH = /(?<=^|[\s=(,])(["'])([\w./+@%:-]*⟨(?:run|work) \d+⟩[^"'\n;|&$`<>()\\]*)\1/gm;

/** So that words in names of files and calls are not taken for commands. */
const withoutPaths = (text: string): string =>
  text
    .replace(QUOTED_PATH, (whole, quote: string, path: string) =>
      path.includes('..') ? whole : `${quote}⟨run 0⟩${quote}`,
    )
    .replace(PATHS, (path) => (path.includes('..') ? path : '⟨run 0⟩'));

/** These write what a text of their program says. */
const EDITS = /(?<![\w./-])(?:sed|perl|[gmn]?awk|jq|ed|ex|vim?)\s/;
/** A word of the shell, with its quotes. */
const WORD = /(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'])+/g;
const FILE_WORD = /^[\w./+@%:,~-]*$/;
/** A mark without its space, so that it is in one word. */
const WHOLE_MARK = '⟨⟩';
const MARKS = new RegExp(RUN_NAME.source, 'g');
const VARIABLE = /\$\{?(\w+)[^\s"'$}]*\}?/g;

/** Whether a path of the run, or a variable with one, is in a word with more than the name of a file. */
function isInProgram(word: string, names: ReadonlySet<string>): boolean {
  let holds = word.includes(WHOLE_MARK);
  const rest = word.replaceAll(WHOLE_MARK, '').replace(VARIABLE, (whole, name: string) => {
    holds ||= names.has(name);
    return names.has(name) ? '' : whole;
  });
  return holds && !FILE_WORD.test(rest.replaceAll(/["']/g, ''));
}

/** A value as in `awk -v name=PATH` holds the path wherever the program uses it. */
const namesPathInProgram = (line: string, names: ReadonlySet<string>): boolean =>
  EDITS.test(line) &&
  (line.replaceAll(MARKS, WHOLE_MARK).match(WORD) ?? []).some((word) => isInProgram(word, names));

const CUTS_FOLDERS = /\$\{(\w+)(?:\[[^\]]*\])?(?:[%#/:]|[%#]{2})[^}]*[/:][^}]*\}/g;

/** A list of paths that Cromwell wrote. Only a tool's argument leaves its lines out of what is written. */
const LIST = /\/write_(?:lines|tsv|map|json|objects?)_[0-9a-f]{64}\.tmp/;
const OPENS_LIST =
  /<|^\s*(?:export\s+|local\s+|declare\s+(?:-\w+\s+)*)?\w+=|(?<![\w./-])(?:cat|sort|uniq|cp|mv|ln|paste|tr|sed|g?awk|cut|head|tail|grep|tee|tac|rev|nl|split|mapfile|readarray|xargs|while|for|jq|column|join|comm|basename|open|read\w*|fread|scan|perl)\b/;

/** Its name has the MD5 of its lines, and so of the paths in them. */
const LISTS_FOLDER =
  /(?<![\w./-])(?:ls|find|du|tree)\s|glob|listdir|scandir|walk|list\.files|readdir|(?<![\w.*])\*(?=[\s;|&)"']|$)|\*\.t|write_(?!\w+_[0-9a-f]{64})/m;

const ASSIGNS =
  /(?<![\w-])((?:\w+\s*,\s*){0,20}\w+)(?:\[[^\]\n]{0,50}\])?(?:\s*\+?=(?!=)|\s*<-|\s+in(?=\s))\s*/g;
/** What is assigned is the file's content, or a tool's result, and not its name. */
const READS_CONTENT =
  /^(?:\$\(|`)|\b(?:open|fread|scan|read\w*|load\w*|parse\w*|import\w*|from_\w+)\s*\(|\.(?:read|load|open)\w*\s*\(/;
const POSITIONAL = /\$(?:[1-9@*]|\{[1-9@*])/;
const PASSES_POSITIONAL = /\w\s*\(\)\s*\{?|\bfunction\s+\w|\bset\s+--|\bsh\s+-c\b/;

const LITERAL = String.raw`["']?([^\s"'$\x60()]*⟨[^"'$\x60()]*?)["']?`;
const DIRNAME = new RegExp(String.raw`\$\(\s*dirname\s+${LITERAL}\s*\)`);
const BASENAME = new RegExp(
  String.raw`\$\(\s*basename\s+(?:${LITERAL}|["']?\$\{?\w+\}?["']?)(?:\s+["']?[\w.-]+["']?)?\s*\)`,
);

/** `$(basename FILE)` and folders of it are worked out: a name that is part of the call is not one of the run. */
function workedOut(line: string): string {
  let text = line;
  for (;;) {
    const next = text
      .replace(DIRNAME, (whole, path: string) =>
        path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : whole,
      )
      .replace(BASENAME, (whole, path: string | undefined) => {
        const last = path?.slice(path.lastIndexOf('/') + 1) ?? '';
        return RUN_NAME.test(last) || LIST.test(`/${last}`) ? whole : 'basename';
      });
    if (next === text) return text;
    text = next;
  }
}

/** `basename` of a folder whose own name is one of the run. */
const NAMES_RUN = /\bbasename\s+[^\n;|&]{0,300}?⟨(?:run|work) \d+⟩["']?(?=[\s;|&)]|$)/;

const REDIRECTS = new RegExp(String.raw`(?<!<)(?:<(?!<)|>{1,2})\s*["']?${PATH}["']?`, 'g');

interface Line {
  text: string;
  /** Whether it is text that a command such as cat writes, and not a command or a program. */
  isData: boolean;
}

const INTERPRETERS = /\b(?:python[\d.]*|Rscript|R|perl|ruby|node|julia|bash|sh|zsh|awk|sqlite3)\b/;

/** Lines that end within brackets or a list go on in the next one. */
const GOES_ON = /[([{,=|]\s*$/;

function joined(lines: readonly Line[]): Line[] {
  const whole: Line[] = [];
  let pieces: string[] = [];
  for (const [position, { text, isData }] of lines.entries()) {
    pieces.push(text);
    if (GOES_ON.test(text.slice(-200)) && lines[position + 1]?.isData === isData) continue;
    whole.push({ text: pieces.join(' '), isData });
    pieces = [];
  }
  return whole;
}

/** Lines with their continuations, and what is in here-documents. */
function linesOf(text: string): Line[] {
  let end: string | undefined;
  let isData = false;
  const lines = text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => {
      if (end !== undefined && line.trim() === end) end = undefined;
      const made = { text: line, isData: end !== undefined && isData };
      const opened = /(?<!<)<<-?\s*["'\\]?(\w+)["']?/.exec(line);
      if (end === undefined && opened) {
        end = opened[1];
        isData = !INTERPRETERS.test(line);
      }
      return made;
    });
  return joined(lines);
}

const countOf = (text: string, what: RegExp): number =>
  (text.match(new RegExp(what.source, 'g')) ?? []).length;

/** What is known of a text before a line of it is read. */
interface Reading {
  /** Names that may hold a path of the run. */
  names: Set<string>;
  /** Whether it passes paths on as $1, $2, … */
  passes: boolean;
  lists: boolean;
}

const opensList = (line: string, { lists }: Reading): boolean =>
  lists && LIST.test(line) && OPENS_LIST.test(withoutPaths(line));

const holdsPath = (line: string, { names }: Reading): boolean =>
  RUN_NAME.test(line) || (line.match(/\w+/g) ?? []).some((word) => names.has(word));

/** @param line holds a path of the run, or may */
function printsPath(line: string, { names }: Reading): boolean {
  return (
    PRINTS.some((one) => one.test(line)) ||
    namesPathInProgram(line, names) ||
    namesOneOfSeveral(line) ||
    [...line.matchAll(CUTS_FOLDERS)].some(([, name = '']) => names.has(name))
  );
}

function noteAssigned(line: string, { names }: Reading): void {
  for (const { 0: whole, 1: assigned = '', index } of line.matchAll(ASSIGNS)) {
    const at = index + whole.length;
    if (READS_CONTENT.test(line.slice(at, at + 200))) continue;
    for (const name of assigned.split(/\s*,\s*/)) names.add(name);
  }
}

function showsPath(command: string, reading: Reading): boolean {
  const holds = holdsPath(command, reading);
  const mayHold = holds || (reading.passes && POSITIONAL.test(command));
  if (mayHold && printsPath(command, reading)) return true;
  if (holds) noteAssigned(command, reading);
  return false;
}

/** Commands of one line, cut only where no quote is open. */
function commandsOf(line: string): string[] {
  const commands: string[] = [];
  let [doubles, singles, start, end] = [0, 0, 0, 0];
  for (const piece of line.split(/(?<=;|&&|\|\|)/)) {
    end += piece.length;
    doubles += countOf(piece, /"/);
    singles += countOf(piece, /'/);
    if (doubles % 2 > 0 || singles % 2 > 0) continue;
    commands.push(line.slice(start, end));
    start = end;
  }
  return start === end ? commands : [...commands, line.slice(start)];
}

/** Whether a path of the run gets from the command line into what the command writes. */
function printsRunPath(text: string, lists: boolean): boolean {
  const reading: Reading = { names: new Set(), passes: PASSES_POSITIONAL.test(text), lists };
  return linesOf(text).some(({ text: line, isData }) => {
    if (opensList(line, reading)) return true;
    const worked = workedOut(line).replace(REDIRECTS, ' ');
    if (NAMES_RUN.test(worked)) return true;
    const used = withoutPaths(worked);
    if (isData && holdsPath(used, reading)) return true;
    return commandsOf(used).some((command) => showsPath(command, reading));
  });
}

const TRACES =
  /\bset\s+(?:-\w+\s+)*(?:-\w*[xv]|-o\s+(?:xtrace|verbose))|\b(?:ba|da|k|z)?sh\s+(?:-\w+\s+){0,9}-\w*[xv]|xtrace/;
const KEEPS_ERRORS = /2>(?!\s*\/dev\/null)|&>|\|&|BASH_XTRACEFD/;

/** Whether a folder above the run's own is named, alone or with a pattern after it. */
function namesFolderAbove(text: string, folder: string): boolean {
  const rest = text.replace(PATHS, ' ');
  return [
    ...rest.matchAll(/(?<![\w.~/)}-])\/[\w./-]*[\w-][\w./-]*|(?<![\w.~/)}-])\/(?=[*?[])/g),
  ].some(([path]) => `${folder}/`.startsWith(path.endsWith('/') ? path : `${path}/`));
}

/** Without the paths of its run. A longer one is not judged, which would take seconds, but compared as it is. */
const LONGEST_JUDGED = 200_000;

export interface RunFacts {
  /** The folder above the run's ids, if it is in the container's paths. */
  above?: string;
  /** Whether a list that the client wrote for the call names paths of the run. */
  lists?: boolean;
}

const looksAround = (words: string): boolean =>
  matchesScript(words) ||
  [...LOOKS, ...LISTS_SHELL, ...TELLS_FOLDER].some((one) => one.test(words));

/** @param text a script in which marks replace the names of the run */
export function readsItsRun(text: string, { above, lists = false }: RunFacts = {}): boolean {
  if (withoutPaths(text).length > LONGEST_JUDGED) return true;
  const commands = withoutRecords(text);
  const words = withoutPaths(commands);
  return (
    looksAround(words) ||
    (above !== undefined && namesFolderAbove(commands, above)) ||
    (lists && LISTS_FOLDER.test(words)) ||
    (RUN_NAME.test(commands) && TRACES.test(commands) && KEEPS_ERRORS.test(commands)) ||
    printsRunPath(withoutPrinters(commands), lists)
  );
}
