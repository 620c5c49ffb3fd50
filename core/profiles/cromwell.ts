/**
 * Cromwell's TES backend (source: its TesTask.scala, TesAsyncBackendJobExecutionActor and
 * StandardAsyncExecutionActor, as of Cromwell 92). The command is a bash script in an input named
 * commandScript. It writes rc, stdout and stderr itself, below the call's own folder
 * `…/<workflow>/<id>/call-<name>[/shard-N][/attempt-N]`. The path of this folder occurs throughout
 * the script and differs in every run by the workflow's id, and so do the paths of inputs that other calls made.
 */
import { sha256 } from '../ids.ts';
import { mapTexts } from '../task/template.ts';
import type { TaskSpec } from '../task/task.ts';
import { EXECUTION_FOLDER, numberedFolder, numberedFolders } from './cromwell-shims.ts';
import { readsItsRun } from './reads-its-run.ts';
import {
  holdsMark,
  mark,
  renaming,
  textsOf,
  type CanonicalCall,
  type ClientProfile,
  type Renaming,
  type RunNames,
  type SentTask,
} from './profile.ts';

const SCRIPT = 'commandScript';
const IN_CALL = '/execution/script';
/** Outputs with the whole of the execution folder: with `output-mode = root`, and of batchwell-submit. */
const OUTPUT_FOLDERS = new Set<string | undefined>(['execution.dir.output', EXECUTION_FOLDER]);
/** CRC64NVME of "0\n", base64. */
const RC_ZERO = { sizeBytes: 2, crc64nvme: 'wUU2gGmYNtE=' };

/** The inputs of a task, as far as they show where it comes from. */
interface NamedInputs {
  inputs: readonly { name?: string; path: string }[];
}

const scriptOf = (spec: NamedInputs): number =>
  spec.inputs.findIndex(({ name, path }) => name === SCRIPT && path.endsWith(IN_CALL));

/** Whether it runs a script of Cromwell, from whichever of its backends. */
export const hasScript = (spec: NamedInputs): boolean => scriptOf(spec) !== -1;

/** The call's folder in the container. */
const callFolder = (spec: TaskSpec): string | undefined =>
  spec.inputs[scriptOf(spec)]?.path.slice(0, -IN_CALL.length);

/**
 * A file that Cromwell wrote for write_lines and similar. The digits are the MD5 of its content,
 * which includes paths of this run.
 */
const WRITTEN = /\/(write_(?:lines|tsv|map|json|objects?))_[0-9a-f]{32}\.tmp$/;
/** A call with more of them is compared as it is, because each costs a request. */
const MOST_WRITTEN = 16;

const writtenOf = (spec: TaskSpec): number[] => {
  const written = spec.inputs.flatMap(({ path, type }, position) =>
    type === 'FILE' && WRITTEN.test(path) ? [position] : [],
  );
  return written.length > MOST_WRITTEN ? [] : written;
};

/** The id of a workflow, in the path of one of its calls. */
const RUN_ID = /(?<=\/)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\/call-)/g;

/** The folder of the workflow's runs, such as /cromwell-executions/main_wf. */
const folderAbove = (folder: string): string =>
  folder.slice(0, Math.max(folder.search(RUN_ID), 1) - 1);

/**
 * Only the ids of workflows and the root of the server are left out of paths: without that, no call
 * would hit in another run. A command can read everything else there (workflow, call, shard,
 * attempt, folders), so it stays. Names are numbered in order, so that two stay two. Only the
 * call's own folder and whole paths of inputs are replaced: another path of a run is not an input,
 * so its content was not compared.
 */
function runNames(spec: TaskSpec, folder: string, numbered: readonly string[]): RunNames {
  const above = folderAbove(folder);
  const root = above.slice(0, Math.max(above.lastIndexOf('/'), 0));
  const known = new Map([[`${root}/`, mark('run 0')]]);
  const stable = (path: string): string => {
    const named = path.replace(RUN_ID, (id) => {
      const stands = known.get(id) ?? mark(`run ${known.size}`);
      known.set(id, stands);
      return stands;
    });
    return named !== path && path.startsWith(`${root}/`)
      ? mark('run 0') + named.slice(root.length)
      : named;
  };
  const folders = new Map([[folder, stable(folder)]]);
  const files = new Map<string, string>();
  for (const one of numbered) {
    const stands = mark(`run ${known.size}`);
    known.set(one, stands);
    folders.set(one, `${stable(folder)}/inputs/${stands}`);
  }
  for (const { path } of spec.inputs) {
    const within = numberedFolder(path, folder) ?? '';
    const stands = folders.get(within);
    const named = stands === undefined ? stable(path) : stands + path.slice(within.length);
    if (named !== path) files.set(path, named);
  }
  return { folders, files };
}

const TEES_ERRORS = /^tee '[^']*' < "\$err([0-9a-f]{8})" >&2 &$/;
const TEMPORARY_FOLDER = /^tmpDir=\$\(mkdir -p "([^"]*\/tmp)\.([0-9a-f]{8})" && echo "\1\.\2"\)$/;

interface SplitScript {
  lines: string[];
  /** Whether a line belongs to the wrapper and not to the command. */
  isWrapper(at: number): boolean;
  /** Suffix of the names of the wrapper's fifos. */
  piece: string;
}

/** In a script of another form, every line belongs to the command. */
function splitScript(script: string): SplitScript {
  const lines = script.split('\n');
  const begin = lines.findIndex((line) => TEES_ERRORS.test(line));
  const piece = TEES_ERRORS.exec(lines[begin] ?? '')?.[1] ?? '';
  const end = lines.findLastIndex(
    (line) => line.startsWith(')') && line.endsWith(` > "$out${piece}" 2> "$err${piece}"`),
  );
  return {
    lines,
    isWrapper: (at) => begin < end && (at <= begin || at >= end) && begin !== -1,
    piece,
  };
}

const namesFifos = (piece: string): RegExp => {
  const [out, err] = [`out${piece}`, `err${piece}`];
  return new RegExp(
    String.raw`^(?:${out}="\$\{tmpDir\}/out\.\$\$" ${err}="\$\{tmpDir\}/err\.\$\$"|mkfifo "\$${out}" "\$${err}"|trap 'rm "\$${out}" "\$${err}"' EXIT|tee '[^']*' < "\$(?:${out}" &|${err}" >&2 &)|\).* > "\$${out}" 2> "\$${err}")$`,
  );
};

/**
 * Replaces the wrapper's random names: the temporary folder, and the variables of the fifos, which
 * contain a part of the workflow's id. Only whole lines of the wrapper change; in the command the
 * same names are part of what it does.
 */
function withoutRandomNames({ lines, isWrapper, piece }: SplitScript): string {
  const fifos = namesFifos(piece);
  const stable = (line: string): string =>
    fifos.test(line)
      ? line.replaceAll(`out${piece}`, mark('out')).replaceAll(`err${piece}`, mark('err'))
      : line.replace(TEMPORARY_FOLDER, `tmpDir=${mark('temporary')} $1`);
  return lines.map((line, at) => (isWrapper(at) ? stable(line) : line)).join('\n');
}

/** Fills empty folders, and lists what a glob of the workflow found. */
const LISTS_OWN_FOLDERS =
  /^(?:find \. -type d -exec sh -c '\[ -z "\$\(ls -A |ls -1 glob-[0-9a-f]{32}\/? > glob-[0-9a-f]{32}\.list$)/;
const SETS_TEMPORARY_FOLDER =
  /^(?:chmod 777 "\$tmpDir"|export _JAVA_OPTIONS=-Djava\.io\.tmpdir="\$tmpDir"|export TMPDIR="\$tmpDir")$/;

/** All but the wrapper's own lines: the command, and what the installation's configuration adds before or after it. */
function withoutWrapper({ lines, isWrapper, piece }: SplitScript): string {
  const own = [namesFifos(piece), TEMPORARY_FOLDER, SETS_TEMPORARY_FOLDER, LISTS_OWN_FOLDERS];
  return lines
    .filter((line, at) => !isWrapper(at) || !own.some((one) => one.test(line)))
    .join('\n');
}

/** Files that Cromwell wrote, named by a digest of their content without the names of this run. */
interface WrittenFiles {
  identities: [number, string][];
  files: [string, string][];
  /** Whether one of them names a path of this run. */
  holdNames: boolean;
}

function writtenFiles(
  spec: TaskSpec,
  texts: ReadonlyMap<number, string>,
  rename: Renaming,
): WrittenFiles {
  const written: WrittenFiles = { identities: [], files: [], holdNames: false };
  for (const position of writtenOf(spec)) {
    const [path, text] = [spec.inputs[position]?.path, texts.get(position)];
    if (path === undefined || text === undefined) continue;
    const stable = rename(text, { grown: false });
    const digest = sha256(stable).toString('hex');
    written.holdNames ||= stable !== text;
    written.identities.push([position, `written ${digest}`]);
    written.files.push([
      path,
      rename(path, { grown: false }).replace(WRITTEN, `/$1_${digest}.tmp`),
    ]);
  }
  return written;
}

function canonical(spec: TaskSpec, texts: ReadonlyMap<number, string>): CanonicalCall | undefined {
  const [position, folder] = [scriptOf(spec), callFolder(spec)];
  const script = texts.get(position);
  if (!folder || script === undefined || [...texts.values(), ...textsOf(spec)].some(holdsMark))
    return undefined;
  const lists = writtenOf(spec).map((at) => texts.get(at) ?? '');
  const command = withoutWrapper(splitScript(script));
  const names = runNames(spec, folder, numberedFolders(spec, folder, { command, lists }));
  const written = writtenFiles(spec, texts, renaming(names));
  const rename = renaming({ ...names, files: new Map([...names.files, ...written.files]) });
  const split = splitScript(rename(script, { grown: true }));
  const seen = { above: folderAbove(folder), lists: written.holdNames };
  if (readsItsRun(withoutWrapper(split), seen)) return undefined;
  return {
    spec: mapTexts<string, string>(spec, (text) => rename(text, { grown: false })),
    identities: new Map([
      [position, `script ${sha256(withoutRandomNames(split)).toString('hex')}`],
      ...written.identities,
    ]),
  };
}

/** Nothing but Cromwell's TES backend sends all three. */
export const isCall = ({
  description,
  tags,
  spec,
}: Pick<SentTask, 'description' | 'tags'> & { spec: NamedInputs }): boolean =>
  tags['workflow_id'] !== undefined &&
  description.includes(':BackendJobDescriptorKey_') &&
  scriptOf(spec) !== -1;

export const cromwell: ClientProfile = {
  version: 4,
  readsFirstLog: true,
  recognises: isCall,
  // The script tees its output into these files. If Batchwell wrote them too, they would have every
  // line twice.
  adapt: (spec) => ({
    ...spec,
    executors: spec.executors.map(({ stdout, stderr, ...executor }) => ({
      ...executor,
      ...(stdout !== undefined && !isTeed(spec, stdout) && { stdout }),
      ...(stderr !== undefined && !isTeed(spec, stderr) && { stderr }),
    })),
  }),
  textsWanted: (spec) => (scriptOf(spec) === -1 ? [] : [scriptOf(spec), ...writtenOf(spec)]),
  canonical,
  /** A failed command is COMPLETE too; only its rc shows the failure. */
  mayCache(spec, { outputs }) {
    const files = outputs.filter(({ output, path }) => {
      const declared = spec.outputs[output];
      return path === ''
        ? declared?.name === 'rc'
        : path === 'rc' && OUTPUT_FOLDERS.has(declared?.name);
    });
    return (
      files.length === 1 &&
      files.every(
        ({ sizeBytes, crc64nvme }) =>
          sizeBytes === RC_ZERO.sizeBytes && crc64nvme === RC_ZERO.crc64nvme,
      )
    );
  },
  // A task that is not a call of Cromwell may name this profile, and two such tasks may be equal on
  // purpose.
  requestName: (task) =>
    isCall(task) ? `cromwell ${task.tags['workflow_id']} ${task.description}` : undefined,
  /** Cromwell reads sizes as 32-bit integers. */
  largestSizeBytes: 2 ** 31 - 1,
  /**
   * Cromwell asks for the FULL view until this is present. Batchwell does not know what a task
   * costs.
   */
  metadata: { vm_price_per_hour_usd: '0' },
  needsCopies: true,
};

/**
 * Whether it is stdout or stderr in the call's folder, or in a folder that is an output as a whole.
 */
const isTeed = (spec: TaskSpec, path: string): boolean =>
  scriptOf(spec) !== -1 &&
  spec.outputs.some(
    (output) =>
      output.path === path || (output.type === 'DIRECTORY' && path.startsWith(`${output.path}/`)),
  );
