/**
 * Draws dashboards with Grafana's own panel components in Chromium. These packages are large, so they
 * are a package of their own: ops/observability.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { opsPath, readOps } from '../ops-files.ts';
import type { DashboardFile, Span } from './panel-data.ts';

export interface Drawn {
  uid: string;
  /** Panels that were drawn. */
  panels: number;
  /** What the components or the page threw. */
  errors: string[];
  /** Titles of panels without data. */
  empty: string[];
}

/** The part of playwright-core that is used here; its types are in the other package. */
interface Browser {
  newPage(options: { viewport: { width: number; height: number } }): Promise<Page>;
  close(): Promise<void>;
}
interface Page {
  on(event: 'pageerror', listener: (error: Error) => void): void;
  goto(url: string): Promise<unknown>;
  waitForSelector(selector: string): Promise<unknown>;
  waitForTimeout(ms: number): Promise<void>;
  evaluate<T>(script: string): Promise<T>;
  screenshot(options: { path: string; fullPage: boolean }): Promise<unknown>;
  close(): Promise<void>;
}
interface Playwright {
  chromium: { launch(options: { executablePath: string; args: string[] }): Promise<Browser> };
}

const PACKAGE = opsPath('ops/observability/package.json');
/** Grafana's application has it among its global styles. */
const UPLOT_STYLE = opsPath('ops/observability/node_modules/uplot/dist/uPlot.min.css');
const CHROMIUM = '/usr/bin/chromium';
const WIDTH = 1600;
/** uPlot draws in the frame after the size is known. */
const SETTLE_MS = 1500;
/**
 * In the documentation, with the rows closed that Grafana shows closed. Written with
 * `npm run test:observability -- --pictures`.
 */
const IN_DOCS = new Map([
  ['batchwell-overview', 'docs/images/overview.png'],
  ['batchwell-heavy-scatter', 'docs/images/heavy-scatter.png'],
]);

export async function draw(dashboards: readonly DashboardFile[], span: Span): Promise<Drawn[]> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-dashboards-'));
  const pictures = process.env['BATCHWELL_PICTURES'] ?? folder;
  await mkdir(pictures, { recursive: true });
  await writeFile(join(pictures, 'data.json'), JSON.stringify({ dashboards, span }));
  const { chromium } = createRequire(PACKAGE)('playwright-core') as Playwright;
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  try {
    await bundlePage(folder);
    const drawn: Drawn[] = [];
    for (const dashboard of dashboards) {
      const whole = { dashboard, ...span, open: true };
      drawn.push(await drawOne(browser, folder, whole, join(pictures, `${dashboard.uid}.png`)));
      const path = IN_DOCS.get(dashboard.uid);
      if (path !== undefined && process.env['BATCHWELL_DOC_PICTURES'] === 'yes')
        await drawOne(browser, folder, { ...whole, open: false }, opsPath(path));
    }
    return drawn;
  } finally {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const bundlePage = (folder: string): Promise<unknown> =>
  build({
    entryPoints: [opsPath('ops/observability/page.jsx')],
    outfile: join(folder, 'page.js'),
    bundle: true,
    format: 'iife',
    jsx: 'automatic',
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
    loader: {
      '.svg': 'dataurl',
      '.woff2': 'dataurl',
      '.woff': 'dataurl',
      '.png': 'dataurl',
      '.ttf': 'dataurl',
    },
  });

interface PageData extends Span {
  dashboard: DashboardFile;
  open: boolean;
}

async function drawOne(
  browser: Browser,
  folder: string,
  data: PageData,
  picture: string,
): Promise<Drawn> {
  const html = join(folder, 'page.html');
  const json = JSON.stringify({ ...data, width: WIDTH }).replaceAll('<', '\\u003c');
  await writeFile(
    html,
    `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="file://${UPLOT_STYLE}"><div id="dashboard"></div>` +
      `<script>window.dashboardData=${json}</script><script src="page.js"></script>`,
  );
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 900 } });
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`file://${html}`);
  await page.waitForSelector('.drawn-panel').catch((error: unknown) => errors.push(String(error)));
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: picture, fullPage: true });
  const textOf = (selector: string, field: string): Promise<string[]> =>
    page.evaluate(`[...document.querySelectorAll('${selector}')].map((one) => one.${field})`);
  const drawn = {
    uid: data.dashboard.uid,
    panels: (await textOf('.drawn-panel', 'className')).length,
    errors: [...errors, ...(await textOf('.drawing-error', 'textContent'))],
    empty: await textOf('.no-data', 'dataset.panel'),
  };
  await page.close();
  return drawn;
}

/** The values of an enum in place of its members, as JSON has them. */
const LOOSE =
  'type Loose<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Loose<T[K]> } : T;\n';

/** What the TypeScript compiler says of the files as `Dashboard` of @grafana/schema; '' when nothing. */
export async function checkSchema(uids: readonly string[]): Promise<string> {
  const folder = opsPath('ops/observability/node_modules/.batchwell');
  const file = join(folder, 'schema.ts');
  const source = uids.map(
    (uid, at) =>
      `export const dashboard${at}: Loose<Dashboard> = ${readOps(`ops/grafana/dashboards/${uid}.json`)};\n`,
  );
  await mkdir(folder, { recursive: true });
  await writeFile(
    file,
    `import type { Dashboard } from '@grafana/schema';\n${LOOSE}${source.join('')}`,
  );
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig'];
  const modules = ['--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'esnext'];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [opsPath('node_modules/typescript/bin/tsc'), ...options, ...modules, file],
    { encoding: 'utf8' },
  );
  return stdout + stderr;
}
