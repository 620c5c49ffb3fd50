/** The units of hosts, read by systemd itself. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHost, type Host } from './host-world.ts';

const UNITS = 'etc/systemd/system';
/** Where systemd is not installed, the boots of `npm run test:host` still read the units. */
const ANALYZE = 'systemd-analyze';
const isMissing = spawnSync(ANALYZE, ['--version']).error !== undefined;

describe.skipIf(isMissing)('systemd-analyze verify', () => {
  let host: Host;
  beforeEach(async () => {
    host = await createHost();
    await host.boot();
    cpSync('/lib/systemd/system', host.path('usr/lib/systemd/system'), {
      recursive: true,
      verbatimSymlinks: true,
    });
    // As the host release brings them.
    cpSync(
      fileURLToPath(new URL('../host/release', import.meta.url)),
      host.path('opt/batchwell/host'),
      {
        recursive: true,
      },
    );
    mkdirSync(host.path('bin'));
    for (const program of ['sleep', 'true']) cpSync(`/bin/${program}`, host.path(`bin/${program}`));
    for (const unit of ['docker', 'containerd', 'ecs'])
      writeFileSync(host.path(`${UNITS}/${unit}.service`), '[Service]\nExecStart=/bin/true\n');
  });
  afterEach(() => host.stop());

  const verify = (): [number | null, string] => {
    const units = readdirSync(host.path(UNITS)).filter((name) => name.endsWith('.service'));
    const { status, stderr } = spawnSync(
      ANALYZE,
      ['verify', '--recursive-errors=no', '--man=no', `--root=${host.root}`, ...units],
      { encoding: 'utf8' },
    );
    return [status, stderr];
  };

  it('It has nothing to say about our units and gates.', () => {
    expect(existsSync(host.path(`${UNITS}/docker.service.d/batchwell.conf`))).toBe(true);
    expect(verify()).toEqual([0, '']);
  });

  it('It names a program that is missing.', () => {
    writeFileSync(
      host.path(`${UNITS}/docker.service.d/batchwell.conf`),
      '[Service]\nExecStartPre=/usr/local/lib/batchwell/wicket storage\n',
    );
    expect(verify()).toEqual([1, expect.stringContaining('batchwell/wicket is not executable')]);
  });
});
