/** The report as one HTML file that needs nothing else: no script, no font, no other host. */
import { places } from '../../core/places.ts';
import { formatCount, formatDuration } from '../output/table.ts';
import { formatLocalTime } from '../output/when.ts';
import { lengthOf, type ReportFacts, type TaskBar } from './facts.ts';
import { html, Html } from './html.ts';
import { drawTimeline } from './timeline.ts';

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d5dae1, #3a4149); --soft: light-dark(#5b6570, #9aa5b1); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem }
p.soft, .soft { color: var(--soft) }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right } td { overflow-wrap: anywhere }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1.2rem }
.cards div { border: 1px solid var(--line); border-radius: 6px; padding: .6rem 1rem; min-width: 8rem }
.cards b { display: block; font-size: 1.3rem }
.axis { position: relative; height: 1.4rem; font-size: .8rem; color: var(--soft) }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap }
.axis span:first-child { transform: none } .axis span:last-child { transform: translateX(-100%) }
svg { border: 1px solid var(--line) }
.waited { fill: light-dark(#dfe4ea, #363d45) } .done { fill: #2f8f4e } .hit { fill: #2f6fb5 } .failed { fill: #c8322b }
.cancelled { fill: #b58a1c } .running { fill: #17a2b8 }
.key span { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 1rem; vertical-align: -1px }
`;

const KEY = [
  ['waited', '#b9c2cc', 'waited'],
  ['done', '#2f8f4e', 'ran'],
  ['hit', '#2f6fb5', 'cache hit'],
  ['failed', '#c8322b', 'failed'],
  ['cancelled', '#b58a1c', 'cancelled'],
  ['running', '#17a2b8', 'runs'],
] as const;

export function formatReport(facts: ReportFacts): string {
  const { scatter, madeMs } = facts;
  const title = scatter.name === '' ? scatter.id : `${scatter.name} (${scatter.id})`;
  const made = formatLocalTime(new Date(madeMs).toISOString());
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        <p class="soft">
          Submitted ${formatLocalTime(scatter.created)}; report of
          ${made}${scatter.ended ? '' : ', while it runs'}.
        </p>
        ${cards(facts)}
        <h2>All tasks</h2>
        <p class="key soft">
          ${KEY.map(([, colour, word]) => html`<span style="background:${colour}"></span>${word}`)}
        </p>
        ${drawTimeline(facts)} ${failures(facts)} ${slowest(facts)} ${cache(facts)} ${cost(facts)}
      </body>
    </html> `;
  return page.text;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

const money = (amount: number, currency: string): string =>
  `${amount.toFixed(amount < 1 ? 4 : 2)} ${currency}`;

function cards({
  scatter,
  startedMs,
  endedMs,
  runMs,
  retried,
  cost: spent,
  used,
}: ReportFacts): Html {
  const counts = places
    .flatMap((place) => (scatter.places[place] ? [`${scatter.places[place]} ${place}`] : []))
    .join(', ');
  const shown: (readonly [string, string])[] = [
    ['tasks', formatCount(scatter.size)],
    ['places', counts],
    ['wall time', formatDuration(endedMs - startedMs)],
    ['run time of all', formatDuration(runMs)],
    ['cache hits', formatCount(scatter.cache_hits)],
    ['retried', formatCount(retried)],
    ['cost, estimated', money(spent.total, spent.currency)],
    ...(used?.memoryShare === undefined
      ? []
      : [['memory used, middle task', percent(used.memoryShare)] as const]),
    ...(used?.cpuShare === undefined ? [] : [['CPU used', percent(used.cpuShare)] as const]),
  ];
  return html`<div class="cards">
    ${shown.map(([name, value]) => html`<div><b>${value}</b><span class="soft">${name}</span></div>`)}
  </div>`;
}

function failures({ failures: found }: ReportFacts): Html {
  if (!found || found.groups.length === 0)
    return html`<h2>Failures</h2>
      <p>No task failed.</p>`;
  const rows = found.groups.map(
    ({ tasks, code, message, examples }) =>
      html`<tr>
        <td class="n">${tasks}</td>
        <td>${code}</td>
        <td>${message}</td>
        <td>${examples.join(' ')}</td>
      </tr>`,
  );
  return html`<h2>Failures</h2>
    <table>
      <thead>
        <tr>
          <th class="n">Tasks</th>
          <th>Reason</th>
          <th>The latest says</th>
          <th>Examples</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`;
}

function slowest({ slowest: bars, madeMs }: ReportFacts): Html | undefined {
  if (bars.length === 0) return undefined;
  const row = (bar: TaskBar): Html =>
    html`<tr>
      <td>${bar.id}</td>
      <td>${bar.name}</td>
      <td>${bar.state}</td>
      <td class="n">${formatDuration((bar.startedMs ?? 0) - bar.createdMs)}</td>
      <td class="n">${formatDuration(lengthOf(bar, madeMs))}</td>
      <td class="n">${bar.attempts}</td>
    </tr>`;
  return html`<h2>Slowest tasks</h2>
    <table>
      <thead>
        <tr>
          <th>Task</th>
          <th>Name</th>
          <th>State</th>
          <th class="n">Waited</th>
          <th class="n">Ran</th>
          <th class="n">Attempts</th>
        </tr>
      </thead>
      <tbody>
        ${bars.map(row)}
      </tbody>
    </table>`;
}

function cache({ cache: explained, scatter }: ReportFacts): Html {
  const groups = explained?.groups ?? [];
  const rows = groups.map(
    ({ tasks, text, example }) =>
      html`<tr>
        <td class="n">${tasks}</td>
        <td>${text}</td>
        <td>${example}</td>
      </tr>`,
  );
  return html`<h2>Call cache</h2>
    <p>${formatCount(scatter.cache_hits)} of ${formatCount(scatter.size)} tasks were cache hits.</p>
    ${
      rows.length === 0
        ? undefined
        : html`<table>
            <thead>
              <tr>
                <th class="n">Tasks</th>
                <th>Why</th>
                <th>Example</th>
              </tr>
            </thead>
            <tbody>
              ${rows}
            </tbody>
          </table>`
    }`;
}

const cost = ({ cost: { total, currency, source }, runMs, used }: ReportFacts): Html =>
  html`<h2>Cost</h2>
    <p>
      ${money(total, currency)} for ${formatDuration(runMs)} of run time, every attempt counted. It
      is an estimate: vCPUs and memory that the tasks asked for, times the prices of ${source} The
      bill has whole hosts, disks, and transfers too.
    </p>
    ${used && html`<p class="soft">What ${used.tasks} tasks used was measured by their hosts.</p>`}`;
