/**
 * Ships the newest part of what executors print, while they run. It is a courtesy to those who watch: the whole logs are
 * written by session.ts in any case, so a failure here is told once and stops nothing.
 */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { seeStream, windowMetadata, windowOffset } from '../core/container/live-log.ts';
import type { SeenStream } from '../core/container/live-log.ts';
import type { S3Place } from '../core/files/s3-url.ts';
import type { Log } from './log.ts';
import { reasonOf } from './s3.ts';

/** After an executor's start: most tasks are over by then, and cost nothing. */
const FIRST_LOOK_MS = 5_000;

export interface LiveStream {
  /** `0.stdout` */
  name: string;
  path: string;
}

export interface LiveLogsParts {
  s3: S3Client;
  log: Log;
  /** Batch's, from 1. */
  attempt: number;
  /** The longest pause between two looks; 0: none is made. */
  longestMs: number;
  place(name: string): S3Place;
  /** Of all executors that were started. */
  streams(): readonly LiveStream[];
}

export interface LiveLogs {
  /** Looks soon, and often at first. */
  executorStarted(): void;
  /** For good; an upload under way is broken off. */
  stop(): void;
}

export function openLiveLogs(parts: LiveLogsParts): LiveLogs {
  const seen = new Map<string, SeenStream>();
  const failing = new Set<string>();
  const stopped = new AbortController();
  const { signal } = stopped;
  /** Before the look after the next one, once that is planned. */
  let pauseMs = 0;
  let next: { timer: NodeJS.Timeout; atMs: number } | undefined;
  let looking = false;

  const ship = async ({ name, path }: LiveStream): Promise<void> => {
    const file = await openFile(path);
    if (file === undefined) return;
    try {
      const { ino, size: sizeBytes } = await file.stat();
      const now = seeStream(seen.get(name), { ino, sizeBytes });
      seen.set(name, now);
      if (now.shipped) return;
      const offset = windowOffset(sizeBytes);
      const body = await readPart(file, offset, sizeBytes - offset);
      await upload(parts, {
        name,
        body,
        metadata: windowMetadata({ batchAttempt: parts.attempt, cuts: now.cuts, offset }),
        signal,
      });
      seen.set(name, { ...now, shipped: true });
      failing.delete(name);
    } finally {
      await file.close();
    }
  };
  const shipOrTell = async (stream: LiveStream): Promise<void> => {
    try {
      await ship(stream);
    } catch (error) {
      // Once, and not every half a minute until S3 answers again.
      if (!signal.aborted && !failing.has(stream.name))
        parts.log('live_log_not_written', { name: stream.name, reason: reasonOf(error) });
      failing.add(stream.name);
    }
  };

  const look = async (): Promise<void> => {
    next = undefined;
    looking = true;
    // One after the other: a window each would be much memory where executors are many.
    for (const stream of parts.streams()) if (!signal.aborted) await shipOrTell(stream);
    looking = false;
    schedule();
  };
  const schedule = (): void => {
    if (signal.aborted || looking) return;
    const atMs = performance.now() + pauseMs;
    if (next !== undefined && next.atMs <= atMs) return;
    clearTimeout(next?.timer);
    next = { atMs, timer: setTimeout(() => void look(), pauseMs).unref() };
    pauseMs = Math.min(pauseMs * 2, parts.longestMs);
  };

  return {
    executorStarted() {
      if (parts.longestMs === 0) return;
      pauseMs = Math.min(FIRST_LOOK_MS, parts.longestMs);
      schedule();
    },
    stop() {
      stopped.abort();
      clearTimeout(next?.timer);
    },
  };
}

/** Undefined for what is no file: opening a pipe would wait for its writer, or take what is meant for another. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  const facts = await stat(path).catch(() => undefined);
  return facts?.isFile() ? open(path, constants.O_RDONLY | constants.O_NONBLOCK) : undefined;
}

/** Fewer bytes where the task has cut the file since. */
async function readPart(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const part = Buffer.allocUnsafe(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await file.read(part, filled, bytes - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return part.subarray(0, filled);
}

interface Window {
  name: string;
  body: Buffer;
  metadata: Record<string, string>;
  signal: AbortSignal;
}

async function upload(
  { s3, place }: LiveLogsParts,
  { name, body, metadata, signal }: Window,
): Promise<void> {
  const { bucket, key } = place(name);
  await s3.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: body,
      ContentType: 'text/plain; charset=utf-8',
      Metadata: metadata,
    }),
    { abortSignal: signal },
  );
}
