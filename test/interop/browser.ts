/**
 * Packages that run in a browser, installed into .batchwell/interop when the test runs, and
 * Debian's Chromium to run them.
 */
import { build } from 'esbuild';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ownFolder = fileURLToPath(new URL('../../.batchwell/interop', import.meta.url));
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const PLAYWRIGHT = 'playwright-core@1.56.1';

/** The part of playwright-core's Page that the tests use. */
export interface Page {
  goto(url: string): Promise<unknown>;
  waitForFunction(
    expression: string,
    given?: unknown,
    options?: { timeout: number },
  ): Promise<unknown>;
  evaluate<T>(expression: string): Promise<T>;
  locator(selector: string): Locator;
  on(event: 'console', told: (message: { text(): string }) => void): void;
}

interface Locator {
  first(): Locator;
  nth(index: number): Locator;
  locator(selector: string): Locator;
  click(): Promise<void>;
  fill(text: string): Promise<void>;
  count(): Promise<number>;
}

export interface Browser {
  /** Folder with node_modules, for bundling. */
  home: string;
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

/**
 * Never rejects: without a browser or a registry it returns the reason.
 * @param packages npm package names with versions
 */
export async function startBrowser(
  name: string,
  packages: readonly string[],
): Promise<Browser | { why: string }> {
  const executablePath = CHROMIUM.find((path) => existsSync(path));
  if (executablePath === undefined)
    return {
      why: `there is no Chromium here (on Debian: chromium); looked for ${CHROMIUM.join(', ')}`,
    };
  try {
    const home = await install(name, [...packages, PLAYWRIGHT]);
    const { chromium } = (await import(
      pathToFileURL(join(home, 'node_modules/playwright-core/index.mjs')).href
    )) as { chromium: { launch(options: object): Promise<Omit<Browser, 'home'>> } };
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    return { home, newPage: () => browser.newPage(), close: () => browser.close() };
  } catch (error) {
    return { why: `${name} could not be installed or started: ${String(error).slice(0, 400)}` };
  }
}

async function install(name: string, packages: readonly string[]): Promise<string> {
  const home = join(ownFolder, name);
  const stamp = join(home, 'packages');
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === packages.join('\n')) return home;
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'package.json'), '{"private": true}');
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], {
    cwd: home,
  });
  await writeFile(stamp, packages.join('\n'));
  return home;
}

export interface Site {
  url: string;
  close(): void;
}

/** Serves a page whose script is bundled from `script`, at an origin of its own. */
export async function servePage(
  home: string,
  page: { script: string; body: string },
): Promise<Site> {
  const { outputFiles } = await build({
    stdin: { contents: page.script, resolveDir: home },
    bundle: true,
    write: false,
    format: 'esm',
    logLevel: 'error',
  });
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(
      isScript
        ? outputFiles[0]?.text
        : `<!doctype html><title>page</title>${page.body}<script type="module" src="/page.js"></script>`,
    );
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
