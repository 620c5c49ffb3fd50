/**
 * What all routes share, created once per app: the dependencies, and the services built on them.
 */
import type { Access } from '../core/access/access.ts';
import type { TaskDefaults } from '../core/task/parse-task.ts';
import { readPathMap } from '../core/files/path-map.ts';
import { OWN_FOLDERS } from '../core/files/s3-layout.ts';
import { createNudgeSender, type NudgeSender } from './intake/nudge-sender.ts';
import { createChangeFeed, type ChangeFeed } from './events/feed.ts';
import { createCallers, type Callers } from './access/callers.ts';
import { createIntake, type Intake } from './intake/intake.ts';
import { createLastKnownViews, type LastKnownViews } from './tasks/last-known-views.ts';
import { createLongReplies, type LongReplies } from './http/long-replies.ts';
import type { ApiDependencies } from './dependencies.ts';
import { createTaskWaiter, type TaskWaiter } from './tasks/wait.ts';
import { createWaitingReader, type WaitingReader } from './tasks/waiting.ts';
import { createTaskReader, type TaskReader } from './tasks/reader.ts';

export interface ApiContext extends ApiDependencies {
  /** The defaults for a caller's tasks, and what those tasks must not name. */
  taskDefaultsOf(access: Access): TaskDefaults;
  callers: Callers;
  nudgeSender: NudgeSender;
  intake: Intake;
  reader: TaskReader;
  waiting: WaitingReader;
  lastKnownViews: LastKnownViews;
  taskWaiter: TaskWaiter;
  feed: ChangeFeed;
  logFollows: LongReplies;
  eventStreams: LongReplies;
}

export function createContext(dependencies: ApiDependencies): ApiContext {
  const waiting = createWaitingReader(dependencies);
  const nudgeSender = createNudgeSender(dependencies.queues, dependencies.log);
  return {
    ...dependencies,
    taskDefaultsOf: taskDefaults(dependencies.config),
    callers: createCallers(dependencies),
    nudgeSender,
    intake: createIntake(dependencies, nudgeSender),
    waiting,
    reader: createTaskReader({ ...dependencies, waiting }),
    lastKnownViews: createLastKnownViews(),
    taskWaiter: createTaskWaiter(dependencies),
    feed: createChangeFeed(dependencies.database),
    // Each holds a connection and up to about 200 kB, and queries S3 every three seconds.
    logFollows: createLongReplies({ most: 200, gauge: dependencies.metrics.logFollows }),
    // These share their reads of the database.
    eventStreams: createLongReplies({ most: 2000, gauge: dependencies.metrics.eventStreams }),
  };
}

function taskDefaults(config: ApiDependencies['config']): (access: Access) => TaskDefaults {
  const shared = {
    cache: config.cacheDefault,
    pathMap: readPathMap(config.pathMap),
    fileRoots: config.sharedFolders,
    amounts: {
      cpu_cores: config.defaultCpu,
      ram_gb: config.defaultRamGb,
      disk_gb: config.defaultDiskGb,
    },
    ownUrls: OWN_FOLDERS.map((folder) => `s3://${config.bucket}/${config.bucketPrefix}${folder}`),
  };
  return ({ limits, profile, owner }) => ({
    ...shared,
    limits: { ...limits, jobRoles: limits.jobRoles ?? config.jobRoles },
    profile,
    offers: { ...config, owner },
  });
}
