/** What the routes share: made once per app. */
import type { TaskDefaults } from '../core/parse-task.ts';
import { readPathMap } from '../core/path-map.ts';
import { OWN_FOLDERS } from '../core/s3-layout.ts';
import { createAnnouncer, type Announcer } from './announce.ts';
import { readTokens, type Tokens } from './auth.ts';
import { createIntake, type Intake } from './intake.ts';
import { createLastKnown, type LastKnown } from './last-known.ts';
import type { ApiParts } from './parts.ts';
import { createTaskWatch, type TaskWatch } from './watch-tasks.ts';
import { createTaskReader, type TaskReader } from './task-reader.ts';

export interface ApiServices extends ApiParts {
  /** What holds for tasks that do not say. */
  taskDefaults: TaskDefaults;
  tokens: Tokens;
  announcer: Announcer;
  intake: Intake;
  reader: TaskReader;
  lastKnown: LastKnown;
  watch: TaskWatch;
}

export function createServices(parts: ApiParts): ApiServices {
  const announcer = createAnnouncer(parts.queues, parts.log);
  return {
    ...parts,
    taskDefaults: { cache: parts.config.cacheDefault, pathMap: readPathMap(parts.config.pathMap), ownUrls: OWN_FOLDERS.map((folder) => `s3://${parts.config.bucket}/${parts.config.bucketPrefix}${folder}`) },
    tokens: readTokens(parts.config.tokens),
    announcer,
    intake: createIntake(parts, announcer),
    reader: createTaskReader(parts),
    lastKnown: createLastKnown(),
    watch: createTaskWatch(parts),
  };
}
