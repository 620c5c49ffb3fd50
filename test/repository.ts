/** The repository's own files, for tests that hold them to a rule. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const repositoryRoot = fileURLToPath(new URL('..', import.meta.url));

const NOT_SOURCE = new Set(['node_modules', 'dist', '.batchwell', 'coverage', 'fixtures']);

/** Paths relative to the root, sorted; without what is installed, built or a fixture. */
export const repositoryFiles = (...patterns: string[]): string[] =>
  globSync(patterns, {
    cwd: repositoryRoot,
    exclude: (path) => NOT_SOURCE.has(path.split('/').at(-1) ?? ''),
  }).toSorted();

export const readRepositoryFile = (path: string): string =>
  readFileSync(`${repositoryRoot}/${path}`, 'utf8');
