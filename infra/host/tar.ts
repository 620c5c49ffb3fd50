/** A tar archive that depends on contents alone: sorted names, owner 0, time 0 (source: POSIX ustar). */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const BLOCK = 512;
const NAME_BYTES = 100;

/** The files and folders below `folder`, as an archive. @throws Error for a name that is too long */
export function tarOf(folder: string): Buffer {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted();
  const entries = names.flatMap((name) => entryOf(folder, name));
  return Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]);
}

function entryOf(folder: string, name: string): Buffer[] {
  const facts = statSync(join(folder, name));
  if (facts.isDirectory()) return [headerOf(`${name}/`, 0o755, 0, '5')];
  const content = readFileSync(join(folder, name));
  const mode = (facts.mode & 0o111) === 0 ? 0o644 : 0o755;
  const padding = (BLOCK - (content.length % BLOCK)) % BLOCK;
  return [headerOf(name, mode, content.length, '0'), content, Buffer.alloc(padding)];
}

function headerOf(name: string, mode: number, size: number, type: '0' | '5'): Buffer {
  if (Buffer.byteLength(name) > NAME_BYTES) throw new Error(`${name} is longer than 100 bytes.`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at);
  header.write(name, 0);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(0, 136, 11);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
