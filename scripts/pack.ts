/**
 * Builds what `npm pack` packs into dist/npm: JavaScript, because Node runs no TypeScript below
 * node_modules, in the folders of the sources, so that paths between files hold. npm runs it as prepack.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundleStager } from '../stager/bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = join(root, 'dist/npm');

/** What the programs read at run time besides modules. */
const ASSETS = [
  'db/migrations',
  'cli/demo/merge.awk',
  'cli/demo/shard.awk',
  'cromwell/batchwell-alive',
  'cromwell/batchwell-kill',
  'cromwell/batchwell-submit',
  'web/built',
];

/** A Node of its own where the machine's is too old, as in a clone (scripts/setup.mjs). */
const BIN = `#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major > 22 || (major === 22 && minor >= 18)) await import(main);
else {
  const program = ownNode();
  if (program === undefined) {
    console.error(
      \`Batchwell needs Node 22.18 or later. This is \${process.version}, and npm has installed no other one. \` +
        'Install Node 24 from nodejs.org, then try again.',
    );
    process.exit(1);
  }
  const child = spawn(program, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both; the child decides.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  child.once('error', (error) => {
    console.error(\`\${program} could not start: \${error.message}\`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}

function ownNode() {
  const name = \`node-\${process.platform}-\${process.arch}\`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(\`\${name}/package.json\`)), 'bin/node');
  } catch {
    return undefined;
  }
}
`;

/** Of bundle.ts in the package: esbuild is not there, and the stager was bundled when it was packed. */
const PACKED_BUNDLE = `import { copyFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const bundleStager = (outFile) =>
  copyFile(fileURLToPath(new URL('stager.mjs', import.meta.url)), outFile);
`;

async function write(path: string, text: string, mode = 0o644): Promise<void> {
  const file = join(built, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text, { mode });
}

await rm(built, { recursive: true, force: true });
await promisify(execFile)(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.pack.json')],
  { cwd: root },
);
for (const asset of ASSETS) await cp(join(root, asset), join(built, asset), { recursive: true });
await bundleStager(join(built, 'stager/stager.mjs'));
await write('stager/bundle.js', PACKED_BUNDLE);
await write('bin/batchwell.mjs', BIN, 0o755);
const { name, version, type } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  name: string;
  version: string;
  type: string;
};
await write('package.json', `${JSON.stringify({ name, version, type, private: true }, null, 2)}\n`);
console.error('Built dist/npm.');
