/**
 * Cromwell's TES backend (source: its TesTask.scala and StandardAsyncExecutionActor, as of Cromwell 92). The command is
 * a bash script in an input named commandScript; it writes rc, stdout and stderr itself, below the call's own folder
 * `…/<workflow>/<id>/call-<name>[/shard-N][/attempt-N]`, whose path is all over the script and differs at every run.
 */
import { sha256 } from '../ids.ts';
import { mapTexts } from '../template.ts';
import type { TaskSpec } from '../task.ts';
import { holdsMark, mark, replaceTexts, textsOf, type ClientProfile } from './profile.ts';

const SCRIPT = 'commandScript';
const IN_CALL = '/execution/script';
/** CRC64NVME of "0\n", base64. */
const RC_ZERO = { sizeBytes: 2, crc64nvme: 'wUU2gGmYNtE=' };

const scriptOf = (spec: TaskSpec): number => spec.inputs.findIndex(({ name, path }) => name === SCRIPT && path.endsWith(IN_CALL));

/** The call's folder in the container. */
const callFolder = (spec: TaskSpec): string | undefined => spec.inputs[scriptOf(spec)]?.path.slice(0, -IN_CALL.length);

/**
 * From paths of this run to names that every run of the call has. Inputs are known by position and file name: they lie
 * below the call's inputs, or, where Cromwell's root is shared, in the folders of the calls that made them.
 */
function stableNames(spec: TaskSpec, folder: string): Map<string, string> {
  const names = new Map([[folder, mark('call')]]);
  spec.inputs.forEach(({ path }, position) => {
    if (!path.startsWith(`${folder}/execution/`)) names.set(path, `${mark(`input ${position}`)}/${path.slice(path.lastIndexOf('/') + 1)}`);
  });
  return names;
}

/** The wrapper's line that makes the temporary folder; the same words further down are the command's own. */
const TEMPORARY_FOLDER = /^tmpDir=\$\(mkdir -p "([^"\n]*\/tmp)\.([0-9a-f]{8})" && echo "\1\.\2"\)$/m;

/**
 * The wrapper's random names: the temporary folder, and the variables of the fifos, which carry a piece of the workflow's
 * id. Only its own lines, whole, are changed: in the command the same names are what the command says.
 */
function withoutRandomNames(script: string): string {
  const stable = script.replace(TEMPORARY_FOLDER, `tmpDir=${mark('temporary')} $1`);
  const piece = /^out([0-9a-f]{8})="\$\{tmpDir\}\/out\.\$\$" err\1="\$\{tmpDir\}\/err\.\$\$"$/m.exec(stable)?.[1];
  if (piece === undefined) return stable;
  const [out, err] = [`out${piece}`, `err${piece}`];
  const wrapperLine = new RegExp(
    String.raw`^(?:${out}="\$\{tmpDir\}/out\.\$\$" ${err}="\$\{tmpDir\}/err\.\$\$"|mkfifo "\$${out}" "\$${err}"|trap 'rm "\$${out}" "\$${err}"' EXIT|tee '[^'\n]*' < "\$(?:${out}" &|${err}" >&2 &)|\) +> "\$${out}" 2> "\$${err}")$`, 'gm',
  );
  return stable.replaceAll(wrapperLine, (line) => line.replaceAll(out, mark('out')).replaceAll(err, mark('err')));
}

export const cromwell: ClientProfile = {
  version: 2,
  readsFirstLog: true,
  recognises: ({ description, tags, spec }) => tags['workflow_id'] !== undefined && description.includes(':BackendJobDescriptorKey_') && scriptOf(spec) !== -1,
  // The script tees its output into these very files: written by us as well, every line would be there twice.
  adapt: (spec) => ({
    ...spec,
    executors: spec.executors.map(({ stdout, stderr, ...executor }) => ({
      ...executor,
      ...(stdout !== undefined && !isTeed(spec, stdout) && { stdout }),
      ...(stderr !== undefined && !isTeed(spec, stderr) && { stderr }),
    })),
  }),
  textsWanted: (spec) => [scriptOf(spec)].filter((position) => position !== -1),
  canonical(spec, texts) {
    const [position, folder] = [scriptOf(spec), callFolder(spec)];
    const script = texts.get(position);
    if (folder === undefined || script === undefined || [script, ...textsOf(spec)].some(holdsMark)) return undefined;
    const names = stableNames(spec, folder);
    const text = withoutRandomNames(replaceTexts(script, names));
    const canonical = mapTexts<string, string>(spec, (one) => replaceTexts(one, names));
    return { spec: canonical, identities: new Map([[position, `script ${sha256(text).toString('hex')}`]]) };
  },
  /** A command that fails is COMPLETE all the same; only its rc says so. */
  mayCache(spec, { outputs }) {
    const rc = spec.outputs.findIndex(({ name, path }) => name === 'rc' || path.endsWith('/execution/rc'));
    return outputs.some(({ output, path, sizeBytes, crc64nvme }) => (output === rc || path === 'rc') && sizeBytes === RC_ZERO.sizeBytes && crc64nvme === RC_ZERO.crc64nvme);
  },
  requestName: ({ tags, description }) => `cromwell ${tags['workflow_id']} ${description}`,
  /** Sizes are read as 32-bit integers. */
  largestSizeBytes: 2 ** 31 - 1,
  /** Cromwell asks for the FULL view until this is there. What a task costs is not known here. */
  metadata: { vm_price_per_hour_usd: '0' },
  needsCopies: true,
};

/** stdout and stderr of the call's folder, or of the folder that is given out as a whole. */
const isTeed = (spec: TaskSpec, path: string): boolean =>
  spec.outputs.some((output) => output.path === path || (output.type === 'DIRECTORY' && path.startsWith(`${output.path}/`)));
