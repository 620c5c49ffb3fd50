/** What a job may leave on the disk, and that it can be removed. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { removeTree } from '../remove-tree.ts';

async function folderOfTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remove-tree-'));
  onTestFinished(() => void execFileSync('rm', ['-rf', folder]));
  return folder;
}

/** 60 levels of 100 characters by default: the kernel takes no path to the last one. */
function makeDeep(folder: string, levels = 60): void {
  execFileSync(
    'sh',
    [
      '-c',
      'cd "$1"; for i in $(seq "$2"); do mkdir "$3"; echo a >f; cd -P "$3"; done',
      'sh',
      folder,
      String(levels),
      'x'.repeat(100),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
}

/** Root may do everything, so another user tries it. */
async function removeAsUser(folder: string, root: string): Promise<void> {
  if (process.getuid?.() !== 0) return removeTree(root);
  execFileSync('chown', ['-R', '65534', folder]);
  const module = join(import.meta.dirname, '../remove-tree.ts');
  const program = `import { removeTree } from ${JSON.stringify(module)}; await removeTree(${JSON.stringify(root)});`;
  execFileSync(process.execPath, ['--input-type=module', '-e', program], { uid: 65534 });
}

it('a tree that is deeper than any path may be is removed, with what is beside it', async () => {
  const root = join(await folderOfTest(), 'root');
  for (const name of ['a', 'b']) {
    await mkdir(join(root, name), { recursive: true });
    makeDeep(join(root, name), name === 'a' ? 60 : 90);
  }
  await writeFile(join(root, 'beside'), '');
  await removeTree(root);
  expect(existsSync(root)).toBe(false);
});

it('folders without permissions are removed by their owner', async () => {
  const folder = await folderOfTest();
  const root = join(folder, 'root');
  await mkdir(join(root, 'closed', 'inner'), { recursive: true });
  await writeFile(join(root, 'closed', 'inner', 'file'), '');
  await chmod(join(root, 'closed', 'inner'), 0o000);
  await chmod(join(root, 'closed'), 0o000);
  await chmod(root, 0o500);
  await removeAsUser(folder, root);
  expect(existsSync(root)).toBe(false);
});

it('names that are not UTF-8, links, sockets and many files are removed, and what links lead to stays', async () => {
  const folder = await folderOfTest();
  const root = join(folder, 'root');
  await mkdir(root);
  await writeFile(join(folder, 'kept'), 'kept');
  await symlink(folder, join(root, 'to-folder'));
  await symlink(join(folder, 'kept'), join(root, 'to-file'));
  execFileSync('sh', [
    '-c',
    'cd "$1"; mkfifo pipe; mkdir "$(printf "\\377")"; touch "$(printf "\\377/\\376")"; seq 1000 | xargs touch',
    'sh',
    root,
  ]);
  await removeTree(root);
  expect([existsSync(root), existsSync(join(folder, 'kept'))]).toEqual([false, true]);
});

it('nothing at the path is no failure, and a file is removed', async () => {
  const folder = await folderOfTest();
  await expect(removeTree(join(folder, 'nothing'))).resolves.toBeUndefined();
  await writeFile(join(folder, 'file'), '');
  await removeTree(join(folder, 'file'));
  expect(existsSync(join(folder, 'file'))).toBe(false);
});
