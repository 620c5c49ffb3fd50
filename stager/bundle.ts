/**
 * Bundles the stager into one file: `node stager/bundle.ts [outFile]`, dist/stager.mjs by default.
 */
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Some files of the SDK are CommonJS and require Node's own modules, but an ES module has no
 * `require`.
 */
const banner =
  "import { createRequire as batchwellRequire } from 'node:module'; const require = batchwellRequire(import.meta.url);";

/** Writes the bundle. It needs nothing but Node. */
export async function bundleStager(outFile: string): Promise<void> {
  await build({
    entryPoints: [here('main.ts')],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify: true,
    // Stack traces in a job's log keep their names.
    keepNames: true,
    legalComments: 'none',
    mainFields: ['module', 'main'],
    conditions: ['module'],
    banner: { js: banner },
    logLevel: 'error',
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outFile = process.argv[2] ?? here('../dist/stager.mjs');
  await bundleStager(outFile);
  console.log(`Bundled the stager into ${outFile}.`);
}
