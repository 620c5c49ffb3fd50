/** @batchwell/client in a page of another origin, in headless Chromium. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../../cli/stack.ts';
import { servePage, startBrowser, type Browser, type Site } from './browser.ts';

const SLOW_MS = 300_000;
const client = fileURLToPath(new URL('../../packages/client/client.ts', import.meta.url));

let browser: Browser | { why: string };
let stack: Stack;
let site: Site;
beforeAll(async () => {
  browser = await startBrowser('client-browser', []);
  if ('why' in browser) return;
  const environment = {
    PATH: process.env['PATH'],
    TMPDIR: process.env['TMPDIR'],
    BATCHWELL_RUN: process.env['BATCHWELL_RUN'],
    BATCHWELL_TOKENS: 'page:page-token',
  };
  stack = await startStack({ environment });
  const script = `
    import { BatchwellError, openClient } from ${JSON.stringify(client)};
    const client = openClient({ url: ${JSON.stringify(stack.apiUrl)}, token: 'page-token' });
    const collect = async (items) => {
      const all = [];
      for await (const one of items) all.push(one);
      return all;
    };
    window.story = (async () => {
      const refused = await client.submit({ executors: [] })
        .catch((error) => error instanceof BatchwellError && error.problems.map(({ field }) => field));
      const image = 'debian:stable-slim';
      const command = ['sh', '-c', 'echo one; sleep 2; echo two'];
      const { id } = await client.submit({ name: 'from a page', executors: [{ image, command }] });
      const [events, log] = await Promise.all([
        collect(client.events({ task: id })), collect(client.followLog(id)),
      ]);
      const template = { executors: [{ image, command: ['echo', '{{word}}'] }] };
      const scatter = await client.submitScatter({ template, rows: [{ word: 'a' }, { word: 'b' }] });
      const ended = await client.waitForScatter(scatter.id);
      return {
        refused,
        states: events.map(({ data }) => data.state),
        log: log.map(({ text }) => text ?? '').join(''),
        ended: ended.states.COMPLETE,
        tasks: (await collect(client.scatterTasks(scatter.id))).length,
      };
    })().then((outcome) => JSON.stringify(outcome), (error) => 'failed: ' + error.stack);
    window.story.then((outcome) => { window.outcome = outcome; });`;
  site = await servePage(browser.home, { script, body: '' });
}, SLOW_MS);
afterAll(async () => {
  site?.close();
  if (browser && !('why' in browser)) await browser.close();
  await stack?.stop();
}, SLOW_MS);

test(
  'a page submits a task, follows its events and log, and waits for a scatter',
  async ({ skip }) => {
    if ('why' in browser) return skip(browser.why);
    const page = await browser.newPage();
    await page.goto(site.url);
    await page.waitForFunction('window.outcome !== undefined', undefined, { timeout: SLOW_MS });
    const outcome = JSON.parse(await page.evaluate<string>('window.outcome'));
    expect(outcome).toMatchObject({
      refused: ['executors'],
      log: 'one\ntwo\n',
      ended: 2,
      tasks: 2,
    });
    expect([outcome.states[0], outcome.states.at(-1)]).toEqual(['QUEUED', 'COMPLETE']);
  },
  SLOW_MS,
);
