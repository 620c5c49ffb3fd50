/** What touches the host, as far as no disk is needed for it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleDisk } from '../bundle.ts';
import { nvmeDevices } from '../host/devices.ts';
import { readJournal, writeJournal } from '../host/journal-file.ts';
import { kernelLog } from '../host/kernel-log.ts';
import { takeLock } from '../host/lock.ts';
import { growFileSystem, isWhole, kernelVolume, parseGroup } from '../host/lvm.ts';
import { run } from '../host/programs.ts';
import { tasksAt } from '../host/real-machine.ts';
import { emptyJournal } from '../rules/journal.ts';
import { dice } from './world/dice.ts';
import { serveEc2 } from './world/ec2-server.ts';
import { noFaults, PlayedEc2 } from './world/played-ec2.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchwell-disk-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);

function put(name: string, text: string): void {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), text);
}

describe('The journal on disk', () => {
  it('is read as it was written, and leaves no other file.', () => {
    const journal = { ...emptyJournal('i-1'), slowestGrowthMs: 70_000 };
    writeJournal(at('state/journal.json'), journal);
    expect(readJournal(at('state/journal.json'), 'i-1')).toEqual({ journal });
    expect(readdirSync(at('state'))).toEqual(['journal.json']);
  });

  it('that is damaged, or of another host, is kept for people and begun anew.', () => {
    for (const text of ['{"version": 1,', JSON.stringify(emptyJournal('i-2'))]) {
      put('journal.json', text);
      const { journal, isNew } = readJournal(at('journal.json'), 'i-1');
      expect(journal).toEqual(emptyJournal('i-1'));
      expect(isNew).toContain('not readable');
      expect(readFileSync(at('journal.json.old'), 'utf8')).toBe(text);
    }
  });

  it('that is missing is a new one.', () => {
    expect(readJournal(at('none'), 'i-1').isNew).toBe('missing');
  });
});

describe('The lock', () => {
  it('keeps a second daemon out, until the first one has ended.', () => {
    const first = takeLock(at('run/lock'));
    expect(first).toBeTypeOf('number');
    expect(takeLock(at('run/lock'))).toBeUndefined();
    closeSync(first ?? -1);
    const second = takeLock(at('run/lock'));
    expect(second).toBeTypeOf('number');
    closeSync(second ?? -1);
  });

  it('is held by a command of a daemon that was killed.', async () => {
    const first = takeLock(at('lock'));
    const command = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', first] });
    await once(command, 'spawn');
    closeSync(first ?? -1);
    expect(takeLock(at('lock'))).toBeUndefined();
    command.kill('SIGKILL');
    await once(command, 'close');
    const next = takeLock(at('lock'));
    expect(next).toBeTypeOf('number');
    closeSync(next ?? -1);
  });
});

describe('A program of the host', () => {
  it('that fails says so in its own words.', async () => {
    expect(await run('sh', ['-c', 'echo no such device >&2; exit 5'])).toEqual({
      code: 5,
      out: '',
      said: 'sh -c: no such device',
    });
  });

  it('that is missing, or does not end, is an outcome like another.', async () => {
    expect((await run('no-such-program', [])).said).toContain('ENOENT');
    const late = await run('sleep', ['60'], { deadlineMs: 50 });
    expect(late).toMatchObject({ code: null, said: 'sleep 60: did not end in 0.05 s' });
  });
});

describe('Devices', () => {
  it('are NVMe disks by number, with serial, model, and size; one that just goes is left out.', () => {
    for (const [name, serial] of [
      ['nvme10n1', 'vol0b'],
      ['nvme2n1', 'vol0a'],
    ]) {
      put(`block/${name}/device/serial`, `${serial}      \n`);
      put(`block/${name}/device/model`, 'Amazon Elastic Block Store              \n');
      put(`block/${name}/size`, '2097152\n');
    }
    put('block/nvme3n1/device/serial', 'vol0c\n');
    put('block/sda/size', '8\n');
    put('block/nvme2n1p1/size', '8\n');
    const model = 'Amazon Elastic Block Store';
    expect(nvmeDevices(folder)).toEqual([
      { path: '/dev/nvme2n1', serial: 'vol0a', model, sizeBytes: 1_073_741_824 },
      { path: '/dev/nvme10n1', serial: 'vol0b', model, sizeBytes: 1_073_741_824 },
    ]);
  });
});

describe('The group', () => {
  const out = [
    '  /dev/nvme1n1|batchwell|0|511|4194304',
    '  /dev/nvme2n1|batchwell|0|511|4194304',
    '  /dev/nvme3n1||0|0|0',
    '  /dev/nvme4n1|another|7|9|4194304',
    '',
  ].join('\n');

  it('is read by one program: its devices, what is free, and the size of its volume.', () => {
    const group = parseGroup(out);
    expect([...group.volumes]).toEqual([
      ['/dev/nvme1n1', 'batchwell'],
      ['/dev/nvme2n1', 'batchwell'],
      ['/dev/nvme3n1', ''],
      ['/dev/nvme4n1', 'another'],
    ]);
    expect(group).toMatchObject({ freeExtents: 0, volumeBytes: 511 * 4_194_304 });
    expect(parseGroup('')).toMatchObject({ freeExtents: 0, volumeBytes: 0 });
  });

  it('is used whole when nothing is free and the file system ends where the volume does.', () => {
    const group = parseGroup(out);
    const whole = 511 * 4_194_304;
    expect(isWhole(group, whole - 4_194_304)).toBe(true);
    expect(isWhole(group, whole - 8_388_608)).toBe(false);
    expect(isWhole({ ...group, freeExtents: 1 }, whole)).toBe(false);
  });

  it('writes its new size to the superblock at once; where that fails, it has grown all the same.', async () => {
    const before = process.env['PATH'];
    for (const name of ['lvm', 'xfs_growfs', 'xfs_io']) {
      put(`bin/${name}`, `#!/bin/sh\necho "${name} $*" >>${at('ran')}\n[ ${name} != xfs_io ]\n`);
      chmodSync(at(`bin/${name}`), 0o755);
    }
    process.env['PATH'] = at('bin');
    try {
      await growFileSystem('/disk', { volumes: new Map(), freeExtents: 1, volumeBytes: 1 });
    } finally {
      process.env['PATH'] = before;
    }
    const [grown, ...then] = readFileSync(at('ran'), 'utf8').trim().split('\n');
    expect(grown).toMatch(/^lvm lvextend /);
    expect(then).toEqual(['xfs_growfs /disk', 'xfs_io -c label -s batchwell /disk']);
  });

  it('has a volume that the kernel knows by its number, whatever its path is called.', () => {
    const { rdev } = statSync('/dev/null');
    const number = `${rdev >> 8}:${rdev & 0xff}`;
    for (const [file, text] of [
      ['size', '2048\n'],
      ['slaves/nvme1n1', ''],
      ['slaves/nvme2n1', ''],
    ] as const)
      put(`devices/virtual/block/dm-0/${file}`, text);
    mkdirSync(at('dev/block'), { recursive: true });
    symlinkSync('../../devices/virtual/block/dm-0', at(`dev/block/${number}`));
    symlinkSync('/dev/null', at('batchwell-data'));
    expect(kernelVolume(at('batchwell-data'), folder)).toEqual({
      name: 'dm-0',
      sizeBytes: 1_048_576,
      parts: ['nvme1n1', 'nvme2n1'],
    });
    expect(kernelVolume(at('none'), folder)).toEqual({ name: undefined, sizeBytes: 0, parts: [] });
  });
});

describe('The bundle', () => {
  it('reaches EC2 from any folder.', async () => {
    const ec2 = new PlayedEc2(
      () => 0,
      dice(1),
      noFaults,
      () => undefined,
    );
    const server = await serveEc2(ec2.client(), {
      instanceId: 'i-1',
      zone: 'a',
      region: 'eu-west-1',
      tags: null,
    });
    const environment = {
      AWS_ENDPOINT_URL_EC2: server.url,
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
    };
    Object.assign(process.env, environment);
    try {
      await bundleDisk(at('disk.mjs'));
      const sweep = ['sweep', '--stack', 'batchwell', '--region', 'eu-west-1'];
      const swept = await run(process.execPath, [at('disk.mjs'), ...sweep]);
      expect(swept).toMatchObject({ code: 0, out: 'No volume of batchwell is left over.\n' });
      expect(server.asked.map((form) => form.get('Action'))).toEqual(['DescribeVolumes']);
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name];
      await server.close();
    }
  });
});

describe('The cgroup of the tasks', () => {
  it('is frozen, running, or missing.', () => {
    put('frozen', '1\n');
    put('running', '0\n');
    expect(['frozen', 'running', 'none'].map((name) => tasksAt(at(name)))).toEqual([
      'frozen',
      'running',
      'missing',
    ]);
  });
});

describe('The log of the kernel', () => {
  it('tells the first error of a device once, and nothing where it cannot be read.', () => {
    put('kmsg', '3,1,1,-;I/O error, dev nvme2n1, sector 5\n');
    const log = kernelLog(at('kmsg'));
    expect(log.errorAbout(['nvme2n1'])).toBe('I/O error, dev nvme2n1, sector 5');
    expect(log.errorAbout(['nvme2n1'])).toBeNull();
    log.close();
    expect(kernelLog(at('none')).errorAbout(['nvme2n1'])).toBeNull();
  });
});
