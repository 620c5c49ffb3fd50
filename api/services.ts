/** What the routes share: made once per app. */
import type { Access } from '../core/access/access.ts';
import type { TaskDefaults } from '../core/task/parse-task.ts';
import { readPathMap } from '../core/files/path-map.ts';
import { OWN_FOLDERS } from '../core/files/s3-layout.ts';
import { createAnnouncer, type Announcer } from './intake/announce.ts';
import { createChangeFeed, type ChangeFeed } from './events/feed.ts';
import { createCallers, type Callers } from './access/callers.ts';
import { createIntake, type Intake } from './intake/intake.ts';
import { createLastKnown, type LastKnown } from './tasks/last-known.ts';
import { createLongReplies, type LongReplies } from './http/long-replies.ts';
import type { ApiParts } from './dependencies.ts';
import { createTaskWatch, type TaskWatch } from './tasks/wait.ts';
import { createTaskReader, type TaskReader } from './tasks/reader.ts';

export interface ApiServices extends ApiParts {
  /** What holds for a caller's tasks that do not say, and what none of them may name. */
  taskDefaultsOf(access: Access): TaskDefaults;
  callers: Callers;
  announcer: Announcer;
  intake: Intake;
  reader: TaskReader;
  lastKnown: LastKnown;
  watch: TaskWatch;
  feed: ChangeFeed;
  logFollows: LongReplies;
  eventStreams: LongReplies;
}

export function createServices(parts: ApiParts): ApiServices {
  const announcer = createAnnouncer(parts.queues, parts.log);
  return {
    ...parts,
    taskDefaultsOf: taskDefaults(parts.config),
    callers: createCallers(parts),
    announcer,
    intake: createIntake(parts, announcer),
    reader: createTaskReader(parts),
    lastKnown: createLastKnown(),
    watch: createTaskWatch(parts),
    feed: createChangeFeed(parts.database),
    // Each holds a connection and up to some 200 kB, and asks S3 every three seconds.
    logFollows: createLongReplies({ most: 200, gauge: parts.metrics.logFollows }),
    // These share their reads.
    eventStreams: createLongReplies({ most: 2000, gauge: parts.metrics.eventStreams }),
  };
}

function taskDefaults(config: ApiParts['config']): (access: Access) => TaskDefaults {
  const shared = {
    cache: config.cacheDefault,
    pathMap: readPathMap(config.pathMap),
    fileRoots: config.sharedFolders,
    ownUrls: OWN_FOLDERS.map((folder) => `s3://${config.bucket}/${config.bucketPrefix}${folder}`),
  };
  return ({ limits, profile }) => ({
    ...shared,
    limits: { ...limits, jobRoles: limits.jobRoles ?? config.jobRoles },
    profile,
  });
}
