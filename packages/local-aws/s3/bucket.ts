/** The operations on buckets. */
import { readBody } from '../http-server.ts';
import { findBucket, isoTime, type Answer, type Call } from './call.ts';
import { isRefusal, refuse, type Refusal } from './errors.ts';
import { ownerElement } from './list-objects.ts';
import { readXml } from './write-object.ts';
import { document, element, leaf, textOf } from './xml.ts';

/** True for a name that S3 allows. Source: "General purpose bucket naming rules", S3 user guide. */
export function isBucketName(name: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !name.includes('..') &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(name)
  );
}

export async function createBucket(call: Call): Promise<Answer | Refusal> {
  const { bucketName, store, settings } = call;
  // The location in the request is ignored: there is one region.
  await readBody(call.request, 1 << 16);
  if (!isBucketName(bucketName))
    return refuse('InvalidBucketName', undefined, { BucketName: bucketName });
  if (store.buckets.has(bucketName)) {
    // Only us-east-1 answers 200 to the owner's second CreateBucket.
    if (settings.region !== 'us-east-1')
      return refuse('BucketAlreadyOwnedByYou', undefined, { BucketName: bucketName });
  } else {
    await store.createBucket(bucketName, call.nowMs);
  }
  return { status: 200, headers: { location: `/${bucketName}` } };
}

export async function deleteBucket(call: Call): Promise<Answer | Refusal> {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  if (bucket.objects.size > 0 || (bucket.versions?.size ?? 0) > 0)
    return refuse('BucketNotEmpty', undefined, { BucketName: bucket.name });
  const uploads = [...call.store.uploads.values()].filter(
    (upload) => upload.bucket === bucket.name,
  );
  await Promise.all([
    ...uploads.map((upload) => call.store.abortUpload(upload)),
    call.store.deleteBucket(bucket.name),
  ]);
  return { status: 204 };
}

export function headBucket(call: Call): Answer | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  return {
    status: 200,
    headers: { 'x-amz-bucket-region': call.settings.region, 'x-amz-access-point-alias': 'false' },
  };
}

export function listBuckets(call: Call): Answer {
  const prefix = call.query.get('prefix') ?? '';
  const buckets = [...call.store.buckets.values()]
    .filter(({ name }) => name.startsWith(prefix))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const listed = buckets.map(({ name, createdAtMs }) =>
    element(
      'Bucket',
      leaf('Name', name),
      leaf('CreationDate', isoTime(createdAtMs)),
      leaf('BucketRegion', call.settings.region),
    ),
  );
  return {
    status: 200,
    xml: document('ListAllMyBucketsResult', ownerElement('Owner'), element('Buckets', ...listed)),
  };
}

export function getBucketLocation(call: Call): Answer | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const { region } = call.settings;
  // The location of us-east-1 is empty, because it is older than the others.
  return { status: 200, xml: document('LocationConstraint', region === 'us-east-1' ? '' : region) };
}

/** A bucket that never kept versions has no status. */
export function getBucketVersioning(call: Call): Answer | Refusal {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const status = leaf('Status', bucket.versions && 'Enabled');
  return { status: 200, xml: document('VersioningConfiguration', status) };
}

export async function putBucketVersioning(call: Call): Promise<Answer | Refusal> {
  const bucket = findBucket(call);
  if (isRefusal(bucket)) return bucket;
  const request = await readXml(call, 'VersioningConfiguration');
  if (isRefusal(request)) return request;
  if (textOf(request, 'Status') !== 'Enabled')
    return refuse('NotImplemented', 'The local S3 does not suspend versioning.');
  await call.store.keepVersions(bucket);
  return { status: 200 };
}
