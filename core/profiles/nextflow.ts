/**
 * Nextflow's TES plugin (nf-ga4gh; source: its TesTaskHandler and TesBashBuilder, and Nextflow's
 * command-run.txt). The name of the work folder is a hash that differs from run to run. It is in
 * URLs, in paths of the pipeline's bin/ and in the wrapper .command.run. The task's name and number,
 * `sim (2)`, stay part of the call: nothing else distinguishes replicates. The user's own script,
 * .command.sh, is compared unchanged.
 */
import { sha256 } from '../ids.ts';
import { mapTexts } from '../task/template.ts';
import type { TaskSpec } from '../task/task.ts';
import {
  holdsMark,
  mark,
  renaming,
  textsOf,
  type ClientProfile,
  type RunNames,
} from './profile.ts';
import { readsItsRun } from './reads-its-run.ts';

const [WRAPPER, SCRIPT] = ['.command.run', '.command.sh'];

/**
 * `…/ab/0123456789abcdef0123456789abcd` with everything before it, as a URL or as the path that
 * Nextflow makes of it.
 */
const WORK_FOLDER = /^(?:s3:\/)?(\/.+\/[0-9a-f]{2}\/[0-9a-f]{30})\//;

/**
 * Work folders are numbered in order, so that two folders of one task stay different. The task's
 * own work folder and those in its container are replaced everywhere. Of other work folders only
 * the paths of inputs are replaced: their other content was not compared, and a data store may name
 * its files in the same way (`s3://cache/files/md5/ab/…`).
 */
function runNames({ inputs, outputs }: TaskSpec): RunNames {
  const marks = new Map<string, string>();
  const [folders, files] = [new Map<string, string>(), new Map<string, string>()];
  const name = (
    place: string,
    names: Map<string, string>,
    rest: (folder: string) => string,
  ): void => {
    const folder = WORK_FOLDER.exec(place)?.[1];
    if (folder === undefined) return;
    const stable = marks.get(folder) ?? mark(`work ${marks.size}`);
    marks.set(folder, stable);
    for (const scheme of ['', 's3:/'])
      names.set(`${scheme}${folder}${rest(folder)}`, `${stable}${rest(folder)}`);
  };
  for (const { url } of outputs) name(`${url}/`, folders, () => '');
  for (const { url = '', path } of inputs) {
    name(path, folders, () => '');
    name(url, files, (folder) => url.slice(url.indexOf(folder) + folder.length));
  }
  return { folders, files };
}

const positionOf = (spec: TaskSpec, name: string): number =>
  spec.inputs.findIndex(({ path }) => path.endsWith(`/${name}`));

/** Its content, given with the task or read. */
const textAt = (
  spec: TaskSpec,
  texts: ReadonlyMap<number, string>,
  position: number,
): string | undefined => spec.inputs[position]?.content ?? texts.get(position);

export const nextflow: ClientProfile = {
  version: 4,
  readsFirstLog: true,
  recognises: ({ spec }) => positionOf(spec, WRAPPER) !== -1 && positionOf(spec, SCRIPT) !== -1,
  // A fingerprint is made of what a task does, and for that the name is for people. Here it counts.
  adapt: (spec, { name }) => ({
    ...spec,
    inputs: spec.inputs.map((input, position) =>
      position === positionOf(spec, WRAPPER) ? { ...input, description: name } : input,
    ),
  }),
  textsWanted: (spec) =>
    [positionOf(spec, WRAPPER), positionOf(spec, SCRIPT)].filter(
      (position) => position !== -1 && spec.inputs[position]?.content === undefined,
    ),
  canonical(spec, texts) {
    const position = positionOf(spec, WRAPPER);
    const wrapper = textAt(spec, texts, position);
    const script = textAt(spec, texts, positionOf(spec, SCRIPT));
    if (wrapper === undefined || script === undefined) return undefined;
    if ([wrapper, script, ...textsOf(spec)].some(holdsMark)) return undefined;
    const rename = renaming(runNames(spec));
    const stable = (text: string): string => rename(text, { grown: false });
    // A work folder's name is also in links and variables that the wrapper makes.
    if (readsItsRun(stable(script))) return undefined;
    const said = JSON.stringify([spec.inputs[position]?.description, stable(wrapper)]);
    return {
      spec: mapTexts<string, string>(spec, stable),
      identities: new Map([[position, `wrapper ${sha256(said).toString('hex')}`]]),
    };
  },
  /** Which of its own files a wrapper writes depends on Nextflow's version and settings. */
  mayMiss: ({ path }) => /\/\.(?:command\.\w+|exitcode)$/.test(path),
  needsCopies: true,
};
