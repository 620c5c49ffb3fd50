/**
 * A file of events, one JSON line each, by which jobs and definitions outlive the process. It
 * survives a SIGKILL of the server (the kernel holds what was written) but not a power failure:
 * nothing is fsynced.
 */
import { closeSync, createReadStream, createWriteStream, openSync, writeSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import type { Definition } from './definitions.ts';
import type { Attempt, Submission } from './jobs.ts';
import type { ComputeEnvironment, JobQueue } from './queues.ts';

export type JournalEvent =
  | { event: 'definition'; definition: Definition }
  | { event: 'queue'; queue: JobQueue }
  | { event: 'queue-removed'; name: string }
  | { event: 'environment'; environment: ComputeEnvironment }
  | { event: 'environment-removed'; name: string }
  | { event: 'submitted'; submission: Submission }
  | { event: 'tags'; jobId: string; tags: Record<string, string> }
  | { event: 'stopped'; jobId: string; how: 'cancel' | 'terminate'; reason: string }
  | { event: 'started'; jobId: string; taskId: string; logStreamName?: string; atMs: number }
  | { event: 'attempt'; jobId: string; attempt: Attempt }
  | {
      event: 'ended';
      jobId: string;
      status: 'SUCCEEDED' | 'FAILED';
      statusReason: string;
      atMs: number;
    };

export interface Journal {
  write(event: JournalEvent): void;
  /** Everything written so far is in the kernel's hands when this returns. */
  flush(): void;
  close(): void;
}

export function openJournal(path: string): Journal {
  const file = openSync(path, 'a');
  let lines: string[] = [];
  let planned = false;
  let open = true;

  function flush(): void {
    planned = false;
    if (lines.length === 0 || !open) return;
    const text = Buffer.from(`${lines.join('\n')}\n`);
    lines = [];
    for (let at = 0; at < text.length;) at += writeSync(file, text, at);
  }

  return {
    write(event) {
      if (!open) return;
      lines.push(JSON.stringify(event));
      if (planned) return;
      planned = true;
      setImmediate(flush);
    },
    flush,
    close() {
      flush();
      if (open) closeSync(file);
      open = false;
    },
  };
}

async function* readLines(path: string): AsyncGenerator<{ line: string; event: JournalEvent }> {
  for await (const line of createInterface({
    input: createReadStream(path),
    crlfDelay: Infinity,
  })) {
    let event: JournalEvent;
    try {
      event = JSON.parse(line) as JournalEvent;
    } catch {
      // A killed process can leave an incomplete last line.
      continue;
    }
    yield { line, event };
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Applies every event of an earlier run, oldest first. Without a file it does nothing. */
export async function replayJournal(
  path: string,
  apply: (event: JournalEvent) => void,
): Promise<void> {
  if (!(await exists(path))) return;
  for await (const { event } of readLines(path)) apply(event);
}

/** The job an event is about, without its array index. */
function jobOf(event: JournalEvent): string | undefined {
  if (event.event === 'submitted') return event.submission.jobId;
  return 'jobId' in event ? event.jobId.split(':')[0] : undefined;
}

/**
 * Rewrites the journal without the events of forgotten jobs and without an incomplete last line.
 */
export async function compactJournal(
  path: string,
  isKept: (jobId: string) => boolean,
): Promise<void> {
  if (!(await exists(path))) return;
  const fresh = `${path}.new`;
  await rm(fresh, { force: true });
  const output = createWriteStream(fresh);
  for await (const { line, event } of readLines(path)) {
    const jobId = jobOf(event);
    if (jobId !== undefined && !isKept(jobId)) continue;
    if (!output.write(`${line}\n`)) await once(output, 'drain');
  }
  output.end();
  await once(output, 'finish');
  await rename(fresh, path);
}
