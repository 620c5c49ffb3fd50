/**
 * The host release: `npm run build:host [-- FOLDER]`, dist/host by default.
 *
 *   batchwell-host-x86_64.tar.gz   batchwell-host-arm64.tar.gz   SHA256SUMS   CONTENTS
 *
 * A machine builds for its own architecture, because the libraries of Node are its own. Archives of the
 * other one that are in the folder already go into SHA256SUMS, whose SHA-256 names the release.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import {
  assembleHostFolder,
  listHostFolder,
  type HostFolderOptions,
} from '../../stager/host-folder.ts';
import { bundleDisk } from '../../packages/disk/bundle.ts';
import { tarOf } from './tar.ts';

const ARCHIVE = /^batchwell-host-(x86_64|arm64)\.tar\.gz$/;
const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';

const sha256 = (content: Buffer | string): string =>
  createHash('sha256').update(content).digest('hex');

/** Builds this machine's archive and lists all. Returns the name of the release. */
export async function buildHost(folder: string, options: HostFolderOptions = {}): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'batchwell-host-'));
  try {
    const made = join(work, 'batchwell');
    const { withoutShell } = await assembleHostFolder(made, options);
    if (withoutShell !== undefined && options.shell !== false) throw new Error(withoutShell);
    // It names paths of this machine, and nothing on hosts reads it.
    rmSync(join(made, 'stamp'));
    copyFileSync(
      fileURLToPath(new URL('entrypoint.mjs', import.meta.url)),
      join(made, 'entrypoint.mjs'),
    );
    await bundleDisk(join(made, 'disk.mjs'));
    cpSync(fileURLToPath(new URL('release', import.meta.url)), join(made, 'host'), {
      recursive: true,
    });
    const names = await listHostFolder(made);
    writeFileSync(join(folder, `CONTENTS-${architecture}`), `${names.join('\n')}\n`);
    writeFileSync(join(folder, `batchwell-host-${architecture}.tar.gz`), gzipSync(tarOf(made)));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return listRelease(folder);
}

/** Writes SHA256SUMS of the archives in the folder. Its own SHA-256 is the name of the release. */
export function listRelease(folder: string): string {
  const archives = readdirSync(folder)
    .filter((name) => ARCHIVE.test(name))
    .toSorted();
  const sums = archives
    .map((name) => `${sha256(readFileSync(join(folder, name)))}  ${name}\n`)
    .join('');
  writeFileSync(join(folder, 'SHA256SUMS'), sums);
  return sha256(sums);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = resolve(process.argv[2] ?? 'dist/host');
  const release = await buildHost(folder);
  console.log(`Host release ${release}, in ${folder}:`);
  console.log(readFileSync(join(folder, 'SHA256SUMS'), 'utf8').trimEnd());
  console.log(`Upload these files to s3://RELEASE-BUCKET/releases/${release}/.`);
}
