/** Tasks that are sent through the Cromwell proxy: their inputs go to S3 first. */
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { input, TASKS, useProxyWorld } from './cromwell-proxy-world.ts';

const world = useProxyWorld();

describe('POST /tasks at the Cromwell proxy', () => {
  test('a task is sent on with s3:// URLs once its inputs are in S3, otherwise unchanged', async () => {
    await world.open({});
    const file = await world.write('a/reads', 'ACGT');
    const sent = {
      name: 'n',
      unknown: [null],
      inputs: [
        { ...input(`file://${world.root}//a/./reads`), name: 'x' },
        input('s3://other/ref'),
        input('https://host/x'),
        { path: '/c', content: 'text', url: '/not/read' },
      ],
      outputs: [
        { url: `${world.root}/b/out`, path: '/out' },
        { url: `${world.root}/b/dir/`, path: '/dir' },
      ],
    };
    expect(
      await world.post(sent, { 'idempotency-key': 'k', authorization: 'Bearer mine' }),
    ).toEqual({
      status: 200,
      body: { id: 'task-1' },
    });
    expect(world.sentOn()).toEqual([
      {
        ...sent,
        inputs: [{ ...sent.inputs[0], url: 's3://lab/runs/a/reads' }, ...sent.inputs.slice(1)],
        outputs: [
          { url: 's3://lab/runs/b/out', path: '/out' },
          { url: 's3://lab/runs/b/dir/', path: '/dir' },
        ],
      },
    ]);
    expect(world.api.asked[0]?.headers).toMatchObject({
      'idempotency-key': 'k',
      authorization: 'Bearer mine',
    });
    expect(await world.inS3('a/reads')).toBe('ACGT');
    expect(file).toBe(join(world.root, 'a/reads'));
  });

  test('a file is uploaded once, and again when its content changes but not its size', async () => {
    await world.open({});
    const url = await world.write('reads', 'ACGT');
    await Promise.all(Array.from({ length: 20 }, () => world.post({ inputs: [input(url)] })));
    await world.post({ inputs: [input(url)] });
    expect(world.requests('PutObject')).toBe(1);
    await world.write('reads', 'TTTT');
    await world.post({ inputs: [input(url)] });
    expect(await world.inS3('reads')).toBe('TTTT');
    expect(world.requests('PutObject')).toBe(2);
  });

  test('a folder is uploaded whole, even when it is empty', async () => {
    await world.open({});
    await world.write('dir/a', 'A');
    await world.write('dir/b/c', 'C');
    await world.write('dir/.AAAAAAAAAAAA.batchwell-part', 'not whole');
    await symlink(join(world.root, 'dir'), join(world.root, 'dir/b/up'));
    await mkdir(join(world.root, 'empty'));
    expect(
      (
        await world.post({
          inputs: [
            input(join(world.root, 'dir'), 'DIRECTORY'),
            input(join(world.root, 'empty'), 'DIRECTORY'),
          ],
        })
      ).status,
    ).toBe(200);
    const keys: string[] = [];
    for await (const page of world.objects.list('s3://lab/runs/'))
      keys.push(...page.map(({ url }) => url.slice('s3://lab/runs/'.length)));
    expect(keys).toEqual(['dir/a', 'dir/b/c', 'empty/']);
  });

  test('a task with a wrong path is refused with field and reason, and nothing is sent on or read', async () => {
    await writeFile(join(world.folder, 'secret'), 'secret');
    await symlink(join(world.folder, 'secret'), join(world.root, 'link'));
    await mkdir(join(world.root, 'dir'));
    await symlink(world.folder, join(world.root, 'dir/out'));
    await world.write('file', 'x');
    await world.objects.put('s3://lab/runs/old/left', 'x');
    await mkdir(join(world.root, 'old'));
    await world.open({});
    const refused = async (url: string, type?: string): Promise<string> => {
      const { status, body } = await world.post({
        inputs: [input('s3://fine/x'), input(url, type)],
      });
      expect(status, url).toBe(400);
      return body.message ?? '';
    };
    expect(await refused('/etc/passwd')).toBe(
      `inputs[1].url: expected a path without ".." below ${world.root} (--map of batchwell cromwell-proxy), or an s3:// or http(s):// URL, got "/etc/passwd"`,
    );
    expect(await refused(`${world.root}/../secret`)).toContain('without ".."');
    expect(await refused(`${world.root}evil/x`)).toContain('below');
    expect(await refused(`${world.root}/link`)).toContain(
      `the link ${world.root}/link leads out of them`,
    );
    expect(await refused(`${world.root}/dir/out/secret`)).toContain('leads out of them');
    expect(await refused(`${world.root}/dir`, 'DIRECTORY')).toContain(
      `the link ${world.root}/dir/out leads out of them`,
    );
    expect(await refused(`${world.root}/nothing`)).toContain(
      `nothing exists at ${world.root}/nothing`,
    );
    expect(await refused(`${world.root}/dir`, 'FILE')).toContain('is a folder');
    expect(await refused(`${world.root}/file`, 'DIRECTORY')).toContain('is not a folder');
    expect(await refused(`${world.root}/old`, 'DIRECTORY')).toContain('s3://lab/runs/old/left');
    const output = await world.post({ outputs: [{ url: '/etc/cron.d/x', path: '/x' }] });
    expect(output).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('outputs[0].url') },
    });
    expect(world.api.asked).toEqual([]);
    expect(world.requests('PutObject')).toBe(1);
  });

  test('a body that is not valid JSON or not a task is refused by the API in its own words', async () => {
    await world.open({
      [`POST ${TASKS}`]: { status: 400, body: { message: 'the body: expected an object' } },
    });
    for (const body of ['{', '[]', '{"inputs":3}'])
      expect(await world.post(body)).toEqual({
        status: 400,
        body: { message: 'the body: expected an object' },
      });
    expect(world.api.asked.map(({ body }) => body)).toEqual(['{', '[]', '{"inputs":3}']);
  });

  test('a task is refused with the words of S3 when S3 denies its input', async () => {
    await world.open({});
    const url = await world.write('reads', 'ACGT');
    world.s3.faults.add({
      service: 's3',
      operation: 'PutObject',
      kind: 'error',
      status: 403,
      code: 'AccessDenied',
      message: 'no',
    });
    const { status, body } = await world.post({ inputs: [input(url)] });
    expect(status).toBe(400);
    expect(body.message).toContain('s3://lab/runs/reads; AccessDenied: no');
  });

  test('a POST waits while the API is down or busy, because any answer that says so would fail the call', async () => {
    await world.open({
      [`POST ${TASKS}`]: [
        { status: 503, body: {} },
        { status: 429, body: {} },
        { body: { id: 'task-1' } },
      ],
    });
    expect(await world.post({ name: 'n' })).toEqual({ status: 200, body: { id: 'task-1' } });
    expect(world.api.asked).toHaveLength(3);
  });

  test('the task of a caller who has disconnected is not sent on, and its upload is not repeated', async () => {
    await world.open({});
    const url = await world.write('reads', 'ACGT');
    world.s3.faults.add({ service: 's3', operation: 'PutObject', kind: 'delay', delayMs: 300 });
    const { held } = hold({ inputs: [input(url)] });
    await expect.poll(() => world.requests('HeadObject')).toBe(1);
    held.destroy();
    expect((await world.post({ name: 'again', inputs: [input(url)] })).status).toBe(200);
    expect(world.sentOn()).toMatchObject([{ name: 'again' }]);
    expect(world.requests('PutObject')).toBe(1);
  });

  test('a POST in progress is cut when the proxy shuts down, so that Cromwell repeats it', async () => {
    await world.open({ [`POST ${TASKS}`]: { status: 503, body: {} } });
    const { cut } = hold({});
    await expect.poll(() => world.api.asked.length).toBe(1);
    await world.close();
    expect(await cut).toMatchObject({ code: 'ECONNRESET' });
  });

  function hold(task: unknown) {
    const held = request(`${world.url}${TASKS}`, { method: 'POST' });
    const cut = once(held, 'error').then(([error]) => error as unknown);
    held.end(JSON.stringify(task));
    return { held, cut };
  }
});
