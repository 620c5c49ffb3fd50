import { expect, it } from 'vitest';
import { readRepositoryFile, repositoryFiles } from '../repository.ts';

const words = readRepositoryFile('project-words.txt')
  .trimEnd()
  .split('\n')
  .filter((line) => !line.startsWith('#'))
  .map((word) => word.toLowerCase());

it('project-words.txt is sorted and has no word twice', () => {
  expect(words).toEqual([...new Set(words)].toSorted());
});

it('project-words.txt has no word that the repository no longer uses', () => {
  const text = [
    ...repositoryFiles('**/*.{ts,mjs,md,yml,sh}', '.ci/run', '.github/**/*.yml'),
    ...repositoryFiles('cromwell/batchwell-*', 'Dockerfile'),
  ]
    .map(readRepositoryFile)
    .join('\n')
    .toLowerCase();
  expect(words.filter((word) => !text.includes(word))).toEqual([]);
});
