/** A Cromwell proxy for tests: a mount, a real local S3, and an API that gives prepared answers. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { openObjectStore, type ObjectStore } from '../../aws/s3.ts';
import { startProxy, type ProxyOptions, type RunningProxy } from '../../cromwell/proxy/main.ts';
import { startLocalS3, type LocalS3 } from '../../packages/local-aws/s3/server.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { startFakeApi, type Answer, type FakeApi } from '../unit/cli-world.ts';

export const TASKS = '/ga4gh/tes/v1/tasks';

interface Reply {
  status: number;
  body: { id?: string; state?: string; message?: string };
}

class ProxyWorld {
  folder = '';
  root = '';
  s3!: LocalS3;
  objects!: ObjectStore;
  api!: FakeApi;
  #proxy: RunningProxy | undefined;

  async setUp(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'cromwell-proxy-'));
    this.root = join(this.folder, 'root');
    await mkdir(this.root);
    this.s3 = await startLocalS3({ dataFolder: join(this.folder, 's3'), createBuckets: ['lab'] });
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_S3: this.s3.url,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_REGION: 'us-east-1',
    });
    this.objects = openObjectStore({ metrics: createMetrics(), pathStyle: true });
  }

  async tearDown(): Promise<void> {
    await this.close();
    await this.api?.close();
    this.objects.close();
    await this.s3.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Starts the proxy in front of an API with these answers, by `METHOD /path`. */
  async open(
    answers: Record<string, Answer | Answer[]>,
    options: Partial<ProxyOptions> = {},
  ): Promise<void> {
    this.api = await startFakeApi({ [`POST ${TASKS}`]: { body: { id: 'task-1' } }, ...answers });
    this.#proxy = await startProxy({
      map: new Map([[this.root, 's3://lab/runs']]),
      apiUrl: this.api.url,
      token: undefined,
      host: '127.0.0.1',
      port: 0,
      environment: process.env,
      s3PathStyle: true,
      logLevel: 'silent',
      ...options,
    });
  }

  /** Shuts the proxy down. */
  async close(): Promise<void> {
    await this.#proxy?.close();
    this.#proxy = undefined;
  }

  /** The proxy's URL on loopback. */
  get url(): string {
    return this.#proxy?.url.replace('0.0.0.0', '127.0.0.1') ?? '';
  }

  async ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as Reply['body'] };
  }

  post = (task: unknown, headers?: Record<string, string>): Promise<Reply> =>
    this.ask('POST', TASKS, task, headers);

  look = (view = 'MINIMAL'): Promise<Reply> => this.ask('GET', `${TASKS}/task-1?view=${view}`);

  /** Bodies of the tasks that reached the API. */
  sentOn = (): unknown[] =>
    this.api.asked
      .filter(({ method }) => method === 'POST')
      .map(({ body }) => JSON.parse(body) as unknown);

  async write(path: string, text: string): Promise<string> {
    const whole = join(this.root, path);
    await mkdir(dirname(whole), { recursive: true });
    await writeFile(whole, text);
    return whole;
  }

  read = (path: string): Promise<string | undefined> =>
    readFile(join(this.root, path), 'utf8').catch(() => undefined);

  async inS3(path: string): Promise<string | undefined> {
    return (await this.objects.get(`s3://lab/runs/${path}`))?.toString();
  }

  requests = (operation: string): number =>
    this.s3.ledger.summary().requests[`s3.${operation}`]?.count ?? 0;
}

/** A world that is set up before each test and torn down after it. */
export function useProxyWorld(): ProxyWorld {
  const world = new ProxyWorld();
  beforeEach(() => world.setUp());
  afterEach(() => world.tearDown());
  return world;
}

export const input = (url: string, type?: string) => ({
  url,
  path: '/in',
  ...(type !== undefined && { type }),
});
