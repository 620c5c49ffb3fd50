/**
 * From a request line to AWS's operation, its bucket and its key. Source: the S3 API reference,
 * "Request syntax" of each.
 */
import type { IncomingMessage } from 'node:http';
import { refuse, type Refusal } from './errors.ts';

export interface Target {
  bucketName: string;
  key: string;
  query: URLSearchParams;
}

/**
 * The bucket of a virtual-host style name, `<bucket>.localhost` or `<bucket>.s3.localhost`;
 * `s3.localhost` itself names none.
 */
function hostBucket(host: string | undefined): string | undefined {
  const name = /^(.+?)(?:\.s3)?\.localhost(?::\d+)?$/.exec(host ?? '')?.[1];
  return name === 's3' ? undefined : name;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * Bucket, key and query. The path is used unchanged: `..`, `//` and a trailing slash are part of a
 * key, and the URL class would normalize them.
 */
export function targetOf({ url = '/', headers }: IncomingMessage): Target | Refusal {
  const question = url.indexOf('?');
  const path = (question === -1 ? url : url.slice(0, question)).slice(1);
  const query = new URLSearchParams(question === -1 ? '' : url.slice(question + 1));
  const fromHost = hostBucket(headers.host);
  const slash = path.indexOf('/');
  const bucketPart = fromHost ?? (slash === -1 ? path : path.slice(0, slash));
  const keyPart = fromHost === undefined ? (slash === -1 ? '' : path.slice(slash + 1)) : path;
  const [bucketName, key] = [decode(bucketPart), decode(keyPart)];
  if (bucketName === undefined || key === undefined) return refuse('InvalidURI');
  if (Buffer.byteLength(key) > 1024)
    return refuse('KeyTooLongError', undefined, {
      Size: Buffer.byteLength(key),
      MaxSizeAllowed: 1024,
    });
  return { bucketName, key, query };
}

/**
 * The query parameters that select an operation, in the order of the checks. Those without a row
 * below are not implemented.
 */
const SUBRESOURCES = [
  'uploads',
  'uploadId',
  'delete',
  'tagging',
  'attributes',
  'location',
  'versioning',
  'list-type',
  'acl',
  'policy',
  'policyStatus',
  'cors',
  'lifecycle',
  'encryption',
  'logging',
  'notification',
  'replication',
  'website',
  'versions',
  'legal-hold',
  'retention',
  'object-lock',
  'torrent',
  'restore',
  'select',
  'requestPayment',
  'accelerate',
  'analytics',
  'inventory',
  'metrics',
  'intelligent-tiering',
  'ownershipControls',
  'publicAccessBlock',
  'session',
  'metadataTable',
  'metadataConfiguration',
  'renameObject',
];

/** Method, level and subresource, then the operation. */
const OPERATIONS: Record<string, string> = {
  'GET service': 'ListBuckets',
  'PUT bucket': 'CreateBucket',
  'HEAD bucket': 'HeadBucket',
  'DELETE bucket': 'DeleteBucket',
  'GET bucket': 'ListObjects',
  'GET bucket list-type': 'ListObjectsV2',
  'GET bucket location': 'GetBucketLocation',
  'GET bucket versioning': 'GetBucketVersioning',
  'PUT bucket versioning': 'PutBucketVersioning',
  'GET bucket uploads': 'ListMultipartUploads',
  'POST bucket delete': 'DeleteObjects',
  'PUT object': 'PutObject',
  'PUT object copy': 'CopyObject',
  'GET object': 'GetObject',
  'HEAD object': 'HeadObject',
  'DELETE object': 'DeleteObject',
  'GET object attributes': 'GetObjectAttributes',
  'GET object tagging': 'GetObjectTagging',
  'PUT object tagging': 'PutObjectTagging',
  'DELETE object tagging': 'DeleteObjectTagging',
  'POST object uploads': 'CreateMultipartUpload',
  'PUT object uploadId': 'UploadPart',
  'PUT object uploadId copy': 'UploadPartCopy',
  'POST object uploadId': 'CompleteMultipartUpload',
  'DELETE object uploadId': 'AbortMultipartUpload',
  'GET object uploadId': 'ListParts',
};

/** AWS's name of the operation; undefined when the local S3 does not implement it. */
export function operationOf(
  { method = 'GET', headers }: IncomingMessage,
  { bucketName, key, query }: Target,
): string | undefined {
  const level = bucketName === '' ? 'service' : key === '' ? 'bucket' : 'object';
  const subresource = query.size === 0 ? undefined : SUBRESOURCES.find((name) => query.has(name));
  const isCopy =
    method === 'PUT' &&
    (headers['x-amz-copy-source'] !== undefined || query.has('x-amz-copy-source'));
  return OPERATIONS[
    [method, level, subresource, isCopy ? 'copy' : undefined]
      .filter((word) => word !== undefined)
      .join(' ')
  ];
}
