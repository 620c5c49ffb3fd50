import fastify from 'fastify';
import { expect, test } from 'vitest';
import { anonymous, type Callers } from '../../api/access/callers.ts';
import { guardRoutes } from '../../api/access/require-token.ts';
import type { Api } from '../../api/dependencies.ts';
import { fullAccess } from '../../core/access/access.ts';

test('a request can check again whether its token is still valid and has the scope', async () => {
  const access = fullAccess('ann');
  const answers = [access, access, { ...access, scopes: ['submit' as const] }];
  const callers: Callers = {
    tokensRequired: true,
    find: async () =>
      answers.length > 0 ? { access: answers.shift()!, countedAs: 'ann' } : { refused: 'revoked' },
  };
  const app = fastify() as unknown as Api;
  app.decorateRequest('caller').decorateRequest('isStillAllowed');
  app.addHook('onRequest', async (request) => void (request.caller = anonymous));
  guardRoutes(app, callers);
  app.route({
    method: 'GET',
    url: '/long',
    handler: async (request) => [
      await request.isStillAllowed(),
      await request.isStillAllowed(),
      await request.isStillAllowed(),
    ],
  });
  const answer = await app.inject({ url: '/long', headers: { authorization: 'Bearer x' } });
  expect(answer.json()).toEqual([true, false, false]);
});
