/**
 * Snakemake's TES plugin (source: snakemake-executor-plugin-tes). It names its tasks after the job, and their paths are
 * the same in every run. The workflow's sources and the script that starts Snakemake for the one job are inputs with
 * content. With a storage, that Snakemake fetches the job's data and saves its results itself, and the task declares
 * neither.
 */
import type { TaskSpec } from '../task/task.ts';
import type { ClientProfile } from './profile.ts';

/**
 * Options of the started Snakemake, and what a Snakefile says: `storage:`, `storage.s3(…)`, `storage("…")`, and the
 * forms of Snakemake 7.
 */
const STORAGE =
  /--default-(?:storage|remote)-(?:provider|prefix)|--storage-|--deploy-sources|\bstorage\s*[:.([]|\bstorage\s+\w+\s*:|\bremote\s*\(|RemoteProvider/;

const textsOf = ({ inputs, executors }: TaskSpec): string[] => [
  ...inputs.flatMap(({ content }) => content ?? []),
  ...executors.flatMap(({ command, env }) => [
    command.join(' '),
    ...Object.entries(env ?? {}).map((entry) => entry.join('=')),
  ]),
];

/** Settings of a storage come in variables too: SNAKEMAKE_STORAGE_S3_ENDPOINT_URL. */
const STORAGE_VARIABLE = /SNAKEMAKE_(?:DEFAULT_)?(?:STORAGE|REMOTE)/;

/** A started Snakemake whose script is not at hand may use a storage too. */
const showsItsScript = ({ inputs }: TaskSpec): boolean =>
  inputs.some(({ content }) => content !== undefined && content !== '');

export const snakemake: ClientProfile = {
  version: 2,
  recognises: ({ name }) => /^snakejob[_.-]/.test(name),
  needsCopies: true,
  readsFirstLog: true,
  hidesFiles: (spec) =>
    !showsItsScript(spec) ||
    textsOf(spec).some((text) => STORAGE.test(text) || STORAGE_VARIABLE.test(text)),
};
