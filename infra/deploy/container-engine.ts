/** The container engine of this machine: the first that answers. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Interrupted, Refusal } from './errors.ts';

export interface Engine {
  program: string;
}

/** buildah has no daemon and podman none by default; `info` fails where they cannot work. */
const ENGINES = ['docker', 'podman', 'buildah'];

export function findEngine(): Engine | { tried: string[] } {
  const tried: string[] = [];
  for (const program of ENGINES) {
    const { status, error, stderr, stdout } = spawnSync(program, ['info'], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    if (status === 0 && !/^ERROR|Cannot connect/m.test(`${stderr}${stdout}`)) return { program };
    const why = error ? 'is not installed' : lastLine(stderr) || lastLine(stdout);
    tried.push(`${program}: ${why}`);
  }
  return { tried };
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';

export interface EngineRun {
  signal: AbortSignal;
  /** What the program reads, such as a password, which is no argument for that reason. */
  input?: string;
  /** What to do about a failure, by what the program said. */
  advice?(said: string): string | undefined;
}

/** Its output goes to the terminal. @throws Refusal */
export async function runEngine(
  { program }: Engine,
  args: readonly string[],
  { signal, input, advice }: EngineRun,
): Promise<void> {
  const child = spawn(program, args, { stdio: ['pipe', 'inherit', 'pipe'], signal });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-16_384);
    process.stderr.write(chunk);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const code = await once(child, 'close').then(
    ([status]: unknown[]) => status,
    (error: unknown) => {
      if (signal.aborted) throw new Interrupted('Interrupted.');
      throw error;
    },
  );
  if (code === 0) return;
  const help = advice?.(said) ?? lastLine(said);
  throw new Refusal(`${program} ${args[0] ?? ''} failed (exit code ${String(code)}). ${help}`);
}
