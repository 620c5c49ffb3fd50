/** A real Prometheus for a test, where the machine has one. */

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnedServer, type OwnedServer } from '../cli/services/owned-server.ts';
import { startOnPort } from '../cli/services/ports.ts';
import { opsPath } from './ops-files.ts';

export interface PrometheusServer extends OwnedServer {
  url: string;
  /** The JSON of its API. */
  ask<T>(path: string): Promise<T>;
  query(expression: string): Promise<QueryAnswer>;
}

interface QueryAnswer {
  status: string;
  error?: string;
  data: { result: { metric: Record<string, string>; value?: [number, string] }[] };
}

interface Scraped {
  /** `host:port` each, by job. */
  targets: Readonly<Record<string, readonly string[]>>;
  /** Between two scrapes, and between two evaluations of the rules. */
  interval: string;
}

/** With the recording rules and the alerts of ops/prometheus. */
export async function startPrometheus({ targets, interval }: Scraped): Promise<PrometheusServer> {
  const folder = await mkdtemp(join(tmpdir(), 'batchwell-prometheus-'));
  const server = await startOnPort(undefined, async (port) => {
    const jobs = { ...targets, prometheus: [`127.0.0.1:${port}`] };
    const config = {
      global: { scrape_interval: interval, evaluation_interval: interval },
      rule_files: [opsPath('ops/prometheus/recording.yml'), opsPath('ops/prometheus/alerts.yml')],
      scrape_configs: Object.entries(jobs).map(([job, hosts]) => ({
        job_name: job,
        static_configs: [{ targets: hosts }],
      })),
    };
    // JSON is YAML.
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const started = await startOwnedServer({
      title: 'Prometheus',
      program: 'prometheus',
      args: [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
        `--web.user-assets=${opsPath('ops/prometheus/assets')}`,
      ],
      readyLine: /Server is ready to receive web requests/,
      readyWithinMs: 30_000,
      stopWithinMs: 10_000,
      temporaryFolder: folder,
    });
    return { ...started, url: `http://127.0.0.1:${port}` };
  });
  const ask = async <T>(path: string): Promise<T> =>
    (await (await fetch(server.url + path)).json()) as T;
  return {
    ...server,
    ask,
    query: (expression) => ask(`/api/v1/query?query=${encodeURIComponent(expression)}`),
  };
}
