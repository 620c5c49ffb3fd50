import { containerPath } from '../core/container/container-path.ts';
import { REQUESTER_PAYS_VARIABLE } from '../core/files/requester-pays.ts';
import { readPathMap } from '../core/files/path-map.ts';
import { each, list, oneOf, text, type Section } from './setting.ts';

export const files = {
  heading: 'S3 and files',
  settings: {
    bucket: text({
      variable: 'BATCHWELL_BUCKET',
      fallback: 'batchwell',
      effect: 'S3 bucket for scripts, manifests, logs and result records.',
    }),
    bucketPrefix: text({
      variable: 'BATCHWELL_BUCKET_PREFIX',
      fallback: '',
      effect: 'Prefix of the keys that Batchwell writes to that bucket. Must be empty or end in /.',
    }),
    s3PathStyle: oneOf({
      variable: 'BATCHWELL_S3_PATH_STYLE',
      fallback: 'no',
      choices: ['yes', 'no'],
      effect:
        'Whether S3 requests name the bucket in the path. Set it to yes for endpoints that have ' +
        'no host name per bucket.',
    }),
    requesterPays: list({
      variable: REQUESTER_PAYS_VARIABLE,
      effect:
        'Buckets for whose requests your account pays, because their owner does not. S3 denies ' +
        'requests to them otherwise. Set it to * for all buckets. Up to 50 names.',
      check: (buckets) => {
        each(
          (bucket) => bucket === '*' || /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket),
          'names of buckets, or *',
        )(buckets);
        // Each job gets them among its variables, for which AWS Batch has a limit.
        if (buckets.length > 50) throw new Error(`expected up to 50, got ${buckets.length}`);
      },
    }),
    pathMap: list({
      variable: 'BATCHWELL_PATH_MAP',
      effect:
        'Maps file paths to S3 for clients that send paths of their own file system. Each as ' +
        '/path=s3://bucket/prefix.',
      check: readPathMap,
    }),
    sharedFolders: list({
      variable: 'BATCHWELL_SHARED_FOLDERS',
      effect:
        'Folders of the hosts, such as a mounted EFS or FSx, that every task of every owner ' +
        'sees under the same path and can write to. Paths and file:// URLs below them are ' +
        'accepted for inputs and outputs, and copied. All other file paths are refused, except those that ' +
        'BATCHWELL_PATH_MAP maps.',
      check: each(
        (folder) => folder !== '/' && containerPath(folder) === folder,
        'an absolute path below /, without ".." or a slash at the end',
      ),
    }),
  },
} satisfies Section;
