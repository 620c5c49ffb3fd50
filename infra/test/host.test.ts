/** The set-up of hosts: the real scripts, from the user data of the template, with faults. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { buildHost, listRelease } from '../host/build.ts';
import { createHost, smallRelease, type Host } from './host-world.ts';
import { ARCHIVE } from './played-aws.ts';

let host: Host;
afterEach(() => host.stop());

const booted = async (parameters = {}, archive?: Buffer): Promise<Host> => {
  host = await createHost(parameters, archive);
  const { code, out } = await host.boot();
  expect([code, out]).toEqual([0, '']);
  return host;
};

const NOTHING_LEFT = ['opt/batchwell', 'opt/.batchwell.new', 'run/batchwell/host'];

/** It must leave nothing behind. */
async function reasonForGivingUp(): Promise<string> {
  const { code } = await host.run('batchwell-host');
  expect(code).toBe(1);
  for (const name of NOTHING_LEFT) expect(host.has(name), name).toBe(false);
  return host.read('run/batchwell/reason');
}

describe('the boothook', () => {
  it('It starts its units without waiting for them, and neither docker nor ecs.', async () => {
    await booted();
    const started = host.notes().filter((note) => note.startsWith('systemctl start'));
    expect(started).toEqual([
      'systemctl start --no-block batchwell-tasks.service batchwell-firewall.service batchwell-host.service batchwell-storage.service',
    ]);
    for (const unit of ['docker', 'containerd', 'ecs'])
      expect(host.read(`etc/systemd/system/${unit}.service.d/batchwell.conf`)).toMatch(
        /^ExecStartPre=\/usr\/local\/lib\/batchwell\/gate (storage|host)$/m,
      );
  });

  // A booted host showed that containerd does not wait for cloud-init, which grows the file system. At a
  // second boot after a loss of power, its gate would have refused a disk that was about to grow.
  it.each(['docker', 'containerd'])('The gate of %s is after cloud-init.', async (unit) => {
    await booted();
    expect(host.read(`etc/systemd/system/${unit}.service.d/batchwell.conf`)).toMatch(
      /^\[Unit\]\nAfter=cloud-init\.service cloud-init-network\.service$/m,
    );
  });

  it('A second boot changes nothing, and the settings of the agent are there once.', async () => {
    await booted();
    appendTo('etc/ecs/ecs.config', 'ECS_CLUSTER=of-batch\n');
    const before = host.read('etc/ecs/ecs.config');
    await host.boot();
    expect(host.read('etc/ecs/ecs.config')).toBe(before);
    expect(before).toContain('ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=1m\n');
    expect(before).toContain('ECS_CONTAINER_STOP_TIMEOUT=60s\n');
  });

  it.each(['docker', 'ecs'])('An AMI without %s gives up and names the unit.', async (unit) => {
    host = await createHost();
    host.stub(
      'systemctl',
      `case "$*" in "cat ${unit}.service") exit 1 ;; cat*) echo ExecStart=x ;; esac`,
    );
    expect((await host.boot()).code).toBe(1);
    expect(host.read('run/batchwell/reason')).toContain(`no ${unit}.service`);
    expect(host.notes()).toContain('systemctl start --no-block batchwell-give-up.service');
    expect(host.notes().join()).not.toContain('batchwell-host.service');
  });

  it('The wrapper is the runtime of Docker, unless it is off or the AMI has settings of its own.', async () => {
    await booted();
    expect(JSON.parse(host.read('etc/docker/daemon.json'))).toMatchObject({
      'default-runtime': 'batchwell',
    });
    await host.stop();
    await booted({ EntrypointWrapper: 'off' });
    expect(host.has('etc/docker/daemon.json')).toBe(false);
    await host.stop();
    host = await createHost();
    mkdirSync(host.path('etc/docker'), { recursive: true });
    writeFileSync(host.path('etc/docker/daemon.json'), '{"mtu":1400}');
    await host.boot();
    expect(host.read('etc/docker/daemon.json')).toBe('{"mtu":1400}');
    expect(host.read('console')).toContain('ENTRYPOINT');
  });

  it('A GPU host keeps its own runtime.', async () => {
    host = await createHost();
    host.stub('nvidia-container-runtime', '');
    await host.boot();
    expect(host.has('etc/docker/daemon.json')).toBe(false);
  });
});

describe('the host release', () => {
  it('A host is whole after one try, and the requests are signed with the session token.', async () => {
    await booted();
    expect(await host.run('batchwell-host')).toMatchObject({ code: 0 });
    expect(host.read('opt/batchwell/release').trim()).toBe(host.release);
    expect(host.has('run/batchwell/host')).toBe(true);
    expect(host.seen.map(({ path }) => path)).toEqual([
      `/release-bucket/releases/${host.release}/SHA256SUMS`,
      `/release-bucket/releases/${host.release}/${ARCHIVE}`,
    ]);
    for (const { signed } of host.seen) expect(signed).toContain('x-amz-security-token');
  });

  it('A second boot is whole without fetching anything.', async () => {
    await booted();
    await host.run('batchwell-host');
    rmSync(host.path('run'), { recursive: true });
    await host.boot();
    expect((await host.run('batchwell-host')).code).toBe(0);
    expect(host.seen).toHaveLength(2);
    expect(host.has('run/batchwell/host')).toBe(true);
  });

  it('A folder whose stager no longer runs is replaced.', async () => {
    await booted();
    await host.run('batchwell-host');
    writeFileSync(host.path('opt/batchwell/lib/ld.so'), '#!/bin/sh\nexit 1\n');
    expect((await host.run('batchwell-host')).code).toBe(0);
    expect(host.read('opt/batchwell/lib/ld.so')).toContain('exit 123');
    expect(host.has('opt/.batchwell.old')).toBe(false);
  });

  it.each([503, 403, 500])('After answers of %s it tries again, and is whole.', async (status) => {
    await booted();
    host.faults.push(status, status, status);
    expect((await host.run('batchwell-host')).code).toBe(0);
    expect(host.has('opt/batchwell/stager.mjs')).toBe(true);
  });

  it('After five tries it gives up and says what S3 said.', async () => {
    await booted();
    host.faults.push(...Array.from({ length: 10 }, () => 403));
    expect(await reasonForGivingUp()).toMatch(/in 5 tries: .*SHA256SUMS: S3 says 403 Played/);
    expect(host.seen).toHaveLength(5);
  });

  it('A release that is missing gives up.', async () => {
    await booted();
    host.objects.clear();
    expect(await reasonForGivingUp()).toMatch(/S3 says 404 NoSuchKey/);
  });

  it('An archive with another SHA-256 is never unpacked.', async () => {
    await booted();
    host.objects.set(`releases/${host.release}/${ARCHIVE}`, smallRelease('#!/bin/sh\nexit 0\n'));
    expect(await reasonForGivingUp()).toMatch(/another SHA-256 than the release says/);
  });

  it('A list with another SHA-256 than the launch template says is refused.', async () => {
    await booted();
    host.objects.set(
      `releases/${host.release}/SHA256SUMS`,
      Buffer.from(`${'0'.repeat(64)}  ${ARCHIVE}\n`),
    );
    expect(await reasonForGivingUp()).toMatch(/SHA256SUMS has another SHA-256/);
  });

  it('A release whose stager does not run never becomes the folder of the host.', async () => {
    await booted({}, smallRelease('#!/bin/sh\necho no such library\nexit 127\n'));
    expect(await reasonForGivingUp()).toMatch(/does not run \(exit code 127\): no such library/);
  });

  it('A release for the other architecture only gives up and names the archive.', async () => {
    await booted();
    host.objects.delete(`releases/${host.release}/${ARCHIVE}`);
    expect(await reasonForGivingUp()).toMatch(new RegExp(ARCHIVE));
  });

  it('A disk that fills while unpacking leaves nothing, and the next try may succeed.', async () => {
    await booted();
    host.stub('tar', 'touch "$4/half"; echo "tar: No space left on device" >&2; exit 2');
    expect(await reasonForGivingUp()).toMatch(/No space left on device/);
    rmSync(host.path('test-bin/tar'));
    expect((await host.run('batchwell-host')).code).toBe(0);
  });

  const killedWhen = async (isThere: () => boolean): Promise<void> => {
    const child = host.start(host.path('usr/local/lib/batchwell/batchwell-host'));
    await expect.poll(isThere, { timeout: 30_000 }).toBe(true);
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await once(child, 'close');
    expect(host.has('opt/batchwell')).toBe(false);
    expect(host.has('run/batchwell/host')).toBe(false);
  };

  const filesAfterNextBoot = async (): Promise<string[]> => {
    expect((await host.run('batchwell-host')).code).toBe(0);
    expect(host.read('opt/batchwell/release').trim()).toBe(host.release);
    return ['opt', 'opt/batchwell'].flatMap((folder) => readdirSync(host.path(folder)).toSorted());
  };
  const WHOLE = ['batchwell', 'bin', 'lib', 'release', 'stager.mjs'];

  it('Killed while it fetches, it leaves no half folder, and the next boot is whole.', async () => {
    await booted();
    host.faults.push('hang');
    await killedWhen(() => host.seen.length === 1);
    expect(await filesAfterNextBoot()).toEqual(WHOLE);
  });

  it('Killed while it unpacks, it leaves no half folder, and the next boot is whole.', async () => {
    await booted();
    host.stub('tar', 'touch "$4/half"; sleep 600');
    await killedWhen(() => host.has('opt/.batchwell.new/half'));
    rmSync(host.path('test-bin/tar'));
    expect(await filesAfterNextBoot()).toEqual(WHOLE);
  });

  it('Without a route it gives up within five minutes.', async () => {
    await booted();
    expect(host.read('etc/systemd/system/batchwell-host.service')).toMatch(
      /^TimeoutStartSec=290$/m,
    );
    expect(host.read('etc/systemd/system/batchwell-host.service')).toMatch(
      /^OnFailure=batchwell-give-up.service$/m,
    );
  });
});

describe('a host that is not whole', () => {
  it('It says why on the console and in CloudWatch, and shuts down.', async () => {
    await booted();
    mkdirSync(host.path('run/batchwell'), { recursive: true });
    writeFileSync(host.path('run/batchwell/reason'), 'S3 says "no" \\ and more');
    await host.run('give-up');
    expect(host.read('console')).toContain('batchwell-host-gave-up: S3 says "no"');
    const [, put] = host.seen;
    expect(put?.target).toBe('Logs_20140328.PutLogEvents');
    expect(JSON.parse(put?.body ?? '')).toMatchObject({
      logGroupName: '/batchwell/batchwell/hosts',
      logStreamName: 'i-1',
      logEvents: [{ message: 'batchwell-host-gave-up: S3 says "no" \\ and more' }],
    });
    expect(host.notes().at(-1)).toBe('systemctl poweroff --no-block');
  });

  it('It shuts down also where CloudWatch cannot be reached.', async () => {
    await booted();
    host.stub('curl', 'exit 7');
    await host.run('give-up', 'No route.');
    expect(host.notes().at(-1)).toBe('systemctl poweroff --no-block');
  });

  it('The agent starts only when the release and the firewall are there.', async () => {
    await booted();
    expect((await host.run('gate', 'host')).code).toBe(1);
    await host.run('batchwell-host');
    expect((await host.run('gate', 'host')).code).toBe(1);
    await host.run('firewall');
    expect((await host.run('gate', 'host')).code).toBe(0);
  });

  const setUp = async (exit: number, say = ''): Promise<{ code: number | null }> => {
    const folder = host.path('opt/batchwell/host');
    mkdirSync(folder, { recursive: true });
    const text = `#!/bin/sh\necho "batchwell-disk $*" >>"$NOTES"\n${say}exit ${exit}\n`;
    writeFileSync(`${folder}/batchwell-disk`, text, { mode: 0o755 });
    writeFileSync(`${folder}/batchwell-disk.service`, '[Service]\n');
    return host.run('storage');
  };

  it('Docker and containerd start only when the disk of the tasks is there.', async () => {
    await booted();
    expect((await host.run('gate', 'storage')).code).toBe(1);
    for (const unit of ['docker', 'containerd'])
      expect(host.read(`etc/systemd/system/${unit}.service.d/batchwell.conf`)).toContain(
        'After=batchwell-storage.service\n',
      );
    host.stub('systemctl', 'case $1 in is-active) exit 3 ;; esac');
    const made = `touch "${host.path('run/batchwell/storage')}"\n`;
    expect(await setUp(0, made)).toMatchObject({ code: 0 });
    expect((await host.run('gate', 'storage')).code).toBe(0);
    expect(host.notes().slice(-3)).toEqual([
      'batchwell-disk set-up',
      'systemctl daemon-reload',
      'systemctl start --no-block batchwell-disk.service',
    ]);
    expect(host.has('etc/systemd/system/batchwell-disk.service')).toBe(true);
  });

  it('A containerd that was quicker is stopped before its folder is covered, and started again.', async () => {
    await booted();
    host.stub('systemctl', 'case "$*" in *docker*) exit 3 ;; esac');
    expect(await setUp(0)).toMatchObject({ code: 0 });
    const notes = host.notes().join('\n');
    expect(notes).toMatch(/systemctl stop containerd.service\nbatchwell-disk set-up/);
    expect(host.notes().at(-1)).toBe(
      'systemctl start --no-block batchwell-disk.service containerd.service',
    );
  });

  it('A disk that cannot be made ends the host, before any container starts.', async () => {
    await booted();
    host.stub('systemctl', 'case $1 in is-active) exit 3 ;; esac');
    expect(await setUp(1)).toMatchObject({ code: 1 });
    expect((await host.run('gate', 'storage')).code).toBe(1);
    const unit = host.read('etc/systemd/system/batchwell-storage.service');
    expect(unit).toMatch(/^OnFailure=batchwell-give-up.service$/m);
    expect(unit).toMatch(/^Requires=batchwell-host.service$/m);
  });

  it('Tasks are refused the metadata, and containers of bridge networks too.', async () => {
    await booted();
    expect((await host.run('firewall')).code).toBe(0);
    expect(host.notes().filter((note) => note.includes('-I'))).toEqual([
      'iptables -t filter -I OUTPUT 1 -d 169.254.169.254/32 -m cgroup --path ecstasks.slice -j REJECT',
      'iptables -t raw -I PREROUTING 1 -d 169.254.169.254/32 -j DROP',
    ]);
    expect(host.read('etc/systemd/system/batchwell-tasks.service')).toContain(
      'Slice=ecstasks.slice',
    );
  });

  it('Without the firewall there is no agent.', async () => {
    await booted();
    host.stub('iptables', 'exit 1');
    expect((await host.run('firewall')).code).toBe(1);
    expect(host.read('run/batchwell/reason')).toContain('firewall');
    expect(host.has('run/batchwell/firewall')).toBe(false);
  });
});

const appendTo = (name: string, text: string): void =>
  writeFileSync(host.path(name), `${host.read(name)}${text}`);

const STAGER = ['lib/ld.so', '--library-path', 'lib', 'bin/node', 'stager.mjs'].map((word) =>
  word.startsWith('--') ? word : `/opt/batchwell/${word}`,
);

describe('the runtime wrapper', () => {
  /** A folder whose loader runs Node of this machine. */
  const ready = async (): Promise<void> => {
    await booted();
    mkdirSync(host.path('opt/batchwell/lib'), { recursive: true });
    writeFileSync(
      host.path('opt/batchwell/lib/ld.so'),
      `#!/bin/sh\nshift 3\nexec ${process.execPath} "$@"\n`,
      { mode: 0o755 },
    );
    writeFileSync(
      host.path('opt/batchwell/entrypoint.mjs'),
      readFileSync(new URL('../host/entrypoint.mjs', import.meta.url)),
    );
    host.stub('runc', '');
  };
  const create = async (args: string[], mounts = ['/opt/batchwell']): Promise<unknown> => {
    mkdirSync(host.path('bundle'), { recursive: true });
    const config = {
      process: { args, env: ['A=1'] },
      mounts: mounts.map((destination) => ({ destination })),
    };
    writeFileSync(host.path('bundle/config.json'), JSON.stringify(config));
    await host.run(
      'runtime',
      '--root',
      '/run/runc',
      'create',
      '--bundle',
      host.path('bundle'),
      'id-1',
    );
    expect(host.notes().at(-1)).toBe(
      `runc --root /run/runc create --bundle ${host.path('bundle')} id-1`,
    );
    return JSON.parse(host.read('bundle/config.json'));
  };

  it('An image with an ENTRYPOINT runs the stager.', async () => {
    await ready();
    expect(await create(['/docker-entrypoint.sh', 'sh', '-c', ...STAGER])).toEqual({
      process: { args: STAGER, env: ['A=1'] },
      mounts: [{ destination: '/opt/batchwell' }],
    });
  });

  it.each([
    ['without ENTRYPOINT', STAGER, ['/opt/batchwell']],
    ['that only names our folder', ['echo', '/opt/batchwell/stager.mjs'], ['/opt/batchwell']],
    ['that does not mount our folder', ['entry', ...STAGER], ['/data']],
    ['of something else', ['nginx'], []],
  ])('A container %s is left as it is.', async (_, args, mounts) => {
    await ready();
    expect(await create(args, mounts)).toMatchObject({ process: { args } });
  });

  it('Without a release, containers start all the same.', async () => {
    await ready();
    rmSync(host.path('opt/batchwell'), { recursive: true });
    expect(await create(['entry', ...STAGER])).toMatchObject({
      process: { args: ['entry', ...STAGER] },
    });
  });
});

/** busybox is not on every machine that runs the tests. */
const WITHOUT_SHELL = { shell: false } as const;

describe('npm run build:host', () => {
  it('A release without a shell is refused, because tasks would need one in their image.', async () => {
    await booted();
    const folder = mkdtempSync(join(tmpdir(), 'batchwell-build-'));
    const build = buildHost(folder, { shell: process.execPath });
    await expect(build).rejects.toThrow(/linked dynamically/);
    rmSync(folder, { recursive: true });
  });

  it('The release is the same when it is built again, and a host runs its stager.', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'batchwell-build-'));
    try {
      const release = await buildHost(folder, WITHOUT_SHELL);
      const archive = readFileSync(join(folder, ARCHIVE));
      expect(await buildHost(folder, WITHOUT_SHELL)).toBe(release);
      expect(listRelease(folder)).toBe(release);
      expect(readdirSync(folder).toSorted()).toEqual([
        expect.stringMatching(/^CONTENTS-/),
        'SHA256SUMS',
        ARCHIVE,
      ]);
      await booted({ HostRelease: release }, archive);
      expect(host.release).toBe(release);
      expect(await host.run('batchwell-host')).toMatchObject({ code: 0 });
      expect(host.has('opt/batchwell/entrypoint.mjs')).toBe(true);
      for (const name of ['storage', 'firewall', 'runtime', 'batchwell-disk.service'])
        expect(host.has(`opt/batchwell/host/${name}`), name).toBe(true);
      const refused = await host.run(host.path('opt/batchwell/host/batchwell-disk'), 'nothing');
      expect(refused).toMatchObject({
        code: 2,
        out: expect.stringContaining('batchwell-disk set-up'),
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
