/** `node --stack-size=… many-files.ts FOLDER COUNT`: writes so many files and uploads them as one wildcard output. */
import { writeFileSync } from 'node:fs';
import { uploadOutputs } from '../stager/outputs.ts';
import { openReach } from '../stager/reach.ts';

const [, , root = '', count = '0'] = process.argv;
for (let at = 0; at < Number(count); at += 1) writeFileSync(`${root}/${at}.txt`, '');
const uploader = {
  upload: async () => ({ sizeBytes: 0, crc64nvme: 'AAAAAAAAAAA=', etag: '' }),
  markFolder: async () => ({ sizeBytes: 0, crc64nvme: 'AAAAAAAAAAA=', etag: '' }),
  abandon: async () => undefined,
};
const { outputs, error } = await uploadOutputs(
  uploader,
  [{ type: 'FILE', url: 's3://b/x/', path: `${root}/*.txt`, pathPrefix: root }],
  { fetched: [], reach: await openReach({ given: [root] }) },
);
process.stdout.write(JSON.stringify({ files: outputs.length, error }));
