/** The call cache. */
import {
  boolean,
  index,
  int,
  mediumtext,
  mysqlEnum,
  mysqlTable,
  primaryKey,
  text,
  uniqueIndex,
  varbinary,
  varchar,
} from 'drizzle-orm/mysql-core';
import { architectures } from '../../core/image/architecture.ts';
import type { ImageProblem } from '../../core/image/image-seen.ts';
import { ascii, bytes, jsonText, key, ms } from './columns.ts';

/** One row per task whose outputs may be reused. */
export const cacheEntries = mysqlTable(
  'cache_entries',
  {
    id: key().primaryKey().autoincrement(),
    /** Tasks of one domain share their entries. */
    domain: varchar({ length: 64 }).notNull(),
    /** By the strongest identities of the inputs that are known when the entry is written. */
    fingerprint: bytes({ length: 32 }).notNull(),
    /** By what listings alone say of the inputs: finds entries that a HEAD of the inputs may prove. */
    listedFingerprint: bytes({ length: 32 }).notNull(),
    taskId: key().notNull(),
    /** Whose task wrote it, and its name: for lists and for invalidation by name. */
    owner: varchar({ length: 64 }).notNull().default(''),
    name: varchar({ length: 255 }).notNull().default(''),
    /** How long its run took: what a hit saves. */
    runMs: key().notNull().default(0),
    /** False from the moment it has an `invalidReason`. */
    usable: boolean().notNull().default(true),
    /** Why it can no longer be used; null while it can. */
    invalidReason: text(),
    /** Since when; noted by the pruning, some time later. */
    invalidMs: ms(),
    /** What the run that wrote it warned of; null when nothing. A hit carries the same. */
    warnings: jsonText<string[]>(),
    hits: int().notNull().default(0),
    lastHitMs: ms(),
    createdMs: ms().notNull(),
  },
  (table) => [
    uniqueIndex('cache_entries_task').on(table.taskId),
    index('cache_entries_lookup').on(table.usable, table.fingerprint, table.domain),
    index('cache_entries_listed').on(table.usable, table.listedFingerprint, table.domain),
    index('cache_entries_name').on(table.owner, table.name),
  ],
);

export const cacheOutputs = mysqlTable(
  'cache_outputs',
  {
    entryId: key().notNull(),
    position: int().notNull(),
    /** Position in the task's declared outputs. */
    output: int().notNull(),
    /** '' for a FILE, otherwise the relative path below the URL of the output. */
    path: text().notNull(),
    url: mediumtext().notNull(),
    sizeBytes: key().notNull(),
    crc64nvme: ascii(16).notNull(),
    /** As S3 answered when it was written, without quotes; '' when it gave none. */
    etag: ascii(80).notNull(),
    /** Where the bucket keeps versions. */
    versionId: ascii(1024),
  },
  (table) => [primaryKey({ columns: [table.entryId, table.position] })],
);

/** What a fingerprint is made of, so that it can be made again from stronger identities, and explained. */
export const cacheFingerprints = mysqlTable(
  'cache_fingerprints',
  {
    fingerprint: bytes({ length: 32 }).primaryKey(),
    /** Digest of all but what the inputs hold. */
    base: bytes({ length: 32 }).notNull(),
    /** The fingerprint by what listings alone say. */
    listedFingerprint: bytes({ length: 32 }).notNull(),
    /** By position of the declared inputs: see core/cache/packed-inputs.ts. */
    inputs: mediumtext().notNull(),
    /** When a task last missed the cache with it, within an hour. */
    usedMs: ms().notNull(),
  },
  (table) => [index('cache_fingerprints_used').on(table.usedMs)],
);

/**
 * What objects hold that were read or written before: from an object as a listing shows it to the CRC64NVME of its
 * bytes, or to a directory's sum.
 */
export const objectSums = mysqlTable(
  'object_sums',
  {
    /** Digest of URL, ETag, and size. */
    objectKey: bytes({ length: 16 }).primaryKey(),
    /** 8 bytes of a file, 16 of a directory. */
    sum: varbinary({ length: 16 }).notNull(),
    createdMs: ms().notNull(),
  },
  (table) => [index('object_sums_created').on(table.createdMs)],
);

/** What a tag of an image names, as its registry said when it was asked last. */
export const imageDigests = mysqlTable(
  'image_digests',
  {
    /** Digest of image and architecture. */
    imageKey: bytes({ length: 16 }).primaryKey(),
    /** `docker.io/library/ubuntu:latest` */
    image: text().notNull(),
    architecture: mysqlEnum(architectures).notNull(),
    /** SHA-256 of what the tag names, a manifest or an index; null before the first answer and with a problem. */
    tagged: bytes({ length: 32 }),
    /** SHA-256 of the manifest for the architecture. */
    manifest: bytes({ length: 32 }),
    /** Why the registry did not tell. */
    problem: jsonText<ImageProblem>(),
    resolvedMs: ms().notNull().default(0),
    /** Until when the answer counts. All times here are the database's own. */
    freshUntilMs: ms().notNull().default(0),
    /** Until when one process has the right to ask. */
    claimedUntilMs: ms().notNull().default(0),
  },
  (table) => [index('image_digests_resolved').on(table.resolvedMs)],
);

/**
 * Folders of earlier outputs that may not be read, per owner and role: hits of what is there wait,
 * and one at a time probes. A row goes when a probe succeeds.
 */
export const cacheDenials = mysqlTable(
  'cache_denials',
  {
    /** Digest of owner, role and folder. */
    denialKey: bytes({ length: 16 }).primaryKey(),
    owner: varchar({ length: 64 }).notNull(),
    role: text().notNull(),
    /** URL of bucket and prefix, with its slash. */
    folder: text().notNull(),
    /** What S3 answered. */
    reason: text().notNull(),
    sinceMs: ms().notNull(),
    probedMs: ms().notNull(),
  },
  (table) => [index('cache_denials_probed').on(table.probedMs)],
);

/** Uploads of copies in parts that have not ended, so that a later try resumes or ends them. */
export const cacheUploads = mysqlTable('cache_uploads', {
  /** Digest of the destination and of the source as it was seen. */
  uploadKey: bytes({ length: 16 }).primaryKey(),
  /** Of the destination. */
  url: mediumtext().notNull(),
  /** '' until S3 has answered it. */
  uploadId: ascii(1024).notNull(),
  taskId: key().notNull(),
  createdMs: ms().notNull(),
});

/**
 * What hits saved, by owner and name of the tasks. Digits of a name count as one `#`, so that numbered tasks share a
 * row.
 */
export const cacheSavings = mysqlTable(
  'cache_savings',
  {
    owner: varchar({ length: 64 }).notNull(),
    name: varchar({ length: 255 }).notNull(),
    hits: key().notNull(),
    /** vCPU-milliseconds, and GiB-milliseconds of memory, that the hits would have taken. */
    vcpuMs: key().notNull(),
    gibMs: key().notNull(),
    copiedBytes: key().notNull(),
    lastHitMs: ms().notNull(),
  },
  (table) => [primaryKey({ columns: [table.owner, table.name] })],
);

/** Who runs a fingerprint right now; equal calls wait for it. */
export const cacheFlights = mysqlTable(
  'cache_flights',
  {
    fingerprint: bytes({ length: 32 }).notNull(),
    domain: varchar({ length: 64 }).notNull(),
    taskId: key().notNull(),
    sinceMs: ms().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.fingerprint, table.domain] }),
    index('cache_flights_task').on(table.taskId),
  ],
);
