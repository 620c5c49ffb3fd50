import { expect, test } from 'vitest';
import {
  choosePackageManager,
  installScript,
  installSentence,
  PACKAGE_MANAGERS,
} from '../../cli/services/package-managers.ts';
import * as programs from '../../cli/services/programs.ts';

const paths = { lockFile: '/run/lock-file', policyFile: '/usr/sbin/policy-rc.d' };
const redis = {
  programs: ['redis-server'],
  packageNames: ['redis', 'valkey'],
  services: ['redis-server'],
};
const wanted = [
  programs.REDIS_SERVER,
  programs.MARIADB_SERVER,
  programs.BUBBLEWRAP,
  programs.PROOT,
];

test.each([
  [['apt-get', 'dnf'], 'apt-get'],
  [['microdnf', 'dnf'], 'dnf'],
  [['microdnf'], 'microdnf'],
  [['apk'], 'apk'],
  [['pacman', 'brew'], 'pacman'],
  [['zypper'], 'zypper'],
  [['brew'], 'brew'],
  [['emerge'], undefined],
])('a machine with %j is served by %s', (installed, expected) => {
  expect(choosePackageManager((name) => installed.includes(name))).toBe(expected);
});

test('the command shown to a person updates the package list first where it may be missing', () => {
  expect(installSentence('apt-get', 'redis-server')).toBe(
    'sudo apt-get update && sudo apt-get install -y redis-server',
  );
  expect(installSentence('brew', 'redis')).toBe('brew install redis');
  expect(installSentence('apk', 'valkey')).toBe('sudo apk add --no-cache valkey');
});

test('every Linux package manager has a package for every program', () => {
  const linux = PACKAGE_MANAGERS.filter((manager) => manager !== 'brew');
  const unknown = linux.flatMap((manager) =>
    wanted
      .filter(({ packages }) => packages[manager].length === 0)
      .map(({ title }) => `${manager}: ${title}`),
  );
  expect(unknown).toEqual([]);
});

test('a second name is tried only when the first cannot be installed', () => {
  expect(installScript('apk', redis, paths)).toContain(
    'apk add --no-cache redis || apk add --no-cache valkey',
  );
});

test('only the packages of Debian need their services disabled', () => {
  const withPolicy = PACKAGE_MANAGERS.filter((manager) =>
    installScript(manager, redis, paths).includes(paths.policyFile),
  );
  expect(withPolicy).toEqual(['apt-get']);
});
