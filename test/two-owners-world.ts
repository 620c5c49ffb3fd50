/** An API with two owners, and scatters of one of them whose tasks have failed. */
import { startApiWorld } from './api-world.ts';
import { endIn } from './tes-world.ts';

const ada = { authorization: 'Bearer ada-token' };
const bob = { authorization: 'Bearer bob-token' };

const template = {
  name: 'align',
  executors: [{ image: 'alpine:3', command: ['echo', '{{n}}'] }],
  outputs: [{ url: 's3://lab/out/{{n}}', path: '/out' }],
};

export async function startTwoOwnersWorld() {
  const world = await startApiWorld({ tokens: ['ada:ada-token', 'bob:bob-token'] });
  const get = (path: string, headers = ada) => world.call('GET', path, undefined, headers);
  const post = (path: string, body: unknown = {}, headers: Record<string, string> = ada) =>
    world.call('POST', path, body, headers);
  const fail = (id: string, code: string, sentence: string) =>
    endIn(world)(id, 'failed', `, failure_code = '${code}', failure = '${sentence}'`);

  async function makeScatter(rows = 4): Promise<{ id: string; tasks: string[] }> {
    const { json } = await post('/v1/scatters?ids=true', {
      name: 'reads',
      template,
      rows: Array.from({ length: rows }, (_, n) => ({ n: `${n}` })),
      tags: { lab: 'x' },
    });
    return { id: json.id, tasks: json.task_ids };
  }

  /** Scatter of four: two fail alike, one otherwise, one is done. */
  async function failedScatter(): ReturnType<typeof makeScatter> {
    const scatter = await makeScatter();
    const [first = '', second = '', third = '', fourth = ''] = scatter.tasks;
    await fail(first, 'executor-failed', 'Executor 1 ended with exit code 3. Read s3://a/1.');
    await fail(second, 'executor-failed', 'Executor 1 ended with exit code 3. Read s3://a/2.');
    await fail(third, 'out-of-memory', 'It used 2048 MiB. Request more ram_gb.');
    await endIn(world)(fourth, 'done');
    return scatter;
  }

  return { world, ada, bob, template, get, post, fail, makeScatter, failedScatter };
}
