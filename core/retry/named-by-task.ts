/** Whether a role or a secret that a host could not use is the task's own choice, and so its fault. */
import { readSecret } from '../container/option-forms.ts';
import { readLogin } from '../image/logins.ts';
import type { TaskParameter } from './container-reasons.ts';

/** ARNs that the settings name, by what they are for. */
export type InstallationArns = Record<TaskParameter, readonly string[]>;

interface NamingSettings {
  /** '' where there is none. */
  jobRole: string;
  executionRole: string;
  taskSecrets: readonly string[];
  registryCredentials: readonly string[];
}

export function installationArns(settings: NamingSettings): InstallationArns {
  const { jobRole, executionRole, taskSecrets, registryCredentials } = settings;
  return {
    job_role: [jobRole, executionRole].filter(Boolean),
    secrets: [
      ...taskSecrets.flatMap((entry) => readSecret(entry)?.arn ?? []),
      ...registryCredentials.map((entry) => readLogin(entry).arn),
    ],
  };
}

const ARN = /arn:aws[\w-]*:[\w:/+=,.@-]*[\w/]/g;

/** Secrets may be named with a field, a stage and a version, and by less than their whole ARN. */
const isSame = (said: string, named: string): boolean =>
  said === named || said.startsWith(`${named}:`) || named.startsWith(`${said}:`);

/**
 * True for words that name ARNs, none of which is the installation's, and for words without any where
 * the installation has none.
 */
export function isNamedByTask(words: string, installation: readonly string[]): boolean {
  const said = words.match(ARN) ?? [];
  if (said.length === 0) return installation.length === 0;
  return !said.some((arn) => installation.some((one) => isSame(arn, one)));
}
