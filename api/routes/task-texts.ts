/** What a task printed, and what it ran, as plain text. */
import { Type } from 'typebox';
import { renderScript, renderValues } from '../../core/script.ts';
import { hideSecretValues } from '../../core/secrets.ts';
import type { SplitTask } from '../../core/template.ts';
import { failure, notFound } from '../errors.ts';
import type { Api } from '../parts.ts';
import { failures } from '../schemas/replies.ts';
import type { ApiServices } from '../services.ts';

const tags = ['Tasks'];
const Id = Type.Object({ id: Type.String() });
const LogQuery = Type.Object({
  stream: Type.Optional(Type.Enum(['stdout', 'stderr'] as const, { default: 'stdout' })),
  executor: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000, default: 0 })),
  tail_bytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 * 1024 ** 2, default: 1024 ** 2 })),
});
const PLAIN = 'text/plain; charset=utf-8';
const plain = { 200: { description: 'The text', content: { 'text/plain': { schema: Type.String() } } }, ...failures };

/** The text that a task runs, but for secrets. */
export function showScript(task: SplitTask): string {
  const { template, values } = hideSecretValues(task);
  return renderValues(template, values) + renderScript(template);
}

export function taskTextRoutes(api: Api, { reader }: ApiServices): void {
  api.get('/tasks/:id/logs', { schema: { tags, summary: 'The end of stdout or stderr of the latest attempt', params: Id, querystring: LogQuery, response: plain } }, async (request, reply) => {
    const { stream = 'stdout', executor = 0, tail_bytes: mostBytes = 1024 ** 2 } = request.query;
    const task = await reader.find(request.caller.access.owner, request.params.id);
    if (!task) return reply.code(404).send(notFound('task', request.params.id));
    const log = await reader.readLog(task.id, { stream, executor, mostBytes });
    if (!log) return reply.code(404).send(failure(404, `Executor ${executor} of ${request.params.id} has no ${stream} yet; it is there when the attempt has ended. A cache hit has none.`));
    return reply.type(PLAIN).send(log.toString('utf8'));
  });

  api.get('/tasks/:id/script', { schema: { tags, summary: 'The exact text that the task runs, but for secrets', params: Id, response: plain } }, async (request, reply) => {
    const task = await reader.find(request.caller.access.owner, request.params.id);
    const filled = task && (await reader.readFilled(task.id));
    if (!filled) return reply.code(404).send(notFound('task', request.params.id));
    return reply.type(PLAIN).send(showScript(filled));
  });
}
