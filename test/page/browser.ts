/** Debian's Chromium, and a page of it in which a test does what a person does. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import { expect } from 'vitest';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function startBrowser(): Promise<Browser> {
  const executablePath = CHROMIUM.find((path) => existsSync(path));
  if (executablePath === undefined)
    throw new Error(
      `There is no Chromium at ${CHROMIUM.join(', ')}. On Debian: apt-get install chromium.`,
    );
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

export interface Visit {
  page: Page;
  /** What the browser complained about: errors of scripts, and what the security policy refused. */
  complaints: string[];
  /** URLs of all requests. */
  requests: string[];
}

/** Nothing went wrong in the browser, nothing came from elsewhere, and the token is in no URL. */
export async function endVisit(
  { page, complaints, requests }: Visit,
  { origin, token }: { origin: string; token: string },
): Promise<void> {
  await page.context().close();
  expect(complaints, 'errors in the browser').toEqual([]);
  const isOwn = (url: string): boolean => url.startsWith(origin) || url.startsWith('data:');
  expect(requests.filter((url) => !isOwn(url) || url.includes(token))).toEqual([]);
}

/** Longest time that a person would wait for anything. */
const PATIENCE_MS = 30_000;

export async function openPage(
  browser: Browser,
  theme: 'light' | 'dark' = 'light',
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 860 },
    colorScheme: theme,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const visit: Visit = { page, complaints: [], requests: [] };
  page.on('pageerror', (error) => visit.complaints.push(error.message));
  page.on('console', (message) => {
    // The browser itself reports each reply that is not 2xx: the first one is the 401 before the login.
    if (message.type() === 'error' && !message.text().includes('status of 4'))
      visit.complaints.push(message.text());
  });
  page.on('request', (request) => visit.requests.push(request.url()));
  return visit;
}

export async function logIn({ page }: Visit, url: string, token: string): Promise<void> {
  await page.goto(url);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
}

interface AxeResults {
  violations: { id: string; help: string; nodes: { html: string }[] }[];
}

/** Nothing that WCAG 2.2 A and AA, as far as a program can check them, refuses. */
export async function expectAccessible({ page }: Visit, view: string): Promise<void> {
  // An expression of the debugger is not bound by the policy of the page.
  await page.evaluate(axe.source);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const results = await page.evaluate<AxeResults>(
    `axe.run(document, { runOnly: ${JSON.stringify(tags)} })`,
  );
  const found = results.violations.map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html ?? ''}`,
  );
  expect(found, view).toEqual([]);
}

const folder = fileURLToPath(new URL('../../.batchwell/page', import.meta.url));

/** For people to look at: in .batchwell/page. */
export async function picture({ page }: Visit, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}
