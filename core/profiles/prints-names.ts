/**
 * Which usual commands put a text that they are given, such as the name of a file, into what they write. One that is
 * not here counts as a tool that does not: what a program does inside an image cannot be seen. A command that is here
 * by mistake costs a miss, and one that is missing gives a hit another run's names.
 */
// cspell:ignore namei lsattr getfacl getfattr rhash xxhsum hashdeep pigz numfmt csplit getopt shar bsdtar lzma unxz
// cspell:ignore bunzip unzstd logg Rscript mysql psql duckdb envsubst savetxt unrar nodejs relpath gfortran

/** Begins a command. */
const FIRST = String.raw`(?<![\w./-])`;
/** Where a shell expects a command. */
const AT_COMMAND = String.raw`(?:^|[;&|({\x60]|\b(?:then|do|else|if|while|until|command|builtin)\s)[^\S\n]*`;
const NO_ARGUMENT = String.raw`[^\S\n]*(?:[|>;&)}]|$)`;

/** These list variables, functions, and commands of the shell, in which names of the run are. */
export const LISTS_SHELL: readonly RegExp[] = [
  new RegExp(
    String.raw`${AT_COMMAND}(?:set|declare|typeset|export|readonly|local|trap|alias|hash)${NO_ARGUMENT}`,
    'm',
  ),
  new RegExp(String.raw`${AT_COMMAND}(?:jobs|alias|complete|history|fc|type)\b(?!\s*=)`, 'm'),
  /\b(?:declare|typeset|local|export|readonly)\s+(?:-\w+\s+){0,9}-\w*[fFp]|\btrap\s+-\w*p|\bhash\s+-\w*[lt]/,
  /\benvsubst\b/,
];

/** These write where they run, or where a file is, without being given a path. */
export const TELLS_FOLDER: readonly RegExp[] = [
  /\bCDPATH\b|\bHOSTNAME\b|--hyperlink|relpath|relative_?(?:to|path)|\.relative\s*\(|pathToFileURL|\bas_uri\b|file_?uri/i,
  /\bmodule\.(?:path|id|filename|parent)|\brequire\.main\b/,
  /(?<![\w./-])git\s(?:[^\n;|&]{0,300}\s)?(?:init|clone|rev-parse|worktree|submodule)\b/,
  /(?<![\w./-])g?make\s(?:[^\n;|&]{0,300}\s)?(?:-\w*[wC]|--(?:print-)?directory)/,
  /(?<![\w./-])(?:gcc|g\+\+|c\+\+|cc|clang(?:\+\+)?|gfortran)\s(?:[^\n;|&]{0,300}\s)?-(?:g|E)/,
];

const GLOB = /(?<=[\s(])[\w?*[\]-]*[?*[][\w?*[\]-]*(?=[\s;|&)]|$)/gm;

/** A pattern such as `scr*` matches the script, which is beside the files of a command. */
export const matchesScript = (text: string): boolean =>
  [...new Set(text.match(GLOB) ?? [])].some(
    (glob) => glob !== '*' && glob.length < LONGEST_GLOB && isPatternOf(glob, 'script'),
  );
const LONGEST_GLOB = 40;

function isPatternOf(glob: string, name: string): boolean {
  const pattern = glob
    .replaceAll(/\*+/g, '*')
    .replaceAll(/\*|\?|\[!|-/g, (sign) => ({ '*': '.*', '?': '.', '[!': '[^' })[sign] ?? sign);
  try {
    return new RegExp(`^(?:${pattern})$`).test(name);
  } catch {
    return false;
  }
}

/** These write their arguments, or name the file that they read. */
const NAMES_FILES: readonly RegExp[] = [
  new RegExp(
    String.raw`${FIRST}(?:echo|ls|find|dirname|wc|du|stat|file|sum|zip|cpio|diff|diff3|cmp|pr|yes|seq|date|getopt|numfmt)(?=\s)`,
  ),
  new RegExp(
    String.raw`${FIRST}(?:column|nl|fmt|namei|lsattr|getfacl|getfattr|xxd|openssl|gpg2?|cpp|m4|ar|jar|7z[ar]?|unrar|pax|shar)(?=\s)`,
  ),
  new RegExp(
    String.raw`${FIRST}(?:\w*(?:md5|sha\d+|sha|b2|b3|xxh\w*|ck|rh|crc32|sm3)(?:sum|deep|ash)?|hashdeep)(?=\s)`,
  ),
  new RegExp(
    String.raw`${FIRST}(?:sqlite3?|mysql|mariadb|psql|duckdb|dc|bc|logger|gettext|tput|make|cmake)(?=\s)`,
  ),
  new RegExp(String.raw`${FIRST}(?:tar|bsdtar)\s+-{0,2}[a-z]*[cr]`),
  // What they did, if they are asked to say it.
  new RegExp(
    String.raw`${FIRST}(?:cp|mv|ln|rm|rmdir|mkdir|rsync|scp|install|ch(?:mod|own|grp)|split|csplit|shred|timeout|(?:un|p|g)?(?:zip|pigz|bzip2|xz|zstd|lz4|lzma)|gunzip|unxz|bunzip2|unzstd)\s(?:[^\n;|&]{0,300}\s)?(?:-\w*v\w*|--verbose|--changes|--debug)(?=\s|$)`,
  ),
  new RegExp(String.raw`${FIRST}ch(?:mod|own|grp)\s(?:[^\n;|&]{0,300}\s)?-\w*c`),
  new RegExp(
    String.raw`${FIRST}(?:gzip|gunzip|pigz|xz|zstd|lz4|bzip2|unzip)\s(?:[^\n;|&]{0,300}\s)?(?:-\w*l\w*|--list)(?=\s|$)`,
  ),
  /(?<![\w./-])xargs\s+(?:-\S+\s+(?:\d+\s+)?){0,9}(?:-\w*t\w*|--verbose)(?=\s|$)/,
  // The path is a separator or a filler.
  /--output-delimiter|--(?:number-)?separator|\bjoin\s[^\n;|&]{0,300}-e\s*["']?[^\s"']{0,300}[⟨$]|\bpaste\s[^\n;|&]{0,300}-\w*d\s*["']?[^\s"']{0,300}[⟨$]/,
];

const LANGUAGES: readonly RegExp[] = [
  /\bs?f?print\w*|\bputs\b|\bsay\b|console\.|write|\bcat\s*\(|\bmessage\b|\bdump|\bformat\b|\blogg/i,
  /append(?:File|_file)|\.to_\w+\s*\(|\bsave\w*\s*\(|\bwarn\w*\s*\(?|\braise\b|\bthrow\b|\bdie\b|\binspect\b/,
  // What an expression gives.
  /(?<![\w./-])(?:node|nodejs|bun|deno)\s+(?:-\S+\s+){0,9}(?:-\w*p|--print)/,
  /(?<![\w./-])(?:Rscript|R|julia|ruby|php|lua|octave)\s+(?:-\S+\s+){0,9}(?:-\w*[eEr](?=[\s"'])|--eval)/,
];

const OTHERS: readonly RegExp[] = [
  /(?<![\w.-])time\s+(?:-\S+\s+){0,9}-\w*[vof]|:::|\bparallel\b|\bunzip\s+(?!-\w*[qp])|\baws\s+s3|\bgsutil\b|\bR\s+CMD|\bpapermill\b/,
  /<<<|=~|(?<![\w./-])(?:expr|case)\s|FILENAME|input_filename|--(?:raw)?arg|\bsplit\b|\.parent|\.parts\b|IFS=|-d\s*["']?\/|-F\s*["']?\//,
  // sed's F writes the name of the file.
  /(?<![\w./-])sed\s[^\n|]{0,300}?(?:\s|[\d'"$;{/,])F(?=['";}\s]|$)/,
];

/** Commands and functions that put the name of a file they are given into what they write. */
export const PRINTS: readonly RegExp[] = [...NAMES_FILES, ...LANGUAGES, ...OTHERS];

const HEADED = /(?<![\w./-])((?:z|bz|xz|e|f|r)*grep|head|tail)\s([^\n;|&]*)/g;
const WITH_NAME = /(?:^|\s)(?:-\w*[HrRlL]|--(?:with-filename|files?-with\S*|recursive|null))/;
const HEAD_WITH_NAME = /(?:^|\s)(?:-\w*v\w*|--verbose)(?=\s|$)/;
/** A number, as `head -n 10K` has it. */
const NUMBER = /^[+-]?\d+\w{0,3}$/;
const TAKES_NUMBER = /^-(?:\w*[ncmABC]|-lines|-bytes|-max-count)$/;
/** Without it, the first operand is a pattern, or it is the next word. */
const GLUED_PATTERN = /(?:^|\s)(?:-\w*[ef][^\s\w]\S*|-\w*[ef]\w+|--(?:regexp|file)=)/;
const REDIRECTS = /\d?(?:>{1,2}|<)\s*(?:[^\s"'<>]+|$)/g;
/** Of a path, with a space in it. */
const MARK = /⟨(?:run|work) \d+⟩/g;

/** grep, head, and tail name their file if they are told to, or have several: `/dev/null` is one, too. */
export function namesOneOfSeveral(command: string): boolean {
  return [...command.matchAll(HEADED)].some(([, name = '', rest = '']) => {
    const isGrep = name.endsWith('grep');
    if ((isGrep ? WITH_NAME : HEAD_WITH_NAME).test(` ${rest}`)) return true;
    const text = rest.replace(MARK, 'file').replace(REDIRECTS, ' ');
    const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
    const operands = words.filter(
      (word, at) =>
        !word.startsWith('-') && !NUMBER.test(word) && !TAKES_NUMBER.test(words[at - 1] ?? ''),
    );
    return operands.length > (isGrep && !GLUED_PATTERN.test(text) ? 2 : 1);
  });
}
