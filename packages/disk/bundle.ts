/**
 * For hosts, as the stager's: `disk.mjs` runs on the Node of the host release. The SDK is in files of its
 * own, in the folder `disk` beside it: a start that had to read them took twice as long.
 */
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const entry = fileURLToPath(new URL('main.ts', import.meta.url));

export async function bundleDisk(outfile: string): Promise<void> {
  await build({
    entryPoints: [{ in: entry, out: basename(outfile, '.mjs') }],
    outdir: dirname(outfile),
    outExtension: { '.js': '.mjs' },
    chunkNames: 'disk/[name]-[hash]',
    splitting: true,
    bundle: true,
    platform: 'node',
    // Of the SDK, what is not used is left out; that goes with ES modules only.
    mainFields: ['module', 'main'],
    target: 'node24',
    format: 'esm',
    minify: true,
    legalComments: 'none',
    // The SDK has CommonJS inside, which asks for Node's modules by require.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
}
