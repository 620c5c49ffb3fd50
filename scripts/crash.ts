/**
 * `npm run test:crash -- [--seeds 1000] [--from 1]`: the long crash run. Plays stories one after the other and sums them
 * up in a report; a run that was broken off goes on with `--from`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

interface Told {
  seed: number;
  kills: number;
  bites: number;
  spotLosses: number;
  submitJobs: number;
  tasks: number;
  emptied: boolean;
  cut: boolean;
  restarts: number;
}

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '1000' }, from: { type: 'string', default: '1' } } });
for (const [name, text] of Object.entries(values)) {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--${name} ${JSON.stringify(text)}: expected a whole number from 1 on.`);
}

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = fileURLToPath(new URL('../.batchwell', import.meta.url));
const report = `${folder}/crash-${values.from}-${Date.now()}.jsonl`;
mkdirSync(folder, { recursive: true });

const { status } = spawnSync(process.execPath, ['scripts/test.ts', 'test/crash/seeds.test.ts'], {
  cwd: root, stdio: 'inherit', env: { ...process.env, BATCHWELL_CRASH_SEEDS: values.seeds, BATCHWELL_CRASH_FROM: values.from, BATCHWELL_CRASH_REPORT: report },
});

const told = existsSync(report) ? readFileSync(report, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Told) : [];
const sum = (of: (one: Told) => number): number => told.reduce((total, one) => total + of(one), 0);
console.log(`
stories that held     ${told.length} of ${values.seeds}
tasks                 ${sum(({ tasks }) => tasks)}
workers killed        ${sum(({ kills }) => kills)}
faults that bit       ${sum(({ bites }) => bites)}
hosts lost            ${sum(({ spotLosses }) => spotLosses)}
Redis emptied         ${sum(({ emptied }) => Number(emptied))} times
connections cut       ${sum(({ cut }) => Number(cut))} times
Redis or MariaDB      ${sum(({ restarts }) => restarts)} times killed and started again
SubmitJob requests    ${sum(({ submitJobs }) => submitJobs)}
report                ${report.slice(root.length)}`);
process.exitCode = status ?? 1;
