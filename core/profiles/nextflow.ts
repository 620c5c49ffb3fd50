/**
 * Nextflow's TES plugin (nf-ga4gh). The work folder's name is made of a hash that differs from run to run; it is in
 * paths, urls and in the wrapper .command.run, which also says the task's number in the run.
 */
import { sha256 } from '../ids.ts';
import { mapTexts } from '../template.ts';
import type { TaskSpec } from '../task.ts';
import { holdsMark, mark, textsOf, type ClientProfile } from './profile.ts';

const WRAPPER = '.command.run';
const endsIn = (name: string) => ({ path }: { path: string }): boolean => path.endsWith(`/${name}`);

/** `…/ab/0123456789abcdef0123456789abcd`, with whatever stands before it. */
const WORK_FOLDER = /(?:s3:\/|)(?:\/[\w.@:+-]+)*\/[0-9a-f]{2}\/[0-9a-f]{30}\b/g;

/** Each work folder gets a number in the order in which it is met: two folders of one task stay two. */
function numberFolders(): (text: string) => string {
  const numbers = new Map<string, number>();
  return (text) => text.replaceAll(WORK_FOLDER, (folder) => {
    const number = numbers.get(folder) ?? numbers.size;
    numbers.set(folder, number);
    return mark(`work ${number}`);
  });
}

/** The comments on top of the wrapper name the task and its number; from the first other line on all counts. */
const withoutHeader = (script: string): string => script.replace(/^(?:#[^\n]*\n)+/, '');

const wrapperOf = (spec: TaskSpec): number => spec.inputs.findIndex(endsIn(WRAPPER));

export const nextflow: ClientProfile = {
  version: 2,
  readsFirstLog: true,
  recognises: ({ spec }) => wrapperOf(spec) !== -1 && spec.inputs.some(endsIn('.command.sh')),
  textsWanted: (spec) => [wrapperOf(spec)].filter((position) => position !== -1 && spec.inputs[position]?.content === undefined),
  canonical(spec, texts) {
    const position = wrapperOf(spec);
    const wrapper = spec.inputs[position]?.content ?? texts.get(position);
    if (wrapper === undefined || [wrapper, ...textsOf(spec)].some(holdsMark)) return undefined;
    const stable = numberFolders();
    const canonical = mapTexts<string, string>(spec, stable);
    return { spec: canonical, identities: new Map([[position, `wrapper ${sha256(stable(withoutHeader(wrapper))).toString('hex')}`]]) };
  },
  needsCopies: true,
};
