/** One attempt at a task: what its script requested, and the results so far. */
import type { S3Client } from '@aws-sdk/client-s3';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inSubmission } from '../core/files/s3-layout.ts';
import type { ExecutorResult, ResultRecord, StagerError } from '../core/result/result.ts';
import type { Descendants } from './descendants.ts';
import { placeIn, type OwnSubmission } from './fence.ts';
import type { FetchedFile } from './fetched.ts';
import type { DeclaredInput } from './inputs.ts';
import { openLiveLogs } from './live-logs.ts';
import type { LiveLogs, LiveStream } from './live-logs.ts';
import type { Log } from './log.ts';
import type { DeclaredOutput } from './outputs.ts';
import type { Before } from './reach.ts';
import type { Stream } from './streams.ts';
import type { UsageMeter } from './usage.ts';
import type { Uploader } from './upload.ts';

export interface Identity extends OwnSubmission {
  batchJobId: string;
  /** Array index, from 0; 0 for a single job. */
  index: number;
  /** From 1. */
  attempt: number;
}

interface StartedExecutor {
  startedMs: number;
  stdout: Stream;
  stderr: Stream;
  ended?: ExecutorResult;
}

interface SessionMeans {
  s3: S3Client;
  uploader: Uploader;
  log: Log;
  startedMs: number;
  descendants: Descendants;
  usage: UsageMeter;
  /** What the record says beside what its outputs say. */
  warnings: string[];
}

export interface Session extends Identity, SessionMeans {
  /**
   * Folder of the logs of executors that name no path of their own; '' until the script is written.
   */
  logs: string;
  diskWaitMs: number;
  inputs: DeclaredInput[];
  outputs: DeclaredOutput[];
  fetched: FetchedFile[];
  /** Volumes, working directories, and folders that the stager made: links to them are followed. */
  given: string[];
  before?: Before;
  /** Those that were started, in order. */
  executors: StartedExecutor[];
  record: Pick<ResultRecord, 'outputs' | 'missingOutputs' | 'inputs' | 'warnings'>;
  error?: StagerError;
  live: LiveLogs;
  /** Once it is set, nothing more is written. */
  closed?: 'fenced' | 'terminated' | 'recorded';
}

interface SessionTimes {
  /** The longest pause between two looks at what executors print; 0 turns live logs off. */
  liveLogsMs: number;
  /** The longest time an input waits for room on the disk. */
  diskWaitMs: number;
}

export function openSession(
  identity: Identity,
  parts: SessionMeans,
  { liveLogsMs, diskWaitMs }: SessionTimes,
): Session {
  const executors: Session['executors'] = [];
  const live = openLiveLogs({
    s3: parts.s3,
    log: parts.log,
    attempt: identity.attempt,
    longestMs: liveLogsMs,
    place: (name) => placeIn(identity, inSubmission.live(identity.index, name)),
    streams: () => (executors.length > 0 ? streamsOf(executors) : noticesOf(session)),
  });
  const session: Session = {
    ...identity,
    ...parts,
    diskWaitMs,
    logs: '',
    inputs: [],
    outputs: [],
    fetched: [],
    given: [],
    executors,
    record: { outputs: [], missingOutputs: [] },
    live,
  };
  return session;
}

export const streamsOf = (executors: Session['executors']): LiveStream[] =>
  executors.flatMap(({ stdout, stderr }, position) => [
    { name: `${position}.stdout`, ...stdout },
    { name: `${position}.stderr`, ...stderr },
  ]);

/** What is told before an executor prints anything; the stderr of the first one replaces it. */
export const noticesOf = ({ logs }: Session): LiveStream[] =>
  logs === '' ? [] : [{ name: '0.stderr', path: join(logs, 'notices') }];

/**
 * Writes the script and creates the logs' folder, both private to this attempt.
 * @returns the script's path
 */
export async function layOut(session: Session, scratch: string, text: string): Promise<string> {
  session.logs = join(scratch, 'logs');
  await mkdir(session.logs, { mode: 0o700 });
  const script = join(scratch, 'script.sh');
  await writeFile(script, text, { mode: 0o600 });
  return script;
}
