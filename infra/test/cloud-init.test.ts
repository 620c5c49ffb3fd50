/**
 * What cloud-init makes of the user data: its own reader names each part and gives its text. Its schema
 * is about #cloud-config, which ours has none of. CLOUD_INIT_PYTHON names a Python that has it.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { deploy, propertiesOf } from './world.ts';

const python = process.env['CLOUD_INIT_PYTHON'] ?? 'python3';
const isThere = spawnSync(python, ['-c', 'import cloudinit']).status === 0;

const READER = `
import json, sys
from cloudinit.user_data import UserDataProcessor
parts = UserDataProcessor(None).process(sys.stdin.buffer.read())
print(json.dumps([[p.get_content_type(), p.get_payload(decode=True).decode()]
                  for p in parts.walk() if not p.is_multipart()]))
`;

function partsOf(userData: string): [type: string, text: string][] {
  const { stdout, stderr } = spawnSync(python, ['-c', READER], {
    input: userData,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as [string, string][];
}

const userDataOf = (template: string, id: string): string =>
  (
    propertiesOf(deploy(template), id)['LaunchTemplateData'] as {
      UserData: string;
    }
  ).UserData;

describe.skipIf(!isThere)('cloud-init (skipped where no Python has it)', () => {
  it('The user data of hosts are one boothook, which runs before docker.', () => {
    const parts = partsOf(userDataOf('core', 'LaunchTemplate'));
    expect(parts.map(([type]) => type)).toEqual(['text/cloud-boothook']);
    expect(parts[0]?.[1]).toMatch(/^#!\/bin\/sh\n/);
    expect(parts[0]?.[1]).toMatch(/exec .*boothook"$/);
  });

  it('The user data of the Cromwell server are one script, with nothing lost.', () => {
    const userData = userDataOf('cromwell', 'ServerTemplate');
    expect(partsOf(userData)).toEqual([['text/x-shellscript', userData]]);
  });
});
