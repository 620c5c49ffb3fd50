/**
 * What the demo submits: a scatter with one task per shard, and a task that gathers, both as GA4GH
 * TES 1.1.
 */
import { readFileSync } from 'node:fs';
import type { ScatterRequest, TesTask } from '../../packages/client/client.ts';

const program = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/**
 * On the local AWS, awk and sort are this machine's own, unless a container engine has the image.
 */
const IMAGE = 'debian:stable-slim';
const RESOURCES = { cpu_cores: 1, ram_gb: 0.25, disk_gb: 1 };

export interface RunPlaces {
  /** s3://bucket/… without a slash at the end. */
  shards: string;
  /** Where this run's outputs go. */
  outputs: string;
}

/** `00042`: S3 then lists the shards in their order. */
const shardName = (shard: number): string => String(shard).padStart(5, '0');
export const shardUrl = (places: RunPlaces, shard: number): string =>
  `${places.shards}/${shardName(shard)}.fastq`;
const statisticsUrl = (places: RunPlaces, shard: string): string =>
  `${places.outputs}/shards/${shard}.tsv`;
export const resultUrl = (places: RunPlaces): string => `${places.outputs}/result.tsv`;

/** Body of POST /v1/scatters: statistics of each shard. */
export function scatterBody(places: RunPlaces, shards: number): ScatterRequest {
  return {
    name: 'read statistics',
    cache: 'readwrite',
    template: {
      name: 'shard {{shard}}',
      inputs: [
        { url: `${places.shards}/{{shard}}.fastq`, path: '/in/reads.fastq' },
        { path: '/in/shard.awk', content: program('shard.awk') },
      ],
      outputs: [{ url: statisticsUrl(places, '{{shard}}'), path: '/out/statistics.tsv' }],
      executors: [
        {
          image: IMAGE,
          command: [
            'sh',
            '-c',
            'awk -f /in/shard.awk /in/reads.fastq | LC_ALL=C sort > /out/statistics.tsv',
          ],
        },
      ],
      resources: RESOURCES,
    },
    rows: Array.from({ length: shards }, (_, at) => ({ shard: shardName(at + 1) })),
  };
}

/** Body of POST /ga4gh/tes/v1/tasks: sums the statistics of all shards. */
export function gatherBody(places: RunPlaces, shards: number): TesTask {
  const names = Array.from({ length: shards }, (_, at) => shardName(at + 1));
  return {
    name: 'gather read statistics',
    tags: { 'batchwell.cache': 'readwrite' },
    inputs: [
      ...names.map((name) => ({
        url: statisticsUrl(places, name),
        path: `/in/shards/${name}.tsv`,
      })),
      { path: '/in/merge.awk', content: program('merge.awk') },
    ],
    outputs: [{ url: resultUrl(places), path: '/out/result.tsv' }],
    executors: [
      {
        image: IMAGE,
        command: [
          'sh',
          '-c',
          'awk -f /in/merge.awk /in/shards/*.tsv | LC_ALL=C sort > /out/result.tsv',
        ],
      },
    ],
    resources: RESOURCES,
  };
}
