/** Block devices of the host, from /sys: no program is started for a look. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Device {
  path: string;
  serial: string;
  model: string;
  sizeBytes: number;
}

export const SECTOR = 512;
export const INSTANCE_STORE = 'Amazon EC2 NVMe Instance Storage';

/** All NVMe disks; one that goes away meanwhile is left out. */
export function nvmeDevices(sys = '/sys'): Device[] {
  const folder = join(sys, 'block');
  return readdirSync(folder)
    .filter((name) => /^nvme\d+n\d+$/.test(name))
    .flatMap((name) => {
      try {
        const read = (file: string): string =>
          readFileSync(join(folder, name, file), 'utf8').trim();
        return [
          {
            path: `/dev/${name}`,
            serial: read('device/serial'),
            model: read('device/model'),
            sizeBytes: Number(read('size')) * SECTOR,
          },
        ];
      } catch {
        return [];
      }
    })
    .toSorted((a, b) => a.path.localeCompare(b.path, 'en', { numeric: true }));
}
