import fastify from 'fastify';
import { expect, test } from 'vitest';
import { anybody, type Callers } from '../../api/access/callers.ts';
import { guardRoutes } from '../../api/access/require-token.ts';
import type { Api } from '../../api/dependencies.ts';
import { fullAccess } from '../../core/access/access.ts';

test('a request can ask again whether its token is still good, and for what', async () => {
  const access = fullAccess('ann');
  const answers = [access, access, { ...access, scopes: ['submit' as const] }];
  const callers: Callers = {
    asked: true,
    find: async () =>
      answers.length > 0 ? { access: answers.shift()!, countedAs: 'ann' } : { refused: 'revoked' },
  };
  const app = fastify() as unknown as Api;
  app.decorateRequest('caller').decorateRequest('mayGoOn');
  app.addHook('onRequest', async (request) => void (request.caller = anybody));
  guardRoutes(app, callers);
  app.route({
    method: 'GET',
    url: '/long',
    handler: async (request) => [
      await request.mayGoOn(),
      await request.mayGoOn(),
      await request.mayGoOn(),
    ],
  });
  const answer = await app.inject({ url: '/long', headers: { authorization: 'Bearer x' } });
  expect(answer.json()).toEqual([true, false, false]);
});
