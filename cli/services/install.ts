/**
 * Finds a program, or installs it with the system's package manager, or says what to do.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  choosePackageManager,
  installScript,
  installSentence,
  PLAN_ENDS,
  type InstallPaths,
} from './package-managers.ts';
import type { WantedProgram } from './programs.ts';

export interface Machine {
  /** Folders to search for programs. The first match wins. */
  searchFolders: string[];
  isRoot: boolean;
  installPaths: InstallPaths;
}

/**
 * Servers are often in a folder that only root's PATH has: on Red Hat in libexec, on macOS below
 * the package manager's own folder.
 */
const SERVER_FOLDERS = [
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/bin',
  '/usr/sbin',
  '/bin',
  '/sbin',
  '/usr/libexec',
  '/usr/local/mysql/bin',
  '/opt/homebrew/bin',
  '/opt/homebrew/sbin',
];

export function thisMachine(): Machine {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return {
    searchFolders: [...path, ...SERVER_FOLDERS],
    isRoot: process.getuid?.() === 0,
    // Not below /tmp: another user could put a symbolic link there.
    installPaths: { lockFile: '/run/batchwell-install.lock', policyFile: '/usr/sbin/policy-rc.d' },
  };
}

/** The program is missing and could not be installed. The message names the command to run. */
export class MissingProgram extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MissingProgram';
  }
}

/** The full path of the first program found. */
export function findProgram(programs: string[], machine: Machine): string | undefined {
  const candidates = programs.flatMap((program) =>
    machine.searchFolders.map((folder) => join(folder, program)),
  );
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The full path of the wanted program. As root, a missing one is installed: stderr says which packages
 * that will be, and how far it is. Rejects with MissingProgram.
 */
export async function ensureProgram(
  wanted: WantedProgram,
  machine: Machine = thisMachine(),
  announce: (line: string) => void = announceOnStderr,
): Promise<string> {
  const found = findProgram(wanted.programs, machine);
  if (found !== undefined) return found;
  const manager = choosePackageManager((name) => findProgram([name], machine) !== undefined);
  const names = manager === undefined ? [] : wanted.packages[manager];
  const first = names[0];
  const missing = `Batchwell needs ${wanted.title}, but found no ${wanted.programs.join(' or ')} on this machine.`;
  if (manager === undefined || first === undefined)
    throw new MissingProgram(`${missing} Install it, ${wanted.orElse}.`);
  const command = installSentence(manager, first);
  if (!machine.isRoot || manager === 'brew')
    throw new MissingProgram(`${missing} Install it with \`${command}\`, ${wanted.orElse}.`);

  announce(`Installing ${wanted.title} with ${manager} (once, about half a minute)…`);
  const { output, code } = await runShell(
    installScript(manager, { ...wanted, packageNames: names }, machine.installPaths),
    machine.searchFolders,
    followInstall(announce),
  );
  const installed = findProgram(wanted.programs, machine);
  if (installed !== undefined) return installed;
  throw new MissingProgram(
    `${missing} The installation failed with exit code ${code}. ` +
      `Try \`${command}\` yourself, ${wanted.orElse}. The end of the output:\n${output}`,
  );
}

function announceOnStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

const PROGRESS_EVERY_MS = 3000;

/** Takes the lines of a package manager; tells what it will install, and now and then what it does. */
function followInstall(announce: (line: string) => void): (line: string) => void {
  const planned: string[] = [];
  let isPlanning = true;
  let saidMs = Date.now();
  return (line) => {
    const [, name] = /^Inst (\S+)/.exec(line) ?? [];
    if (isPlanning && name !== undefined) planned.push(name);
    else if (line === PLAN_ENDS) {
      isPlanning = false;
      if (planned.length > 0)
        announce(
          `  It will install ${planned.length} ${planned.length === 1 ? 'package' : 'packages'}: ${planned.join(', ')}.`,
        );
    } else if (!isPlanning && /^(Unpacking|Setting up) /.test(line)) {
      if (Date.now() - saidMs < PROGRESS_EVERY_MS) return;
      saidMs = Date.now();
      announce(`  ${line.replace(/ \(.*$/, '').replace(/\.+$/, '')}…`);
    }
  };
}

const OUTPUT_TAIL_CHARACTERS = 4_000;

function runShell(
  script: string,
  searchFolders: string[],
  onLine: (line: string) => void,
): Promise<{ output: string; code: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: searchFolders.join(delimiter) },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-OUTPUT_TAIL_CHARACTERS);
      });
    }
    createInterface({ input: child.stdout }).on('line', onLine);
    child.once('error', reject);
    child.once('close', (code) => resolve({ output, code }));
  });
}
