/** What the example template cromwell promises, and its server's boot, run with programs that take notes. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { matrix } from './matrix.ts';
import { deploy, policiesOf, propertiesOf, wordsOf } from './world.ts';

const userData = (parameters = {}): string =>
  (
    propertiesOf(deploy('cromwell', parameters), 'ServerTemplate')['LaunchTemplateData'] as {
      UserData: string;
    }
  ).UserData;

describe('the template', () => {
  it('Nobody may call the server by default, because Cromwell asks for no password.', () => {
    expect(propertiesOf(deploy('cromwell'), 'ServerGroup')['SecurityGroupIngress']).toBeUndefined();
    expect(
      propertiesOf(deploy('cromwell', { CallerCidr: '10.1.0.0/16' }), 'ServerGroup')[
        'SecurityGroupIngress'
      ],
    ).toEqual([expect.objectContaining({ FromPort: 8000, CidrIp: '10.1.0.0/16' })]);
  });

  it('There is one server, the former one goes before the next comes, and the data stay.', () => {
    const deployed = deploy('cromwell');
    expect(propertiesOf(deployed, 'Server')).toMatchObject({ MinSize: '1', MaxSize: '1' });
    expect(deployed.resources['DataVolume']?.deletionPolicy).toBe('Retain');
    expect(propertiesOf(deployed, 'DataVolume')['Encrypted']).toBe(true);
  });

  it('The server reaches its own prefix, its own volume, and one token.', () => {
    const [{ statements } = { statements: [] }] = policiesOf(deploy('cromwell')).filter(
      ({ id }) => id === 'ServerRole',
    );
    const of = (sid: string) => wordsOf(statements.find(({ Sid }) => Sid === sid)?.Resource ?? []);
    expect(of('Files')).toEqual(['arn:aws:s3:::lab-cromwell/cromwell-executions/*']);
    expect(of('AttachVolume')[0]).toMatch(/volume\/<DataVolume>$/);
    expect(of('ReadToken')).toEqual(['<import batchwell-service-TokenSecretArn>']);
  });

  it('Its user data are within the limit of EC2, and hold no token.', () => {
    for (const parameters of Object.values(matrix['cromwell'] ?? {}))
      expect(Buffer.byteLength(userData(parameters))).toBeLessThan(12 * 1024);
    expect(userData()).not.toMatch(/BATCHWELL_TOKEN=[^%]/);
  });
});

describe('the boot of the server', () => {
  const JAR = 'the jar of Cromwell';
  let work: string;
  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), 'batchwell-cromwell-'));
    mkdirSync(join(work, 'bin'));
    mkdirSync(join(work, 'root/dev/disk/by-id'), { recursive: true });
    for (const name of ['dnf', 'useradd', 'mount', 'chown', 'systemctl', 'mkfs.xfs'])
      stub(name, '');
    stub('id', 'exit 1');
    stub('mountpoint', 'exit 1');
    stub('blkid', 'cat "$WORK/filesystem" 2>/dev/null || exit 2');
    stub(
      'curl',
      'case "$*" in *instance-id*) echo i-1 ;; *api/token*) echo t ;; *) while [ "$1" != -o ]; do shift; done; printf %s "$JAR" >"$2" ;; esac',
    );
    stub(
      'aws',
      `case "$2" in
        describe-volumes) cat "$WORK/holder" 2>/dev/null || echo None ;;
        attach-volume) echo i-1 >"$WORK/holder"; touch "$WORK/root/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_DataVolume" ;;
      esac`,
    );
  });
  afterEach(() => {
    rmSync(work, { recursive: true, force: true });
  });

  function stub(name: string, text: string): void {
    const file = join(work, 'bin', name);
    writeFileSync(file, `#!/bin/bash\necho "${name} $*" >>"$WORK/calls"\n${text}\n`);
    chmodSync(file, 0o755);
  }
  const calls = (): string =>
    existsSync(join(work, 'calls')) ? readFileSync(join(work, 'calls'), 'utf8') : '';
  const read = (path: string): string => readFileSync(join(work, 'root', path), 'utf8');

  /** The first boot runs the user data, a later one what it left for each boot. */
  function boot(parameters = {}, program = join(work, 'user-data')) {
    const script = userData(parameters).replaceAll('<DataVolume>', 'DataVolume');
    writeFileSync(join(work, 'user-data'), script, { mode: 0o755 });
    const { status, stdout, stderr } = spawnSync(program, [], {
      encoding: 'utf8',
      env: {
        PATH: `${join(work, 'bin')}:/usr/bin:/bin`,
        WORK: work,
        JAR,
        CROMWELL_ROOT: join(work, 'root'),
        CROMWELL_PAUSE: '0',
        CONSOLE: join(work, 'console'),
      },
    });
    return { code: status, out: `${stdout}${stderr}` };
  }

  it('It formats a new volume, writes the configuration, and starts proxy and Cromwell.', () => {
    const { code, out } = boot();
    expect([code, out]).toEqual([0, expect.stringContaining('ready')]);
    expect(calls()).toMatch(/mkfs\.xfs -q .*Amazon_Elastic_Block_Store_/);
    expect(read('cromwell/cromwell.conf')).toContain(
      'endpoint = "http://127.0.0.1:8010/ga4gh/tes/v1/tasks"',
    );
    expect(read('cromwell/cromwell.conf')).toContain('slick.jdbc.HsqldbProfile$"');
    expect(read('cromwell/bin/cromwell-91.jar')).toBe(JAR);
    expect(calls()).toContain('systemctl start --no-block docker cromwell-proxy cromwell');
  });

  it('The proxy gets a map that it takes, the URL of the API, and the token from a file in memory.', () => {
    boot();
    const unit = read('etc/systemd/system/cromwell-proxy.service');
    const map = /--map (\S+)/.exec(unit)?.[1] ?? '';
    expect(map).toBe('/cromwell/executions=s3://lab-cromwell/cromwell-executions');
    // The command takes the map and stops at the URL.
    const cli = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
    const said = spawnSync(process.execPath, [cli, 'cromwell-proxy', '--map', map, '--url', 'x'], {
      encoding: 'utf8',
    });
    expect(said.stderr).toContain('--url x');
    expect(unit).toContain('--env BATCHWELL_URL=<import batchwell-service-ApiUrl>');
    expect(unit).toContain('--env-file /run/cromwell/proxy.env');
    expect(read('usr/local/bin/cromwell-proxy-prepare')).toContain('umask 077');
    const { status, stdout } = spawnSync('bash', [
      '-n',
      join(work, 'root/usr/local/bin/cromwell-proxy-prepare'),
    ]);
    expect([status, String(stdout)]).toEqual([0, '']);
  });

  it('A volume with data is never formatted, and a second boot changes nothing.', () => {
    writeFileSync(join(work, 'filesystem'), 'xfs\n');
    expect(boot().code).toBe(0);
    const later = join(work, 'root/var/lib/cloud/scripts/per-boot/cromwell-server');
    expect(boot({}, later).code).toBe(0);
    expect(calls()).not.toContain('mkfs');
    expect(calls().match(/systemctl start/g)).toHaveLength(2);
    expect(calls().match(/attach-volume/g)).toHaveLength(1);
  });

  it('It waits for the former server, and gives up with a reason when that never ends.', () => {
    writeFileSync(join(work, 'holder'), 'i-0\n');
    const { code, out } = boot();
    expect(code).toBe(1);
    expect(out).toContain('gave up: DataVolume is still attached to i-0');
    expect(calls()).not.toContain('mkfs');
  });

  it('A jar with another SHA-256 than the parameter is not run.', () => {
    const right = createHash('sha256').update(JAR).digest('hex');
    expect(boot({ JarSha256: 'ab'.repeat(32) }).out).toContain(`has the SHA-256 ${right}`);
    expect(existsSync(join(work, 'root/cromwell/bin/cromwell-91.jar'))).toBe(false);
    expect(boot({ JarSha256: right }).code).toBe(0);
  });
});
