/**
 * Python clients in their own virtual environment, kept in .batchwell/interop. It uses the
 * machine's own python3, not that of a version manager, because tasks run it too and see what the
 * system has installed.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ownFolder = fileURLToPath(new URL('../../.batchwell/interop', import.meta.url));
/** Without a container engine a task sees the system's folders, but not the project's folder. */
const systemFolder = '/opt/batchwell-interop';
const PYTHON = '/usr/bin/python3';

/** The folder of the packages' programs, or why they are not available. */
export type PythonTools = { bin: string } | { why: string };

/**
 * @param packages pip package names with versions
 * @param forTasks whether tasks run them too
 */
export async function pythonTools(
  name: string,
  packages: readonly string[],
  forTasks = false,
): Promise<PythonTools> {
  const folder = forTasks ? systemFolder : ownFolder;
  const home = join(folder, name);
  const stamp = join(home, 'packages');
  const bin = join(home, 'bin');
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === packages.join('\n')) return { bin };
  try {
    await rm(home, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await run(PYTHON, ['-m', 'venv', home]);
    await run(join(bin, 'pip'), ['install', '--quiet', ...packages]);
    await writeFile(stamp, packages.join('\n'));
    return { bin };
  } catch (error) {
    return {
      why: `${name} could not be installed with ${PYTHON} (on Debian it needs python3-venv, and a registry): ${String(error).slice(0, 400)}`,
    };
  }
}
