/**
 * `batchwell up` leaves a note of where its servers are, so that other commands on the same machine
 * find its S3 and its database without a setting. Only its own user can read it.
 */
import { chmod, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

interface StackNote {
  pid: number;
  apiUrl: string;
  /** What a process needs in its environment to use the stack's servers. */
  environment: Record<string, string>;
}

export type FoundStack = Pick<StackNote, 'environment' | 'apiUrl'>;

const folder = (): string => join(tmpdir(), `batchwell-stacks-${userInfo().uid}`);
const noteOf = (port: string): string => join(folder(), `${port}.json`);

const OF_STACKS = /^(AWS|BATCHWELL|DATABASE|REDIS)_/;

/** In the folder of a stack that is deleted with it, also when it is killed. */
const NOTE = 'stack.json';

/**
 * Returns what takes the note away again.
 * @param ownFolder of a stack whose folder is temporary
 */
export async function noteStack(
  apiUrl: string,
  environment: NodeJS.ProcessEnv,
  ownFolder?: string,
): Promise<() => Promise<void>> {
  if (ownFolder === undefined) await mkdir(folder(), { recursive: true, mode: 0o700 });
  if (!(await isOwn(ownFolder ?? folder()))) return async () => undefined;
  const note: StackNote = {
    pid: process.pid,
    apiUrl,
    environment: Object.fromEntries(
      Object.entries(environment).filter(
        (entry): entry is [string, string] => entry[1] !== undefined && OF_STACKS.test(entry[0]),
      ),
    ),
  };
  const file = ownFolder === undefined ? noteOf(new URL(apiUrl).port) : join(ownFolder, NOTE);
  await rm(file, { force: true });
  await writeFile(file, JSON.stringify(note), { mode: 0o600 });
  await chmod(file, 0o600);
  return () => rm(file, { force: true });
}

/** Another user could put a folder or a file there. */
async function isOwn(path: string): Promise<boolean> {
  const facts = await lstat(path).catch(() => undefined);
  return (
    facts !== undefined &&
    !facts.isSymbolicLink() &&
    facts.uid === userInfo().uid &&
    (facts.mode & 0o022) === 0
  );
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** The stack on this machine whose API has this URL, if it runs. */
export async function findStack(apiUrl: string): Promise<FoundStack | undefined> {
  if (!URL.canParse(apiUrl)) return undefined;
  const { hostname, port } = new URL(apiUrl);
  if (!LOOPBACK.has(hostname) || port === '') return undefined;
  const temporary = (await readdir(tmpdir())).filter((name) => name.startsWith('batchwell-'));
  const places = [
    [folder(), noteOf(port)] as const,
    ...temporary.map((name) => [join(tmpdir(), name), join(tmpdir(), name, NOTE)] as const),
  ];
  for (const [place, file] of places) {
    const note = await readNote(place, file);
    if (note && new URL(note.apiUrl).port === port) return note;
  }
  return undefined;
}

async function readNote(place: string, file: string): Promise<StackNote | undefined> {
  if (!(await isOwn(file)) || !(await isOwn(place))) return undefined;
  try {
    const note = JSON.parse(await readFile(file, 'utf8')) as StackNote;
    return isAlive(note.pid) ? note : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
