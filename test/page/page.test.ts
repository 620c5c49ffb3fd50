/** The page in Chromium, used as a person would use it, on a whole fleet. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Browser } from 'playwright-core';
import { openClient, type Client } from '../../packages/client/client.ts';
import type { Stack } from '../../cli/stack.ts';
import { startTaskStack } from '../flow/stack-tasks.ts';
import {
  endVisit,
  expectAccessible,
  logIn,
  openPage,
  picture,
  startBrowser,
  type Visit,
} from './browser.ts';

vi.setConfig({ testTimeout: 180_000 });

const TOKEN = 'ada-long-secret-token';

let stack: Stack;
let browser: Browser;
let client: Client;
const visits: Visit[] = [];

beforeAll(async () => {
  [stack, browser] = await Promise.all([
    startTaskStack({ BATCHWELL_TOKENS: `ada:${TOKEN}`, BATCHWELL_CACHE: 'readwrite' }),
    startBrowser(),
  ]);
  client = openClient({ url: stack.apiUrl, token: TOKEN });
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});
afterEach(async () => {
  for (const one of visits.splice(0)) await endVisit(one, { origin: stack.apiUrl, token: TOKEN });
});

async function visit(theme: 'light' | 'dark' = 'light'): Promise<Visit> {
  const one = await openPage(browser, theme);
  visits.push(one);
  await logIn(one, stack.apiUrl, TOKEN);
  return one;
}

const setPaused = (stage: string, paused: boolean) =>
  fetch(`${stack.apiUrl}/v1/stages/${stage}:${paused ? 'pause' : 'resume'}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: '{}',
  });

const scatter = (name: string, rows: number, command: string, more: object = {}) =>
  client.submitScatter(
    {
      name,
      template: {
        name: `${name}-{{n}}`,
        executors: [{ image: 'debian:stable-slim', command: ['sh', '-c', command] }],
        ...more,
      },
      rows: Array.from({ length: rows }, (_, n) => ({ n })),
      tags: { run: 'night-7' },
    },
    { ids: true },
  );

/** Every third one fails with a message on stderr. */
const SOME_FAIL =
  'echo "calling {{n}}"; if [ $(( {{n}} % 3 )) = 0 ]; then ' +
  'echo "Traceback: chromosome {{n}} is not in the index" >&2; exit 3; fi';

describe('a person', () => {
  test('logs in, and the token is in the tab alone', async () => {
    const opened = await openPage(browser);
    visits.push(opened);
    const { page } = opened;
    await page.goto(stack.apiUrl);
    await page.getByLabel('Token').fill('not-a-token');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').getByText('The token is unknown.').waitFor();
    await expectAccessible(opened, 'login');
    await picture(opened, 'login');
    await logIn(opened, stack.apiUrl, TOKEN);
    expect(page.url()).not.toContain(TOKEN);
    expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie')).not.toContain(
      TOKEN,
    );
    await page.reload();
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Token').waitFor();
    expect(await page.evaluate('JSON.stringify(sessionStorage)')).toBe('{}');
  });

  test('finds a scatter, sees it move, reads why a task failed, and retries the failed ones', async () => {
    const opened = await visit();
    const { page } = opened;
    const made = await scatter('call-variants', 12, SOME_FAIL);
    await page.getByRole('link', { name: 'Scatters', exact: true }).click();
    await page.getByRole('link', { name: 'call-variants', exact: true }).click();
    // It ends without a reload.
    await page.getByText('12 of 12 (100 %)').waitFor({ timeout: 60_000 });
    const failures = page.getByRole('group', { name: 'Failures by reason' });
    await failures.getByText('executor-failed').waitFor();
    await failures.getByText('The command exited with code 3.').waitFor();
    await expectAccessible(opened, 'scatter');
    await picture(opened, 'scatter');

    await failures
      .getByRole('link', { name: /^task-/ })
      .first()
      .click();
    await page.getByText('The end of stderr').waitFor();
    await page.getByText(/Traceback: chromosome \d+ is not in the index/).waitFor();
    await expectAccessible(opened, 'task');
    await picture(opened, 'task');
    await page.getByRole('tab', { name: 'Logs' }).click();
    await page
      .getByRole('log')
      .getByText(/Traceback: chromosome/)
      .waitFor();
    await page.getByText('The task has ended. This is all.').waitFor();
    await page.getByRole('button', { name: 'stdout' }).click();
    await page
      .getByRole('log')
      .getByText(/calling \d+/)
      .waitFor();
    for (const [tab, text] of [
      ['Script', 'chromosome'],
      ['Cache', 'Not cached'],
      ['Files', 'Inputs'],
      ['Attempts', 'Batch job'],
    ] as const) {
      await page.getByRole('tab', { name: tab }).click();
      await page.getByRole('tabpanel').getByText(text).first().waitFor();
      await expectAccessible(opened, tab);
    }

    await page.goBack();
    await page.getByRole('button', { name: 'Retry the failed tasks' }).click();
    await page.getByRole('dialog').getByText('Retry 4 tasks?').waitFor();
    await expectAccessible(opened, 'dialog');
    await page.getByRole('dialog').getByRole('button', { name: 'Retry the failed tasks' }).click();
    await page.getByRole('heading', { name: 'call-variants (retry)' }).waitFor();
    await page.getByRole('link', { name: made.id }).waitFor();
    await page.getByText('4 of 4 (100 %)').waitFor({ timeout: 60_000 });
    expect((await client.scatter(made.id)).places).toMatchObject({ done: 8, failed: 4 });
  });

  test('follows the log of a task while it runs, and cancels it', async () => {
    const opened = await visit();
    const { page } = opened;
    const id = await client.submit({
      name: 'counts',
      executors: [
        {
          image: 'debian:stable-slim',
          command: ['sh', '-c', 'n=0; while :; do n=$((n+1)); echo "line $n"; sleep 0.3; done'],
        },
      ],
    });
    await page.getByRole('searchbox').fill(id.id);
    await page.getByRole('searchbox').press('Enter');
    await page.getByRole('heading', { name: /^counts/ }).waitFor();
    await page.getByRole('tab', { name: 'Logs' }).click();
    await page.getByRole('log').getByText('line 3').waitFor({ timeout: 60_000 });
    await page.getByRole('log').getByText('line 12').waitFor();
    await picture(opened, 'log');
    await page.getByRole('button', { name: 'Cancel the task' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Cancelled by its caller.').waitFor();
    expect((await client.get(id.id)).state).toBe('CANCELED');
  });

  test('pauses a stage, sees that it is paused, and resumes it', async () => {
    const opened = await visit();
    const { page } = opened;
    await page.getByRole('link', { name: 'Fleet', exact: true }).first().click();
    await page.getByRole('button', { name: 'Pause finalize' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await page.getByText('finalize is paused.').waitFor();
    await page.getByRole('button', { name: 'Resume finalize' }).waitFor();
    const made = await scatter('joint-calls', 3, 'echo {{n}}');
    await page.getByRole('link', { name: 'Overview', exact: true }).click();
    await page.getByText('The stage finalize is paused.').waitFor();
    await page.getByText('3 tasks at finalize: the stage is paused.').waitFor({ timeout: 60_000 });
    await expectAccessible(opened, 'overview');
    await page.goto(`${stack.apiUrl}/#/fleet`);
    await picture(opened, 'fleet');
    await expectAccessible(opened, 'fleet');
    await page.getByRole('button', { name: 'Resume finalize' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause finalize' }).waitFor();
    expect((await client.waitForScatter(made.id)).places.done).toBe(3);
  });

  test('drains the worker and lets it work again', async () => {
    const { page } = await visit();
    await page.goto(`${stack.apiUrl}/#/fleet`);
    const workers = page.getByRole('group', { name: 'Workers' });
    await workers.getByRole('button', { name: /^Drain/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click();
    await workers.getByText('drained', { exact: true }).waitFor();
    const made = await client.submit({
      executors: [{ image: 'debian:stable-slim', command: ['true'] }],
    });
    await page.getByText('no worker').first().waitFor();
    expect((await client.get(made.id)).state).toBe('QUEUED');
    await workers.getByRole('button', { name: /^Resume/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click();
    expect((await client.waitFor(made.id)).state).toBe('COMPLETE');
  });

  test('creates a token, which is shown once, and revokes it', async () => {
    const opened = await visit();
    const { page } = opened;
    await page.getByRole('link', { name: 'Admin', exact: true }).click();
    await page.getByLabel('Owner').fill('grace');
    await page.getByLabel('Name', { exact: true }).fill('laptop');
    await page.getByRole('button', { name: 'Create token' }).click();
    const token = await page.locator('.made code').innerText();
    expect(token).toMatch(/^bw_[\w-]{43}$/);
    await expectAccessible(opened, 'admin');
    const grace = openClient({ url: stack.apiUrl, token });
    expect((await grace.list()).tasks).toEqual([]);
    await page.getByRole('button', { name: 'Hide' }).click();
    await page.getByRole('button', { name: /^Revoke token \d+ of grace/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await page.getByText(/^revoked/).waitFor();
  });
});

test('the keyboard alone leads from the login to the log of a failed task', async () => {
  await client.waitForScatter((await scatter('by-keyboard', 1, SOME_FAIL)).id);
  const opened = await openPage(browser);
  visits.push(opened);
  const { page } = opened;
  const focused = () =>
    page.evaluate<string>(
      '(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent).trim()',
    );
  /** Presses Tab until the wanted element has the focus. */
  const tabTo = async (wanted: string): Promise<void> => {
    for (let presses = 0; presses < 80; presses += 1) {
      if ((await focused()) === wanted) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`Tab does not reach ${wanted}.`);
  };
  await page.goto(stack.apiUrl);
  await page.getByLabel('Token').waitFor();
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
  await page.getByRole('link', { name: 'by-keyboard' }).waitFor();
  await tabTo('by-keyboard');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'by-keyboard', level: 1 }).waitFor();
  await page.getByRole('group', { name: 'Tasks' }).getByRole('link', { name: '#0' }).waitFor();
  await tabTo('#0');
  await page.keyboard.press('Enter');
  await page.getByRole('tab', { name: 'Timeline' }).waitFor();
  await tabTo('Timeline');
  await page.keyboard.press('ArrowRight');
  await page.getByRole('log').getByText('Traceback: chromosome 0').waitFor();
  expect(await focused()).toBe('Logs');
});

test('a scatter of 10,000 tasks stays quick, page by page', async () => {
  const { page } = await visit();
  await setPaused('submit', true);
  const made = await scatter('wide', 10_000, 'echo {{n}}');
  await page.goto(`${stack.apiUrl}/#/scatters/${made.id}`);
  await page.getByText('0 of 10,000 (0 %)').waitFor();
  await page.getByRole('link', { name: '#9999' }).waitFor();
  await page.getByRole('button', { name: 'Older' }).click();
  await page.getByRole('link', { name: '#9949' }).waitFor();
  expect(await page.locator('tr').count()).toBeLessThan(200);
  await page.getByLabel('Name begins with').fill('wide-77');
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.getByRole('link', { name: '#7799' }).waitFor();
  await client.cancelMany({ scatter: made.id });
  await setPaused('submit', false);
  await page.getByText('10,000 of 10,000 (100 %)').waitFor({ timeout: 60_000 });
});

describe('the questions of an operator', () => {
  test('each is answered on the overview, within two minutes', async () => {
    const name = 'align-reads';
    const outputs = [{ url: `s3://${stack.bucket}/out/{{n}}`, path: '/out' }];
    const once = async () => {
      const made = await scatter(name, 6, 'echo {{n}} > /out', { outputs });
      await client.waitForScatter(made.id);
    };
    await once();
    await once();
    await scatter('joint-calls', 60, 'sleep 2; echo {{n}}', {
      resources: { cpu_cores: 1, ram_gb: 1 },
    });
    const startedMs = Date.now();
    const opened = await visit();
    const { page } = opened;
    const card = (title: string) => page.getByRole('region', { name: title });
    await page.getByText(/^(Everything works|Something)/).waitFor();
    await card('When is the backlog gone?')
      .getByText(/^(in \d|within a minute)/)
      .waitFor({ timeout: 60_000 });
    await card('Which stage holds it up?')
      .getByText(/they wait in AWS Batch/)
      .waitFor();
    await card('Is it AWS Batch or us?')
      .getByText(/^AWS Batch: \d+ tasks? waits? there|^AWS Batch/)
      .waitFor();
    await card('What did the cache save?')
      .getByText(/^6 hits saved/)
      .waitFor();
    await card('What does it cost?')
      .getByText(/an hour, as it runs now/)
      .waitFor({ timeout: 60_000 });
    await card('Who uses it?').getByRole('row', { name: /^ada/ }).waitFor();
    const slow = card('What is slow? The oldest unfinished tasks');
    await slow
      .getByRole('link', { name: /^task-/ })
      .first()
      .waitFor();
    await picture(opened, 'overview');
    await expectAccessible(opened, 'overview');
    // Why does this task wait? The box at its top says so.
    await setPaused('stage-script', true);
    const { id } = await client.submit({
      name: 'waits',
      executors: [{ image: 'alpine:3', command: ['never-seen-before'] }],
    });
    await page.goto(`${stack.apiUrl}/#/tasks/${id}`);
    await page.getByText('An administrator paused the stage stage-script.').waitFor();
    await picture(opened, 'waiting-task');
    await client.cancel(id);
    await setPaused('stage-script', false);
    expect(Date.now() - startedMs).toBeLessThan(120_000);

    const dark = await visit('dark');
    await dark.page.getByText('What does it cost?').waitFor();
    await dark.page.getByText('joint-calls').first().waitFor();
    await picture(dark, 'overview-dark');
    await expectAccessible(dark, 'overview, dark');
  });
});
