/**
 * The name of what would be in the image: a digest of the build context. The same sources have the same
 * tag on every machine, so that aws:deploy finds what the pipeline built.
 *
 *   node infra/deploy/image-tag.ts arm64
 */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** .dockerignore has names and `*` only, all of them of the top folder. */
function ignored(): RegExp {
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
  const names = lines.map((line) => line.trim()).filter((line) => line && !line.startsWith('#'));
  const patterns = names.map((name) =>
    name.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '[^/]*'),
  );
  return new RegExp(`^(?:${patterns.join('|')})$`);
}

function* filesOf(folder: string): Generator<string> {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  const skip = folder === '' ? ignored() : undefined;
  for (const entry of entries) {
    if (skip?.test(entry.name)) continue;
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesOf(path);
    else yield path;
  }
}

export function imageTag(architecture: string): string {
  const hash = createHash('sha256');
  for (const file of [...filesOf('')].toSorted()) {
    const path = join(root, file);
    const facts = lstatSync(path);
    const content = facts.isSymbolicLink() ? readlinkSync(path) : readFileSync(path);
    const mode = (facts.mode & 0o111) === 0 ? 'file' : 'program';
    hash.update(`${file}\0${mode}\0${content.length}\0`).update(content);
  }
  hash.update(readFileSync(join(root, 'Dockerfile')));
  return `${hash.digest('hex').slice(0, 16)}-${architecture}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(imageTag(process.argv[2] ?? 'arm64'));
