/**
 * Cromwell's TES backend (source: its TesTask.scala, TesAsyncBackendJobExecutionActor and
 * StandardAsyncExecutionActor, as of Cromwell 92). The command is a bash script in an input named
 * commandScript; it writes rc, stdout and stderr itself, below the call's own folder
 * `…/<workflow>/<id>/call-<name>[/shard-N][/attempt-N]`, whose path is all over the script and
 * differs at every run, as do the folders of the calls that made its inputs.
 */
import { sha256 } from '../ids.ts';
import { mapTexts } from '../task/template.ts';
import type { TaskSpec } from '../task/task.ts';
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
/** CRC64NVME of "0\n", base64. */
const RC_ZERO = { sizeBytes: 2, crc64nvme: 'wUU2gGmYNtE=' };

const scriptOf = (spec: TaskSpec): number =>
  spec.inputs.findIndex(({ name, path }) => name === SCRIPT && path.endsWith(IN_CALL));

/** The call's folder in the container. */
const callFolder = (spec: TaskSpec): string | undefined =>
  spec.inputs[scriptOf(spec)]?.path.slice(0, -IN_CALL.length);

/**
 * A file that Cromwell wrote for write_lines and its like; the digits are the MD5 of what it holds,
 * paths of this run included.
 */
const WRITTEN = /\/(write_(?:lines|tsv|map|json|objects?))_[0-9a-f]{32}\.tmp$/;
/** A call with more of them is compared as it is: each costs a request. */
const MOST_WRITTEN = 16;

const writtenOf = (spec: TaskSpec): number[] => {
  const written = spec.inputs.flatMap(({ path, type }, position) =>
    type === 'FILE' && WRITTEN.test(path) ? [position] : [],
  );
  return written.length > MOST_WRITTEN ? [] : written;
};

/**
 * The folder of the call that made a file. What lies below it is the same at every run, and so is
 * every other folder.
 */
const MAKER =
  /^.*\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\/call-[^/]+(?:\/shard-\d+)?(?:\/attempt-\d+)?(?:\/cacheCopy)?(?=\/)/;

/**
 * Makers are numbered as they come, so that files that lay together do so still. Their files' paths
 * count whole: another path in such a folder is no input, and what lies there was compared by
 * nobody.
 */
function inputNames(spec: TaskSpec, folder: string): Map<string, string> {
  const makers = new Map<string, string>();
  const names = new Map<string, string>();
  for (const { path } of spec.inputs) {
    const maker = MAKER.exec(path)?.[0];
    if (maker === undefined || maker === folder) continue;
    const stable = makers.get(maker) ?? mark(`call ${makers.size}`);
    makers.set(maker, stable);
    names.set(path, stable + path.slice(maker.length));
  }
  return names;
}

const TEES_ERRORS = /^tee '[^']*' < "\$err([0-9a-f]{8})" >&2 &$/;
const TEMPORARY_FOLDER = /^tmpDir=\$\(mkdir -p "([^"]*\/tmp)\.([0-9a-f]{8})" && echo "\1\.\2"\)$/;

interface SplitScript {
  lines: string[];
  /** Whether a line is the wrapper's, not the command's. */
  isWrapper(at: number): boolean;
  /** What the names of the wrapper's fifos end in. */
  piece: string;
}

/** A script of another form is all command. */
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

/**
 * The wrapper's random names: the temporary folder, and the variables of the fifos, which carry a
 * piece of the workflow's id. Only its own lines, whole, are changed: in the command the same names
 * are what the command says.
 */
function withoutRandomNames({ lines, isWrapper, piece }: SplitScript): string {
  const [out, err] = [`out${piece}`, `err${piece}`];
  const namesFifos = new RegExp(
    String.raw`^(?:${out}="\$\{tmpDir\}/out\.\$\$" ${err}="\$\{tmpDir\}/err\.\$\$"|mkfifo "\$${out}" "\$${err}"|trap 'rm "\$${out}" "\$${err}"' EXIT|tee '[^']*' < "\$(?:${out}" &|${err}" >&2 &)|\).* > "\$${out}" 2> "\$${err}")$`,
  );
  const stable = (line: string): string =>
    namesFifos.test(line)
      ? line.replaceAll(out, mark('out')).replaceAll(err, mark('err'))
      : line.replace(TEMPORARY_FOLDER, `tmpDir=${mark('temporary')} $1`);
  return lines.map((line, at) => (isWrapper(at) ? stable(line) : line)).join('\n');
}

/**
 * Some commands take their shard's number from their folder. For these the number is part of what
 * they do.
 */
const LOOKS_WHERE_IT_IS = /shard-|\bpwd\b/i;

/** @param script without the names of the run */
function scriptIdentity(script: string, folder: string): string {
  const split = splitScript(script);
  const shard = /\/(shard-\d+)(?:\/attempt-\d+)?$/.exec(folder)?.[1];
  const counts =
    shard !== undefined &&
    split.lines.some((line, at) => !split.isWrapper(at) && LOOKS_WHERE_IT_IS.test(line));
  return `script ${sha256(withoutRandomNames(split)).toString('hex')}${counts ? ` ${shard}` : ''}`;
}

/** What Cromwell wrote, named by what it says instead of by what it says of this run. */
function writtenFiles(
  spec: TaskSpec,
  texts: ReadonlyMap<number, string>,
  rename: Renaming,
): { identities: [number, string][]; files: [string, string][] } {
  const identities: [number, string][] = [];
  const files: [string, string][] = [];
  for (const position of writtenOf(spec)) {
    const [path, text] = [spec.inputs[position]?.path, texts.get(position)];
    if (path === undefined || text === undefined) continue;
    const digest = sha256(rename(text, { grown: false })).toString('hex');
    identities.push([position, `written ${digest}`]);
    files.push([path, rename(path, { grown: false }).replace(WRITTEN, `/$1_${digest}.tmp`)]);
  }
  return { identities, files };
}

function canonical(spec: TaskSpec, texts: ReadonlyMap<number, string>): CanonicalCall | undefined {
  const [position, folder] = [scriptOf(spec), callFolder(spec)];
  const script = texts.get(position);
  if (!folder || script === undefined || [...texts.values(), ...textsOf(spec)].some(holdsMark))
    return undefined;
  const inputs: RunNames = {
    folders: new Map([[folder, mark('call')]]),
    files: inputNames(spec, folder),
  };
  const written = writtenFiles(spec, texts, renaming(inputs));
  const rename = renaming({ ...inputs, files: new Map([...inputs.files, ...written.files]) });
  return {
    spec: mapTexts<string, string>(spec, (text) => rename(text, { grown: false })),
    identities: new Map([
      [position, scriptIdentity(rename(script, { grown: true }), folder)],
      ...written.identities,
    ]),
  };
}

const isCall = ({ description, tags, spec }: SentTask): boolean =>
  tags['workflow_id'] !== undefined &&
  description.includes(':BackendJobDescriptorKey_') &&
  scriptOf(spec) !== -1;

export const cromwell: ClientProfile = {
  version: 3,
  readsFirstLog: true,
  recognises: isCall,
  // The script tees its output into these very files: written by us as well, every line would be
  // there twice.
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
  /** A command that fails is COMPLETE all the same; only its rc says so. */
  mayCache(spec, { outputs }) {
    const files = outputs.filter(({ output, path }) => {
      const declared = spec.outputs[output];
      return path === ''
        ? declared?.name === 'rc'
        : path === 'rc' && declared?.name === 'execution.dir.output';
    });
    return (
      files.length === 1 &&
      files.every(
        ({ sizeBytes, crc64nvme }) =>
          sizeBytes === RC_ZERO.sizeBytes && crc64nvme === RC_ZERO.crc64nvme,
      )
    );
  },
  // A profile may be named for a task that is no call of Cromwell's, and two such tasks may well be
  // equal on purpose.
  requestName: (task) =>
    isCall(task) ? `cromwell ${task.tags['workflow_id']} ${task.description}` : undefined,
  /** Sizes are read as 32-bit integers. */
  largestSizeBytes: 2 ** 31 - 1,
  /** Cromwell asks for the FULL view until this is there. What a task costs is not known here. */
  metadata: { vm_price_per_hour_usd: '0' },
  needsCopies: true,
};

/** stdout and stderr of the call's folder, or of the folder that is given out as a whole. */
const isTeed = (spec: TaskSpec, path: string): boolean =>
  scriptOf(spec) !== -1 &&
  spec.outputs.some(
    (output) =>
      output.path === path || (output.type === 'DIRECTORY' && path.startsWith(`${output.path}/`)),
  );
