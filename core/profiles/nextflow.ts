/**
 * Nextflow's TES plugin (nf-ga4gh; source: its TesTaskHandler and TesBashBuilder, and Nextflow's
 * command-run.txt). The name of the work folder is a hash that differs from run to run. It is in
 * URLs, in paths of the pipeline's bin/ and in the wrapper .command.run, which also contains the
 * task's number in the run. The user's own script, .command.sh, is compared unchanged.
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

const WRAPPER = '.command.run';
const endsIn =
  (name: string) =>
  ({ path }: { path: string }): boolean =>
    path.endsWith(`/${name}`);

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

/**
 * Everything before the first command: comments with the task's name and number, and the plugin's
 * own setting, which stays.
 */
const HEADER = /^(?:(?:#[^\n]*|NXF_CHDIR=[^\n]*|)\n)+/;

const withoutComments = (wrapper: string): string =>
  wrapper.replace(HEADER, (header) =>
    header
      .split('\n')
      .filter((line) => line.startsWith('NXF_CHDIR='))
      .map((line) => `${line}\n`)
      .join(''),
  );

const wrapperOf = (spec: TaskSpec): number => spec.inputs.findIndex(endsIn(WRAPPER));

export const nextflow: ClientProfile = {
  version: 3,
  readsFirstLog: true,
  recognises: ({ spec }) => wrapperOf(spec) !== -1 && spec.inputs.some(endsIn('.command.sh')),
  textsWanted: (spec) =>
    [wrapperOf(spec)].filter(
      (position) => position !== -1 && spec.inputs[position]?.content === undefined,
    ),
  canonical(spec, texts) {
    const position = wrapperOf(spec);
    const wrapper = spec.inputs[position]?.content ?? texts.get(position);
    if (wrapper === undefined || [wrapper, ...textsOf(spec)].some(holdsMark)) return undefined;
    const rename = renaming(runNames(spec));
    const stable = (text: string): string => rename(text, { grown: false });
    const canonical = mapTexts<string, string>(spec, stable);
    return {
      spec: canonical,
      identities: new Map([
        [position, `wrapper ${sha256(stable(withoutComments(wrapper))).toString('hex')}`],
      ]),
    };
  },
  /** Which of its own files a wrapper writes depends on Nextflow's version and settings. */
  mayMiss: ({ path }) => /\/\.(?:command\.\w+|exitcode)$/.test(path),
  needsCopies: true,
};
