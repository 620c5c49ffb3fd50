/** Uploads of copies in parts that have not ended. */
import { sha256 } from '../core/ids.ts';
import type { Session } from './client.ts';
import { select, selectFirst, write } from './rows.ts';

export interface UploadOf {
  taskId: number;
  /** Of the destination. */
  url: string;
  source: { url: string; etag: string; versionId: string | null };
}

/** 16 bytes. */
const keyOf = ({ url, source }: UploadOf): Buffer =>
  sha256(JSON.stringify([url, source.url, source.etag, source.versionId])).subarray(0, 16);

/** '' when an upload may exist whose id is not known; undefined when there is none. */
export async function readUpload(session: Session, upload: UploadOf): Promise<string | undefined> {
  const row = await selectFirst<{ uploadId: string }>(
    session,
    'SELECT upload_id AS uploadId FROM cache_uploads WHERE upload_key = ?',
    [keyOf(upload)],
  );
  return row?.uploadId;
}

/** To be committed before S3 is asked for the upload. */
export async function beginUpload(
  session: Session,
  upload: UploadOf,
  nowMs: number,
): Promise<void> {
  await write(
    session,
    `INSERT INTO cache_uploads (upload_key, url, upload_id, task_id, created_ms)
     VALUES (?, ?, '', ?, ?)
     ON DUPLICATE KEY UPDATE upload_id = '', task_id = VALUES(task_id), created_ms = VALUES(created_ms)`,
    [keyOf(upload), upload.url, upload.taskId, nowMs],
  );
}

/** Returns the id that counts: the first one that was noted. */
export async function noteUpload(
  session: Session,
  upload: UploadOf,
  uploadId: string,
): Promise<string> {
  await write(
    session,
    `UPDATE cache_uploads SET upload_id = ? WHERE upload_key = ? AND upload_id = ''`,
    [uploadId, keyOf(upload)],
  );
  return (await readUpload(session, upload)) ?? uploadId;
}

export async function forgetUpload(session: Session, upload: UploadOf): Promise<void> {
  await write(session, 'DELETE FROM cache_uploads WHERE upload_key = ?', [keyOf(upload)]);
}

export interface AbandonedUpload {
  uploadKey: Buffer;
  url: string;
  uploadId: string;
}

/** Those whose task is no longer at finalize: it ended or runs, and resumes none. */
export async function readAbandonedUploads(
  session: Session,
  { beforeMs, most }: { beforeMs: number; most: number },
): Promise<AbandonedUpload[]> {
  return select<AbandonedUpload>(
    session,
    `SELECT cache_uploads.upload_key AS uploadKey, cache_uploads.url, cache_uploads.upload_id AS uploadId
     FROM cache_uploads LEFT JOIN tasks ON tasks.id = cache_uploads.task_id
     WHERE cache_uploads.created_ms < ? AND (tasks.id IS NULL OR tasks.place <> 'finalize') LIMIT ?`,
    [beforeMs, most],
  );
}

export async function forgetAbandonedUpload(
  session: Session,
  { uploadKey, uploadId }: AbandonedUpload,
): Promise<void> {
  await write(session, 'DELETE FROM cache_uploads WHERE upload_key = ? AND upload_id = ?', [
    uploadKey,
    uploadId,
  ]);
}
