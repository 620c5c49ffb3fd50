/** ListTagsForResource, TagResource, UntagResource, for every resource with an ARN. */
import { nameOf, type BatchContext, type Handler } from '../context.ts';
import { clientException, isRefusal, type Refusal } from '../errors.ts';
import { refuseTags } from './submission-rules.ts';

type Tags = Record<string, string>;

interface Tagged {
  tags: Tags;
  /** Keeps new tags, in memory and in the journal. */
  keep(tags: Tags): void;
}

const KINDS: Record<string, (context: BatchContext, name: string) => Tagged | undefined> = {
  job({ store, journal }, jobId) {
    const submission = store.get(jobId)?.submission;
    if (submission === undefined) return undefined;
    return {
      tags: submission.tags,
      keep(tags) {
        submission.tags = tags;
        journal.write({ event: 'tags', jobId: submission.jobId, tags });
      },
    };
  },
  'job-definition'({ definitions, journal }, name) {
    const definition = definitions.find(name);
    if (definition === undefined) return undefined;
    return {
      tags: definition.tags,
      keep(tags) {
        const tagged = { ...definition, tags };
        definitions.put(tagged);
        journal.write({ event: 'definition', definition: tagged });
      },
    };
  },
  'job-queue'({ queues, journal }, name) {
    const queue = queues.get(name);
    if (queue === undefined) return undefined;
    return {
      tags: queue.tags,
      keep(tags) {
        queues.put({ ...queue, tags });
        journal.write({ event: 'queue', queue: { ...queue, tags } });
      },
    };
  },
  'compute-environment'({ queues, journal }, name) {
    const environment = queues.environment(name);
    if (environment === undefined) return undefined;
    return {
      tags: environment.tags,
      keep(tags) {
        queues.putEnvironment({ ...environment, tags });
        journal.write({ event: 'environment', environment: { ...environment, tags } });
      },
    };
  },
};

function findTagged(context: BatchContext, body: Record<string, unknown>): Tagged | Refusal {
  const arn = String(body['resourceArn']);
  for (const [kind, find] of Object.entries(KINDS)) {
    if (!arn.includes(`:${kind}/`)) continue;
    const tagged = find(context, nameOf(kind, arn));
    if (tagged !== undefined) return tagged;
  }
  return clientException(`Resource ${arn} does not exist`, 404);
}

export const listTagsForResource: Handler = (context, body) => {
  const tagged = findTagged(context, body);
  if (isRefusal(tagged)) return tagged;
  return Object.keys(tagged.tags).length === 0 ? {} : { tags: tagged.tags };
};

export const tagResource: Handler = (context, body) => {
  const tagged = findTagged(context, body);
  if (isRefusal(tagged)) return tagged;
  const tags = { ...tagged.tags, ...(body['tags'] as Tags) };
  const refusal = refuseTags(tags);
  if (refusal !== undefined) return refusal;
  tagged.keep(tags);
  return {};
};

export const untagResource: Handler = (context, body) => {
  const tagged = findTagged(context, body);
  if (isRefusal(tagged)) return tagged;
  const gone = new Set(body['tagKeys'] as string[]);
  tagged.keep(Object.fromEntries(Object.entries(tagged.tags).filter(([key]) => !gone.has(key))));
  return {};
};
