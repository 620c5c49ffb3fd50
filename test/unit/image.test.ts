import { expect, it } from 'vitest';
import { readRepositoryFile, repositoryFiles } from '../repository.ts';

const dockerfile = readRepositoryFile('Dockerfile');

it('the image’s npm ci sees the package.json of every workspace: without one it refuses the lock file', () => {
  const missing = repositoryFiles('packages/*/package.json').filter(
    (path) => !dockerfile.includes(`COPY ${path} `),
  );
  expect(missing).toEqual([]);
});

it('each stage that is run has a HEALTHCHECK and ends as a user that is not root', () => {
  const stages = dockerfile.split(/^FROM /m).slice(1);
  const run = stages.filter((stage) => stage.includes('\nENTRYPOINT '));
  expect(run.map((stage) => /AS (\S+)/.exec(stage)?.[1])).toEqual(['fleet', 'local-aws']);
  for (const stage of run) {
    expect(stage).toContain('\nHEALTHCHECK ');
    expect([...stage.matchAll(/^USER (\S+)/gm)].at(-1)?.[1]).toBe('node');
  }
});
