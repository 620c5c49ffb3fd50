/**
 * Nextflow's TES plugin (nf-ga4gh). The work folder's name is made of a hash that differs from run to run; it is in
 * paths, urls and in the wrapper .command.run, which also says the task's number in the run.
 */
import { sha256 } from '../ids.ts';
import { mapTexts } from '../template.ts';
import type { TaskSpec } from '../task.ts';
import type { ClientProfile } from './profile.ts';

const WRAPPER = '.command.run';
const endsIn = (name: string) => ({ path }: { path: string }): boolean => path.endsWith(`/${name}`);

/** `…/ab/0123456789abcdef0123456789abcd`, with whatever stands before it. */
const WORK_FOLDER = /(?:s3:\/|)(?:\/[\w.@:+-]+)*\/[0-9a-f]{2}\/[0-9a-f]{30}\b/g;
const stable = (text: string): string => text.replaceAll(WORK_FOLDER, '{work}');

/** Comments on top of the wrapper name the task and its number; the code below says what is done. */
const withoutComments = (script: string): string => script.split('\n').filter((line) => !/^#( |##)/.test(line)).join('\n');

const wrapperOf = (spec: TaskSpec): number => spec.inputs.findIndex(endsIn(WRAPPER));

export const nextflow: ClientProfile = {
  version: 1,
  recognises: ({ spec }) => wrapperOf(spec) !== -1 && spec.inputs.some(endsIn('.command.sh')),
  textsWanted: (spec) => [wrapperOf(spec)].filter((position) => position !== -1 && spec.inputs[position]?.content === undefined),
  canonical(spec, texts) {
    const position = wrapperOf(spec);
    const wrapper = spec.inputs[position]?.content ?? texts.get(position);
    if (wrapper === undefined) return undefined;
    return { spec: mapTexts<string, string>(spec, stable), identities: new Map([[position, `wrapper ${sha256(stable(withoutComments(wrapper))).toString('hex')}`]]) };
  },
  needsCopies: true,
};
