/** The docs name only what exists. Each check is also given a wrong name, and must find it. */
import { Command } from 'commander';
import { PassThrough, Readable } from 'node:stream';
import { beforeAll, expect, it, vi } from 'vitest';
import { runCli } from '../../cli/command-line.ts';
import { settings } from '../../config.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import {
  brokenAnchors,
  brokenLinks,
  docs,
  logEvents,
  unknownAlerts,
  unknownCommands,
  unknownEvents,
  unknownFiles,
  unknownFunctions,
  unknownMetrics,
  unknownOptions,
  unknownRoutes,
  unknownScripts,
  unknownSettings,
  type Doc,
  type Known,
} from '../docs-statements.ts';
import { alertNames, readOps } from '../ops-files.ts';

let known: Known;

beforeAll(async () => {
  known = {
    settings: new Set(Object.values(settings).map(({ variable }) => variable)),
    metrics: await metricsOffered(),
    alerts: new Set(alertNames),
    program: await readProgram(),
  };
});

/** A histogram is three series. */
async function metricsOffered(): Promise<Set<string>> {
  const families = await createMetrics().registry.getMetricsAsJSON();
  const recorded = [...readOps('ops/prometheus/recording.yml').matchAll(/record: (\S+)/g)];
  return new Set([
    ...recorded.map(([, name]) => name ?? ''),
    ...families.flatMap(({ name }) => ['', '_bucket', '_sum', '_count'].map((part) => name + part)),
  ]);
}

/** The program as runCli makes it, caught before it parses. */
async function readProgram(): Promise<Command> {
  const parse = vi.spyOn(Command.prototype, 'parseAsync').mockResolvedValue(new Command());
  await runCli([], {
    input: Readable.from([]),
    out: new PassThrough(),
    err: new PassThrough(),
    errIsLive: false,
    outIsLive: false,
    columns: 80,
    colour: false,
    errColour: false,
    environment: {},
    interrupted: new AbortController().signal,
  });
  const [program] = parse.mock.contexts;
  parse.mockRestore();
  if (!(program instanceof Command)) throw new Error('runCli did not parse anything.');
  return program;
}

interface Check {
  what: string;
  find(doc: Doc): string[];
  wrong: string;
  right: string;
}

const checks: readonly Check[] = [
  {
    what: 'setting',
    find: (doc) => unknownSettings(doc, known),
    wrong: 'Set `BATCHWELL_POLL_SECONDS` to 5.',
    right: 'Set `BATCHWELL_POLL_MS` to 5000.',
  },
  {
    what: 'metric',
    find: (doc) => unknownMetrics(doc, known),
    wrong: '`batchwell_tasks_lost_total` rises.',
    right: '`batchwell_job_events_total` rises.',
  },
  {
    what: 'alert',
    find: (doc) => unknownAlerts(doc, known),
    wrong: 'BatchwellCoffeeCold fires.',
    right: 'BatchwellNoWorkers fires.',
  },
  {
    what: 'log event or code',
    find: unknownEvents,
    wrong: 'See the log for `sweep-was-refused`.',
    right: 'See the log for `message-failed`.',
  },
  {
    what: 'function',
    find: unknownFunctions,
    wrong: '`noteFingerprintsTwice` writes them; `client.submitEverything()` sends them.',
    right: '`acceptTasks` writes them; `client.submitMany()` sends them.',
  },
  {
    what: 'file',
    find: unknownFiles,
    wrong: 'See `core/submission/queue-looks.ts`.',
    right: 'See `core/submission/poll-pace.ts` and `core/`.',
  },
  {
    what: 'route',
    find: unknownRoutes,
    wrong: 'See `POST /v1/tasks:cancel-all`.',
    right: 'See `GET /v1/webhooks/{id}/deliveries?state=dead` and `POST /v1/tasks:cancel`.',
  },
  {
    what: 'npm script',
    find: unknownScripts,
    wrong: 'Run `npm run demonstrate`.',
    right: 'Run `npm run demo`, then `npm test`.',
  },
  {
    what: 'command',
    find: (doc) => unknownCommands(doc, known),
    wrong: 'Ask `batchwell explain TASK`.',
    right: 'Ask `batchwell cache explain TASK [OTHER]`.',
  },
  {
    what: 'option of a command',
    find: (doc) => unknownCommands(doc, known),
    wrong: '```sh\nbatchwell logs TASK --backwards\n```',
    right: '```sh\nbatchwell logs TASK --stderr --json  # the last lines\n```',
  },
  {
    what: 'option',
    find: (doc) => unknownOptions(doc, known),
    wrong: 'With `--backwards` it begins at the end.',
    right: 'With `--follow` it goes on.',
  },
  {
    what: 'relative link',
    find: brokenLinks,
    wrong: '[the runbook](docs/run-book.md)',
    right: '[the API](docs/api.md)',
  },
  {
    what: 'link to a heading',
    find: brokenAnchors,
    wrong: '[alerts](docs/runbook.md#no-such-heading)',
    right: '[stuck](docs/runbook.md#a-task-is-stuck-how-to-find-out-why)',
  },
];

for (const { what, find, wrong, right } of checks) {
  it.each(docs)(`$path names no ${what} that does not exist`, (doc) => {
    expect(find(doc)).toEqual([]);
  });

  it(`a doc that names a wrong ${what} is refused, and one that names a right one is accepted`, () => {
    expect(find({ path: 'README.md', text: wrong })).not.toEqual([]);
    expect(find({ path: 'README.md', text: right })).toEqual([]);
  });
}

it('the scan for log events finds them in the code', () => {
  expect(logEvents).toContain('message-failed');
  expect(logEvents.size).toBeGreaterThan(30);
});
