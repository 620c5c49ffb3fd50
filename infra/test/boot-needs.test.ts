/** `npm run test:host` where hosts cannot boot. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const module = new URL('boot/test-hosts.ts', import.meta.url).href;

it('Where QEMU or root is missing, test:host says so, and its exit code is 77.', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `(await import('${module}')).testHosts([]);`],
    { env: { PATH: '/nowhere' }, encoding: 'utf8' },
  );
  expect(stderr).toMatch(
    /^Skipped: (test:host (needs|knows)|.*qemu-system-x86_64.*`apt-get install --no-install-recommends .*qemu-system-x86.*`).* No host was booted\.$/m,
  );
  expect(status).toBe(77);
});
