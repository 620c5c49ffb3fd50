/** The actions on the block layer, with what one of them learned and the next one needs. */
import { keyOf } from '../daemon.ts';
import type { BlockResult, Inspection } from '../machine.ts';
import type { BlockAction } from '../rules/action.ts';
import type { Content } from '../rules/facts.ts';
import { nvmeDevices } from './devices.ts';
import { fileSystemAt } from './file-system.ts';
import {
  addDevice,
  CommandFailed,
  contentsOf,
  growFileSystem,
  isWhole,
  logBytes,
  probe,
  readGroup,
  type Group,
} from './lvm.ts';
import { paths } from './paths.ts';
import type { RunOptions } from './programs.ts';

/** LVM waits for devices; a device that hangs must not hold the daemon for ever. */
const COMMAND_MS = 60_000;

export type BlockLayer = (action: BlockAction) => Promise<BlockResult>;

export function blockLayer(lockFd: number): BlockLayer {
  const options: RunOptions = { lockFd, deadlineMs: COMMAND_MS };
  const foreign = new Map<string, Content>();
  let group: Group | undefined;
  let ownLogBytes: number | undefined;

  const inspect = async (): Promise<Inspection> => {
    const devices = nvmeDevices();
    group = await readGroup(options);
    const keys = new Map(devices.map((device) => [device.path, keyOf(device)]));
    for (const key of foreign.keys()) if (![...keys.values()].includes(key)) foreign.delete(key);
    const contents = await contentsOf(devices, group, async (path) => {
      const key = keys.get(path) ?? path;
      const known = foreign.get(key);
      if (known) return known;
      const { content, isSure } = await probe(path, options);
      // What is foreign stays so for as long as the device is there.
      if (isSure && content.is === 'foreign') foreign.set(key, content);
      return content;
    });
    const { sizeBytes } = fileSystemAt(paths.mount);
    ownLogBytes ??= await logBytes(paths.mount, sizeBytes, options);
    return {
      contents: new Map([...contents].map(([path, content]) => [keys.get(path) ?? path, content])),
      isFileSystemWhole: isWhole(group, sizeBytes + ownLogBytes),
    };
  };

  return async (action) => {
    try {
      if (action.do === 'inspect') return { outcome: { is: 'done' }, inspection: await inspect() };
      if (action.do === 'add') await addDevice(action.device, options);
      else await growFileSystem(paths.mount, group ?? (await readGroup(options)), options);
      return { outcome: { is: 'done' } };
    } catch (error) {
      const sentence = error instanceof CommandFailed ? error.message : String(error);
      return { outcome: { is: 'failed', sentence } };
    }
  };
}
