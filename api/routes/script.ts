/** The script of a task, as plain text. */
import { Type } from 'typebox';
import { renderScript, renderValues } from '../../core/container/script.ts';
import { hideSecretValues } from '../../core/task/secrets.ts';
import type { SplitTask } from '../../core/task/template.ts';
import type { ApiContext } from '../context.ts';
import type { Api } from '../dependencies.ts';
import { notFound } from '../http/errors.ts';
import { failures, PLAIN_TEXT, TextId } from '../schemas/replies.ts';

/** The text that a task runs, with the values of secrets hidden. */
export function scriptText(task: SplitTask): string {
  const { template, values } = hideSecretValues(task);
  return renderValues(template, values) + renderScript(template);
}

export function scriptRoutes(api: Api, { reader }: ApiContext): void {
  const schema = {
    tags: ['Tasks'],
    summary: 'Get the exact script that a task runs; the values of secrets are hidden',
    params: TextId,
    response: {
      200: { description: 'The script', content: { 'text/plain': { schema: Type.String() } } },
      ...failures,
    },
  };
  api.get('/tasks/:id/script', { schema }, async (request, reply) => {
    const task = await reader.find(request.caller.access.owner, request.params.id);
    const filled = task && (await reader.readFilled(task.id));
    if (!filled) return reply.code(404).send(notFound('task', request.params.id));
    return reply.type(PLAIN_TEXT).send(scriptText(filled));
  });
}
