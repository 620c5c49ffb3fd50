import { expect, test } from 'vitest';
import { lookBefore, openReach, writableMounts } from '../../stager/reach.ts';

const before = new Map([
  ['/', new Set(['etc', 'opt', 'home', 'proc', 'given'])],
  ['/opt', new Set(['tool'])],
  ['/home', new Set(['user'])],
]);

test.each([
  ['/tmp/scratch/s.txt', true],
  ['/dev/shm/x', true],
  ['/made/by/the/command', true],
  ['/opt/made', true],
  ['/fast/x', true],
  ['/given/deep/x', true],
  ['/opt/tool/bin/x', false],
  ['/home/user/x', false],
  ['/etc/passwd', false],
  ['/given-more', true],
  ['/proc/self/environ', false],
  ['/sys/new', false],
  ['/dev/sda', false],
  ['/', false],
  ['/tmp/own', false],
  ['/tmp/own/script.sh', false],
  ['/tmp/own-more', true],
])('a link to %s is followed: %j', async (path, isFollowed) => {
  const reach = await openReach({
    given: ['/given', '/'],
    own: '/tmp/own',
    before,
    mounts: ['/fast'],
  });
  expect(reach.holds(path)).toBe(isFollowed);
});

test('without a look before the command, only what was given and temporary folders are reached', async () => {
  const reach = await openReach({ given: ['/given'], mounts: [] });
  expect([reach.holds('/given/x'), reach.holds('/tmp/x'), reach.holds('/made')]).toEqual([
    true,
    true,
    false,
  ]);
});

test('the look before a command sees the upper folders, and nothing of the system', async () => {
  const seen = await lookBefore();
  expect(seen.get('/')).toContain('etc');
  expect([...seen.keys()].filter((path) => /^\/(?:proc|sys|dev|etc)\//.test(path))).toEqual([]);
});

test('folders that are mounted for writing are reached, and none of the system or of the host', () => {
  const line = (path: string, options: string) =>
    `22 27 0:21 / ${path} ${options} - ext4 /dev/a rw`;
  const mountinfo = [
    line('/', 'rw'),
    line('/fast', 'rw,nosuid'),
    line('/with\\040space', 'rw'),
    line('/home/me', 'nosuid,rw'),
    line('/ref', 'ro'),
    line('/opt/batchwell', 'ro'),
    line('/dev/queue', 'rw'),
    line('/proc', 'rw'),
    line('/run/secrets', 'rw'),
    line('/etc/hosts', 'rw'),
    '',
  ].join('\n');
  expect(writableMounts(mountinfo)).toEqual(['/fast', '/with space', '/home/me']);
});
