/** The daemon as a process: `batchwell-disk run`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ec2Client } from './ec2/client.ts';
import { metadata, type Identity } from './ec2/metadata.ts';
import type { Policy } from './rules/policy.ts';
import { tagsOf } from './rules/tags.ts';
import { Daemon } from './daemon.ts';
import { readJournal } from './host/journal-file.ts';
import { kernelLog } from './host/kernel-log.ts';
import { takeLock } from './host/lock.ts';
import { diskMetrics } from './host/metrics.ts';
import { paths } from './host/paths.ts';
import { realMachine } from './host/real-machine.ts';
import { reporter, type Reporter } from './host/report.ts';

const SWEEP_WITHIN_MS = 300_000;
/** As EX_TEMPFAIL of sysexits.h. */
const ANOTHER_RUNS = 75;

export async function runDaemon(policy: Policy): Promise<number> {
  const lockFd = takeLock(paths.lock);
  const told = reporter();
  if (lockFd === undefined) {
    console.error(`Another daemon, or a command of it, holds ${paths.lock}.`);
    return ANOTHER_RUNS;
  }
  const identity = await identify(told);
  const { journal, isNew } = readJournal(paths.journal, identity.instanceId);
  const ofInstance = policy.mode === 'elastic' ? await instanceTags(told) : {};
  const rest = new Rest();
  const machine = realMachine({
    client: ec2Client(policy.region || identity.region),
    owner: {
      instanceId: identity.instanceId,
      zone: identity.zone,
      policy,
      tagsFor: (token) => {
        const { tags, skipped } = tagsOf(
          { stack: policy.stack, instanceId: identity.instanceId, token },
          ofInstance,
        );
        for (const sentence of skipped)
          told.event({ event: 'disk-tag-skipped', level: 'warn', fields: { sentence } });
        return tags;
      },
    },
    log: kernelLog(),
    reporter: told,
    lockFd,
    onSettled: () => rest.end(),
  });
  const nowMs = Date.now();
  const daemon = new Daemon(machine, policy, journal, { nowMs, sweepWithinMs: SWEEP_WITHIN_MS });
  told.event({
    event: 'disk-daemon-started',
    level: 'info',
    fields: { mode: policy.mode, journal: isNew ?? 'read', growth: journal.growth?.at ?? 'none' },
  });
  await loop(daemon, policy, told, rest);
  return 0;
}

/** The time between two looks. It ends early when there is something to look at. */
class Rest {
  #ended = Promise.withResolvers<void>();

  end(): void {
    this.#ended.resolve();
  }

  async of(ms: number): Promise<void> {
    const timer = new AbortController();
    const late = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([late, this.#ended.promise]);
    timer.abort();
    this.#ended = Promise.withResolvers();
  }
}

async function loop(daemon: Daemon, policy: Policy, told: Reporter, rest: Rest): Promise<void> {
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      ending.abort();
      rest.end();
    });
  const metrics = diskMetrics(policy.stack, daemon.journal.counts);
  while (!ending.signal.aborted) {
    const waitMs = daemon.look(Date.now());
    if (daemon.facts) {
      const line = metrics.lineOf(daemon.facts.fileSystem, daemon.journal.counts, Date.now());
      if (line !== undefined) told.metrics(line);
    }
    await rest.of(waitMs);
  }
}

/** The metadata may be away when a daemon starts again: what they said since the boot is kept. */
async function identify(told: Reporter): Promise<Identity> {
  const file = join(paths.run, 'identity.json');
  for (let tries = 0; ; tries += 1)
    try {
      const identity = await metadata().identity();
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify(identity));
      return identity;
    } catch (error) {
      const kept = readIdentity(file);
      if (kept) return kept;
      if (tries === 0)
        told.event({
          event: 'disk-metadata-away',
          level: 'error',
          fields: { sentence: error instanceof Error ? error.message : String(error) },
        });
      await sleep(2_000);
    }
}

function readIdentity(file: string): Identity | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Identity;
  } catch {
    return undefined;
  }
}

async function instanceTags(told: Reporter): Promise<Record<string, string>> {
  try {
    return await metadata().tags();
  } catch (error) {
    const sentence = `The tags of the instance are not known, so volumes have ours only: ${String(error)}`;
    told.event({ event: 'disk-tag-skipped', level: 'warn', fields: { sentence } });
    return {};
  }
}
