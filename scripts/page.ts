/**
 * Bundles the page at `/` into web/built/, which is in the repository: an installation needs neither
 * a build step nor a bundler ([ADR 0044](../docs/adr/0044-page.md)).
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path: string): string => fileURLToPath(new URL(`../web/${path}`, import.meta.url));

/** Texts by the names of their files. The same sources always give the same texts. */
export async function pageFiles(): Promise<Record<string, string>> {
  const { outputFiles } = await build({
    entryPoints: { app: at('main.tsx'), 'app.style': at('style.css') },
    outdir: at('built'),
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: ['chrome111', 'firefox115', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'error',
    tsconfigRaw: '{}',
  });
  const textOf = (end: string): string =>
    outputFiles.find(({ path }) => path.endsWith(end))?.text ?? '';
  return {
    'app.js': textOf('app.js'),
    'app.css': textOf('app.style.css'),
    'index.html': await readFile(at('index.html'), 'utf8'),
  };
}

export async function writePage(): Promise<void> {
  await mkdir(at('built'), { recursive: true });
  for (const [name, text] of Object.entries(await pageFiles()))
    await writeFile(at(`built/${name}`), text);
}
