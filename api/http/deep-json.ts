/** Refuses bodies that are nested deeper than what reads them can follow. */
import { DEEPEST_JSON, isTooDeep } from '../../core/task/depth.ts';
import { problemAt, type Problem } from '../../core/problems.ts';
import type { Api } from '../dependencies.ts';
import { refusal } from './errors.ts';

export const tooDeep = (): Problem => problemAt('', `at most ${DEEPEST_JSON} levels of nesting`);

export function refuseDeepJson(app: Api): void {
  app.addHook('preValidation', async (request, reply) => {
    const { body } = request;
    // A stream of lines: each is checked as it is read.
    if (typeof body !== 'object' || body === null || 'pipe' in body || !isTooDeep(body)) return;
    await reply.code(400).send(refusal([tooDeep()]));
  });
}
