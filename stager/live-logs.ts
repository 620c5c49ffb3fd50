/**
 * Ships the newest part of what executors print, while they run. It only serves those who follow a
 * log: session.ts writes the whole logs in any case, so a failure here is logged once and stops
 * nothing.
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

/** After an executor's start. Most tasks have ended by then and cost nothing. */
const FIRST_LOOK_MS = 5_000;

export interface LiveStream {
  /** `0.stdout` */
  name: string;
  path: string;
  /** What the executor prints to, also after the task has deleted or replaced it at its path. */
  file?: FileHandle | undefined;
}

export interface LiveLogsOptions {
  s3: S3Client;
  log: Log;
  /** Batch's own attempt, from 1. */
  attempt: number;
  /** The longest pause between two looks; 0 turns live logs off. */
  longestMs: number;
  place(name: string): S3Place;
  /** Of all executors that were started. */
  streams(): readonly LiveStream[];
}

export interface LiveLogs {
  /** There is, or soon will be, something new: looks soon, and at first often. */
  lookSoon(): void;
  /** Ends all looks and aborts an upload in progress. */
  stop(): void;
}

/** What has been seen and shipped of the streams, and when they are looked at next. */
interface Watch {
  options: LiveLogsOptions;
  seen: Map<string, SeenStream>;
  failing: Set<string>;
  stopped: AbortController;
  /** Pause before the look after the next one, once that is planned. */
  pauseMs: number;
  next?: { timer: NodeJS.Timeout; atMs: number } | undefined;
  looking: boolean;
}

export function openLiveLogs(options: LiveLogsOptions): LiveLogs {
  const watch: Watch = {
    options,
    seen: new Map(),
    failing: new Set(),
    stopped: new AbortController(),
    pauseMs: 0,
    looking: false,
  };
  return {
    lookSoon() {
      if (options.longestMs === 0) return;
      watch.pauseMs = Math.min(FIRST_LOOK_MS, options.longestMs);
      schedule(watch);
    },
    stop() {
      watch.stopped.abort();
      clearTimeout(watch.next?.timer);
    },
  };
}

function schedule(watch: Watch): void {
  if (watch.stopped.signal.aborted || watch.looking) return;
  const { pauseMs, next } = watch;
  const atMs = performance.now() + pauseMs;
  if (next !== undefined && next.atMs <= atMs) return;
  clearTimeout(next?.timer);
  watch.next = { atMs, timer: setTimeout(() => void look(watch), pauseMs).unref() };
  watch.pauseMs = Math.min(pauseMs * 2, watch.options.longestMs);
}

async function look(watch: Watch): Promise<void> {
  watch.next = undefined;
  watch.looking = true;
  // One stream after the other: with many executors, a window for each at once would take much
  // memory.
  for (const stream of watch.options.streams())
    if (!watch.stopped.signal.aborted) await shipOrReport(watch, stream);
  watch.looking = false;
  schedule(watch);
}

async function shipOrReport(watch: Watch, stream: LiveStream): Promise<void> {
  const { failing, options, stopped } = watch;
  try {
    await ship(watch, stream);
  } catch (error) {
    // Logged once, not every half a minute until S3 answers again.
    if (!stopped.signal.aborted && !failing.has(stream.name))
      options.log('live_log_not_written', { name: stream.name, reason: reasonOf(error) });
    failing.add(stream.name);
  }
}

async function ship(watch: Watch, { name, path, file }: LiveStream): Promise<void> {
  if (file !== undefined) return shipFrom(watch, name, file);
  const opened = await openFile(path);
  if (opened === undefined) return;
  try {
    await shipFrom(watch, name, opened);
  } finally {
    await opened.close();
  }
}

async function shipFrom(watch: Watch, name: string, file: FileHandle): Promise<void> {
  const { options, seen, failing, stopped } = watch;
  const { ino, size: sizeBytes } = await file.stat();
  const now = seeStream(seen.get(name), { ino, sizeBytes });
  seen.set(name, now);
  if (now.shipped) return;
  const offset = windowOffset(sizeBytes);
  const body = await readPart(file, offset, sizeBytes - offset);
  await upload(options, {
    name,
    body,
    metadata: windowMetadata({ batchAttempt: options.attempt, cuts: now.cuts, offset }),
    signal: stopped.signal,
  });
  seen.set(name, { ...now, shipped: true });
  failing.delete(name);
}

/**
 * Undefined when it is not a file: opening a pipe would wait for its writer, or read what is meant
 * for someone else.
 */
async function openFile(path: string): Promise<FileHandle | undefined> {
  const facts = await stat(path).catch(() => undefined);
  return facts?.isFile() ? open(path, constants.O_RDONLY | constants.O_NONBLOCK) : undefined;
}

/** Returns fewer bytes when the task has truncated the file since. */
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
  { s3, place }: LiveLogsOptions,
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
