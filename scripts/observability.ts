/**
 * `npm run test:observability`: a real scatter with faults under a real Prometheus, and the dashboards
 * drawn with Grafana's own panels. It needs Debian's prometheus and chromium, and the packages of
 * ops/observability, which neither `npm test` nor the demo needs. With `--pictures` it writes those of
 * docs/images.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}ops/observability`;
const stamp = `${folder}/node_modules/.batchwell-setup`;

const missing = ['prometheus', 'promtool', 'chromium'].filter(
  (program) => spawnSync(program, ['--version']).status !== 0,
);
if (missing.length > 0) {
  console.error(
    `${missing.join(' and ')} cannot be run. On Debian: apt-get install --no-install-recommends prometheus chromium`,
  );
  process.exit(2);
}

function run(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const lock = createHash('sha256')
  .update(readFileSync(`${folder}/package-lock.json`))
  .digest('hex');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.error('Installing the packages of ops/observability…');
  run('npm', ['ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund']);
  writeFileSync(stamp, lock);
}
run('sh', ['-c', 'promtool test rules ops/prometheus/*.test.yml']);
const [pictures, forwarded] = [
  process.argv.includes('--pictures'),
  process.argv.slice(2).filter((argument) => argument !== '--pictures'),
];
if (pictures) process.env['BATCHWELL_DOC_PICTURES'] = 'yes';
run(process.execPath, ['scripts/test.ts', '--observability', ...forwarded]);
