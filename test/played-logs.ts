/**
 * Logs in a fake work bucket: what it contains, what was requested, and whether it answers.
 */
import { createHash } from 'node:crypto';
import type { LogObjects } from '../api/tasks/logs.ts';

interface PlayedLog {
  body: string | Buffer;
  /** A window's. */
  metadata?: Record<string, string>;
}

export interface PlayedLogs {
  /** Whole logs, by key in the work bucket. */
  texts: Map<string, string>;
  windows: Map<string, PlayedLog>;
  /** A whole log that is too large for memory: its size, and where its bytes come from. */
  streamed: Map<string, { sizeBytes: number; from(byte: number): AsyncIterable<Uint8Array> }>;
  /** Keys that were opened, in order. */
  opened: string[];
  away: boolean;
  objects: LogObjects;
}

const etagOf = ({ body, metadata }: PlayedLog): string =>
  createHash('md5')
    .update(body)
    .update(JSON.stringify(metadata ?? {}))
    .digest('hex');

export function playLogs(): PlayedLogs {
  const find = (key: string): PlayedLog | undefined => {
    if (played.away) throw new Error(`S3 could not read ${key}: it is away.`);
    const text = played.texts.get(key);
    return text === undefined ? played.windows.get(key) : { body: text };
  };
  const played: PlayedLogs = {
    texts: new Map(),
    windows: new Map(),
    streamed: new Map(),
    opened: [],
    away: false,
    objects: {
      async readTail(key, mostBytes) {
        const found = find(key);
        return found && Buffer.from(found.body).subarray(-mostBytes);
      },
      async describe(key) {
        const sizeBytes = played.streamed.get(key)?.sizeBytes;
        if (sizeBytes !== undefined) return { sizeBytes, metadata: {} };
        const found = find(key);
        return (
          found && { sizeBytes: Buffer.byteLength(found.body), metadata: found.metadata ?? {} }
        );
      },
      async open(key, { fromByte = 0, unlessEtag } = {}) {
        played.opened.push(key);
        const streamed = played.streamed.get(key);
        if (streamed)
          return {
            etag: key,
            sizeBytes: streamed.sizeBytes - fromByte,
            metadata: {},
            body: streamed.from(fromByte),
            close: () => undefined,
          };
        const found = find(key);
        if (found === undefined) return undefined;
        const etag = etagOf(found);
        if (etag === unlessEtag) return 'unchanged';
        const bytes = Buffer.from(found.body).subarray(fromByte);
        return {
          etag,
          sizeBytes: bytes.length,
          metadata: found.metadata ?? {},
          body: inChunks(bytes),
          close: () => undefined,
        };
      },
    },
  };
  return played;
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 5) yield bytes.subarray(start, start + 5);
}
