/** Names of images, as Docker takes them. */
import { describe, expect, it } from 'vitest';
import { readQueueArchitectures } from '../../core/image/architecture.ts';
import {
  canonicalImage,
  imageToRun,
  nameIdentity,
  parseImageName,
} from '../../core/image/image-name.ts';
import { chooseManifest } from '../../core/image/image-manifest.ts';

const SHA256 = `sha256:${'ab'.repeat(32)}`;
const SHA512 = `sha512:${'cd'.repeat(64)}`;

describe('canonicalImage', () => {
  it.each([
    ['ubuntu', 'docker.io/library/ubuntu:latest'],
    ['ubuntu:latest', 'docker.io/library/ubuntu:latest'],
    ['library/ubuntu', 'docker.io/library/ubuntu:latest'],
    ['docker.io/ubuntu', 'docker.io/library/ubuntu:latest'],
    ['docker.io/library/ubuntu:latest', 'docker.io/library/ubuntu:latest'],
    ['index.docker.io/ubuntu', 'docker.io/library/ubuntu:latest'],
    ['index.docker.io/library/ubuntu:latest', 'docker.io/library/ubuntu:latest'],
    ['ubuntu:22.04', 'docker.io/library/ubuntu:22.04'],
    ['biocontainers/samtools:1.9', 'docker.io/biocontainers/samtools:1.9'],
    [
      'quay.io/biocontainers/bwa:0.7.17--h5bf99c6_8',
      'quay.io/biocontainers/bwa:0.7.17--h5bf99c6_8',
    ],
    ['ghcr.io/a/b/c/d:V1', 'ghcr.io/a/b/c/d:V1'],
    ['localhost/a', 'localhost/a:latest'],
    ['localhost:5000/a', 'localhost:5000/a:latest'],
    ['lab:5000/a:1', 'lab:5000/a:1'],
    ['LAB/a', 'LAB/a:latest'],
    ['lab/a', 'docker.io/lab/a:latest'],
    ['[::1]:5000/a/b:1', '[::1]:5000/a/b:1'],
    [
      '123456789012.dkr.ecr.eu-west-1.amazonaws.com/lab/bwa:2',
      '123456789012.dkr.ecr.eu-west-1.amazonaws.com/lab/bwa:2',
    ],
    [`ubuntu@${SHA256}`, `docker.io/library/ubuntu@${SHA256}`],
    [`ubuntu:22.04@${SHA256}`, `docker.io/library/ubuntu@${SHA256}`],
    [`lab:5000/a/b:1@${SHA512}`, `lab:5000/a/b@${SHA512}`],
    ['quay.io/a.b_c__d---e/f', 'quay.io/a.b_c__d---e/f:latest'],
  ])('%s is %s', (written, canonical) => {
    const name = parseImageName(written);
    expect(name && canonicalImage(name)).toBe(canonical);
  });

  it.each([
    '',
    ':latest',
    'Ubuntu',
    'ubuntu:',
    'ubuntu:-x',
    'ubuntu/',
    '/ubuntu',
    'a//b',
    'quay.io/',
    'quay.io/A',
    'a.b_c/d',
    'a:b:c',
    'ubuntu:a/b',
    `ubuntu:${'x'.repeat(129)}`,
    'ubuntu@sha256:abc',
    `ubuntu@${SHA256.toUpperCase()}`,
    `ubuntu@${SHA256}@${SHA256}`,
    `@${SHA256}`,
    'ab'.repeat(32),
    'a/'.repeat(200) + 'b',
    '-a/b.c',
    'https://quay.io/a',
    'user@quay.io/a',
    'a..b/c',
    'quay.io/a..b',
    'quay.io/../x',
    'quay.io/a?b',
    'quay.io/a#b',
    'quay.io:port/a',
    '日本',
    'ubuntu\n',
  ])('%j is not the name of an image', (written) => {
    expect(parseImageName(written)).toBeUndefined();
  });
});

describe('nameIdentity', () => {
  it.each([
    ['ubuntu', 'docker.io/library/ubuntu:latest'],
    [`quay.io/a/b:1@${SHA256}`, SHA256],
    ['Not An Image', 'Not An Image'],
  ])('%s is known as %s', (image, identity) => {
    expect(nameIdentity(image)).toBe(identity);
  });
});

describe('imageToRun', () => {
  const hex = 'ab'.repeat(32);
  it.each([
    ['ubuntu:22.04', `ubuntu@${SHA256}`],
    ['lab:5000/a', `lab:5000/a@${SHA256}`],
    ['docker.io/library/ubuntu:latest', `docker.io/library/ubuntu@${SHA256}`],
  ])('%s runs as %s', (image, expected) => {
    expect(imageToRun(image, hex)).toBe(expected);
    expect(imageToRun(image, undefined)).toBe(image);
  });
});

describe('readQueueArchitectures', () => {
  it('gives each queue its architecture, by name or ARN', () => {
    const of = readQueueArchitectures(['arm=arm64', 'arn:aws:batch:eu-west-1:1:job-queue/b=arm64']);
    expect(
      ['arm', 'arn:aws:batch:eu-west-1:1:job-queue/arm', 'b', 'other'].map((queue) => of(queue)),
    ).toEqual(['arm64', 'arm64', 'arm64', 'x86-64']);
  });

  it('* stands for the queues that are not named', () => {
    const of = readQueueArchitectures(['*=arm64', 'a=x86-64']);
    expect([of('a'), of('b')]).toEqual(['x86-64', 'arm64']);
  });

  it.each(['arm64', '=arm64', 'q=', 'q=amd64'])('%j is refused', (entry) => {
    expect(() => readQueueArchitectures([entry])).toThrow(JSON.stringify(entry));
  });
});

describe('chooseManifest', () => {
  const image = 'application/vnd.oci.image.manifest.v1+json';
  const entry = (digest: string, platform: Record<string, string>, mediaType = image) => ({
    digest,
    mediaType,
    platform,
  });
  const index = {
    manifests: [
      entry('w', { os: 'windows', architecture: 'amd64' }),
      entry('v3', { os: 'linux', architecture: 'amd64', variant: 'v3' }),
      entry('i', { os: 'linux', architecture: 'amd64' }, 'application/vnd.oci.image.index.v1+json'),
      entry('x', { os: 'linux', architecture: 'amd64' }),
      entry('a7', { os: 'linux', architecture: 'arm', variant: 'v7' }),
      entry('a8', { os: 'linux', architecture: 'arm64', variant: 'v8' }),
      entry('u', { os: 'unknown', architecture: 'unknown' }),
      null,
      { digest: 5 },
    ],
  };

  it('takes the Linux manifest of the architecture that each of its hosts runs', () => {
    expect(chooseManifest(index, 'x86-64')).toEqual({ digest: 'x' });
    expect(chooseManifest(index, 'arm64')).toEqual({ digest: 'a8' });
  });

  it('names the platforms of an index that lacks the wanted one, without attestations', () => {
    const { manifests } = index;
    expect(chooseManifest({ manifests: manifests.slice(4) }, 'x86-64')).toEqual({
      platforms: ['linux/arm/v7', 'linux/arm64/v8'],
    });
  });

  it.each([null, [], 'x', {}, { manifests: {} }])('%j is no index', (value) => {
    expect(chooseManifest(value, 'x86-64')).toBeUndefined();
  });
});
