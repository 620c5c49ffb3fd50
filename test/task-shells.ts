/** The real shells, and a stand-in for the stager that runs a script in one of them. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { readRequests } from '../stager/shell.ts';

/** Those of this machine that may run a task's script. */
export const shells = [
  ['/bin/dash'],
  ['/bin/bash', '--posix'],
  ['/bin/bash'],
  ['/bin/busybox', 'sh'],
  ['/bin/mksh'],
].filter(([path = '']) => existsSync(path));

interface Ran {
  code: number | null;
  requests: string[][];
}

/**
 * Runs the text as the stager would and answers ok to everything. Folders are created as the stager
 * creates them.
 */
export async function runText(
  shell: readonly string[],
  folder: string,
  text: string,
  env: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin' },
): Promise<Ran> {
  const script = join(folder, 'script.sh');
  await writeFile(script, text);
  const [program = '', ...args] = shell;
  const child = spawn(program, [...args, script, folder], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
    env,
  });
  const requests: string[][] = [];
  const answers = child.stdio[4] as Writable;
  answers.on('error', () => undefined);
  const read = readRequests((words) => {
    requests.push(words);
    if (words[0] === 'executor' && words[2]) mkdirSync(words[2], { recursive: true });
    answers.write('ok\n');
  });
  (child.stdio[3] as Readable).on('data', read);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, requests };
}
