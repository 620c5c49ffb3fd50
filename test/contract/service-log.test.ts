/** What a service writes to its standard error: one JSON object per line, and nothing else. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Ran {
  code: number | null;
  lines: Record<string, unknown>[];
}

/** Rejects when a line is not JSON. */
async function runNode(args: string[], environment: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stderr.on('data', (part: Buffer) => (text += part.toString('utf8')));
  const [code] = (await once(child, 'close')) as [number | null];
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, lines };
}

const inService = (script: string): string[] => [
  '--input-type=module',
  '-e',
  `import { createLog } from './telemetry/log.ts';
   import { catchOtherOutput, followLevelSignal } from './telemetry/one-line-each.ts';
   const log = createLog({ level: 'info', name: 'x' });
   catchOtherOutput(log, (code) => process.exit(code));
   followLevelSignal(log);
   ${script}`,
];

test('what Node and libraries print, and the error that ends a service, are lines of its log', async () => {
  const { code, lines } = await runNode(
    inService(`
      console.warn('socket usage', 7);
      process.emitWarning('old', 'DeprecationWarning');
      setTimeout(() => { throw new Error('by a defect\\nin two lines'); }, 50);`),
  );
  expect(code).toBe(1);
  expect(lines.map(({ event, level }) => [event, level])).toEqual([
    ['printed', 40],
    ['node-warning', 40],
    ['crashed', 60],
  ]);
  expect(lines[0]?.['text']).toBe('socket usage 7');
  expect(lines[2]?.['err']).toMatchObject({ message: 'by a defect\nin two lines' });
});

test('a promise that nobody handled ends a service with a line, too', async () => {
  const { code, lines } = await runNode(inService(`Promise.reject(new Error('alone'));`));
  expect([code, lines.map(({ event }) => event)]).toEqual([1, ['crashed']]);
});

test('SIGUSR2 turns debug lines on, for the children of a log, too, and off again', async () => {
  const { lines } = await runNode(
    inService(`
      const child = log.child({ stage: 'poll' });
      const signal = () => new Promise((done) => {
        process.once('SIGUSR2', () => setTimeout(done, 20));
        process.kill(process.pid, 'SIGUSR2');
      });
      const alive = setInterval(() => undefined, 1000);
      child.debug({}, 'one');
      await signal();
      child.debug({}, 'two');
      await signal();
      child.debug({}, 'three');
      clearInterval(alive);`),
  );
  expect(lines.map(({ msg, level }) => [msg, level])).toEqual([
    ['log-level', 30],
    ['two', 20],
    ['log-level', 30],
  ]);
});

test.each(['api', 'worker'])(
  'the error that keeps the %s from starting is one line of its log',
  async (service) => {
    const { code, lines } = await runNode(['cli/main.ts', service], {
      BATCHWELL_POLL_MS: 'soon',
      BATCHWELL_STALL_MS: 'late',
    });
    expect(code).toBe(2);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 60, event: 'not-started' });
    expect(lines[0]?.['msg']).toMatch(/BATCHWELL_POLL_MS[^]*BATCHWELL_STALL_MS/);
  },
);
