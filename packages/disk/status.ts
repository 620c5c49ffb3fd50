/** `batchwell-disk status`: what the daemon knows, for people and as JSON. */
import { closeSync, readFileSync } from 'node:fs';
import type { Journal } from './rules/journal.ts';
import { GIB, type Policy } from './rules/policy.ts';
import { fileSystemAt } from './host/file-system.ts';
import { takeLock } from './host/lock.ts';
import { paths } from './host/paths.ts';
import { tasksAt } from './host/real-machine.ts';

export interface Status {
  mode: Policy['mode'];
  isRunning: boolean;
  sizeBytes: number;
  usedBytes: number;
  maxGiB: number;
  tasks: 'running' | 'frozen' | 'missing';
  growth: Journal['growth'];
  volumes: Journal['volumes'];
  discards: Journal['discards'];
  refused: Journal['refused'];
  counts: Journal['counts'] | null;
}

export function readStatus(policy: Policy): Status {
  const journal = readJournalFile();
  const { sizeBytes, freeBytes } = fileSystemAt(paths.mount);
  return {
    mode: policy.mode,
    isRunning: isLocked(),
    sizeBytes,
    usedBytes: sizeBytes - freeBytes,
    maxGiB: policy.maxGiB,
    tasks: tasksAt(paths.tasks),
    growth: journal?.growth ?? null,
    volumes: journal?.volumes ?? [],
    discards: journal?.discards ?? [],
    refused: journal?.refused ?? null,
    counts: journal?.counts ?? null,
  };
}

function isLocked(): boolean {
  const lock = takeLock(paths.lock);
  if (lock !== undefined) closeSync(lock);
  return lock === undefined;
}

function readJournalFile(): Journal | undefined {
  try {
    return JSON.parse(readFileSync(paths.journal, 'utf8')) as Journal;
  } catch {
    return undefined;
  }
}

const gib = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;

export function describeStatus(status: Status): string {
  const { sizeBytes, usedBytes, growth, counts, refused, tasks } = status;
  const share = sizeBytes === 0 ? 0 : Math.round((usedBytes / sizeBytes) * 100);
  const lines = [
    `Mode      ${status.mode}, daemon ${status.isRunning ? 'running' : 'not running'}`,
    `Disk      ${gib(usedBytes)} of ${gib(sizeBytes)} used (${share} %)`,
  ];
  if (status.mode === 'elastic') lines.push(`Limit     ${status.maxGiB} GiB`);
  lines.push(`Tasks     ${tasks === 'missing' ? 'no cgroup ecstasks.slice' : tasks}`);
  if (growth)
    lines.push(
      `Growth    ${growth.at}, ${growth.sizeGiB} GiB, ${'volumeId' in growth ? growth.volumeId : 'no volume yet'}`,
    );
  for (const { volumeId, sizeGiB } of status.volumes)
    lines.push(`Volume    ${volumeId}, ${sizeGiB} GiB`);
  for (const { volumeId, at } of status.discards)
    lines.push(`Unwanted  ${volumeId}, ${at === 'attached' ? 'to be detached' : 'to be deleted'}`);
  if (refused) lines.push(`Refused   ${refused.sentence}`);
  if (counts)
    lines.push(
      `Counts    ${counts.growths} growths, ${counts.giveUps} given up, ${counts.calls} EC2 requests, ` +
        `${Math.round(counts.brakeMs / 1000)} s of brake`,
    );
  return lines.join('\n');
}
