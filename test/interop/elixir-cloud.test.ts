/**
 * The web components of @elixir-cloud/tes in headless Chromium, on a page of another origin that
 * cannot send headers.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';
import type { TesTaskFull } from '../../api/schemas/tes.ts';
import { servePage, startBrowser, type Browser, type Page, type Site } from './browser.ts';

const SLOW_MS = 300_000;
/** The list of runs shows a run by the details element, which the page must provide. */
const SCRIPT = [
  'tes/dist/components/runs',
  'tes/dist/components/create-run',
  'design/dist/components/details',
]
  .map((one) => `import '@elixir-cloud/${one}/index.js';`)
  .join('\n');

let browser: Browser | { why: string };
let stack: Stack;
let site: Site;
let tes: string;
beforeAll(async () => {
  browser = await startBrowser('elixir-cloud', ['@elixir-cloud/tes@1.0.1']);
  if ('why' in browser) return;
  const environment = {
    PATH: process.env['PATH'],
    TMPDIR: process.env['TMPDIR'],
    BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    BATCHWELL_TOKENS: 'page:page-token',
  };
  stack = await startStack({ environment });
  tes = `${stack.apiUrl}/t/page-token/ga4gh/tes/v1`;
  site = await servePage(browser.home, {
    script: SCRIPT,
    body: `<ecc-client-ga4gh-tes-create-run baseURL="${tes}"></ecc-client-ga4gh-tes-create-run><ecc-client-ga4gh-tes-runs baseURL="${tes}"></ecc-client-ga4gh-tes-runs>`,
  });
}, SLOW_MS);
afterAll(async () => {
  site?.close();
  if (browser && !('why' in browser)) await browser.close();
  await stack?.stop();
}, SLOW_MS);

const taskOf = async (id: string): Promise<TesTaskFull> =>
  (await fetch(`${tes}/tasks/${id}?view=FULL&wait=30s`)).json() as Promise<TesTaskFull>;

async function untilState(id: string, state: string): Promise<TesTaskFull> {
  for (;;) {
    const task = await taskOf(id);
    if (task.state === state) return task;
    await pause(200);
  }
}

const field = (page: Page, label: string, nth = 0) =>
  page.locator(`sl-input:has(label:text-is("${label}"))`).nth(nth).locator('input').first();

test(
  'the page creates a task by its form, shows its result, and cancels another',
  async ({ skip }) => {
    if ('why' in browser) return skip(browser.why);
    const page = await browser.newPage();
    const complaints: string[] = [];
    // Except for an icon that it loads from elsewhere.
    page.on(
      'console',
      (message) =>
        message.text().includes('ERR_NAME_NOT_RESOLVED') || complaints.push(message.text()),
    );
    await page.goto(site.url);
    await field(page, 'Name').fill('from a page');
    await page.locator('sl-details summary').first().click();
    await field(page, 'Image').fill('debian:stable-slim');
    for (const [at, word] of ['sh', '-c', 'echo hello from a page'].entries()) {
      if (at > 0)
        await page
          .locator('div.array-header:has(label:has-text("Commands")) sl-button')
          .first()
          .click();
      await field(page, 'Command', at).fill(word);
    }
    await page.locator('sl-button[type="submit"]').first().click();
    const form = "document.querySelector('ecc-client-ga4gh-tes-create-run')";
    await page.waitForFunction(`${form}.response.id !== undefined`, undefined, { timeout: 30_000 });
    const id = await page.evaluate<string>(`${form}.response.id`);
    const done = await untilState(id, 'COMPLETE');
    expect(done).toMatchObject({
      name: 'from a page',
      executors: [{ command: ['sh', '-c', 'echo hello from a page'] }],
      logs: [{ logs: [{ exit_code: 0, stdout: 'hello from a page\n' }] }],
    });

    const slow = (await (
      await fetch(`${tes}/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          name: 'slow',
          executors: [{ image: 'debian:stable-slim', command: ['sleep', '300'] }],
        }),
      })
    ).json()) as { id: string };
    await page.goto(site.url);
    const shown =
      "JSON.stringify(document.querySelector('ecc-client-ga4gh-tes-runs').items.map(({ name, tag }) => [name, tag.name]))";
    await page.waitForFunction(
      "document.querySelector('ecc-client-ga4gh-tes-runs').items.length === 2",
      undefined,
      { timeout: 30_000 },
    );
    expect(JSON.parse(await page.evaluate<string>(shown))).toEqual([
      [slow.id, expect.stringMatching(/QUEUED|RUNNING/)],
      [id, 'COMPLETE'],
    ]);
    await page.locator('ecc-utils-design-collection sl-details div.title').first().click();
    await page.locator('ecc-utils-design-details sl-button:has-text("Delete")').first().click();
    await untilState(slow.id, 'CANCELED');
    expect(complaints).toEqual([]);
  },
  SLOW_MS,
);
