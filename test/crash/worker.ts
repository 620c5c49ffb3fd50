/**
 * A worker process that a crash test kills: by itself at a crash point (`CRASH_POINT`, at its
 * `CRASH_COUNT`th passing), or from outside. Its wall clock may be wrong by `CLOCK_SKEW_MS`. It ends
 * when its parent does.
 */
import { readConfig } from '../../config.ts';
import { startWorkers } from '../../workers/main.ts';
import { skewClock } from './skewed-clock.ts';

const { CRASH_POINT = '', CRASH_COUNT = '1' } = process.env;
skewClock(Number(process.env['CLOCK_SKEW_MS'] ?? 0));
let passed = 0;

// Before the start, which waits as long as its servers are away.
process.stdin.resume().once('end', () => process.exit(0));

const workers = await startWorkers(readConfig(), {
  onCrashPoint(point) {
    if (point !== CRASH_POINT) return;
    passed += 1;
    if (passed === Number(CRASH_COUNT)) process.kill(process.pid, 'SIGKILL');
  },
});
process.stdout.write('up\n');
process.once('SIGTERM', () => void workers.close().then(() => process.exit(0)));
