/** What a task asked for, and what its attempts used. */
import { Type } from 'typebox';
import { usedBy } from '../../core/result/usage.ts';
import { readAttempts } from '../../db/attempt-views.ts';
import type { Api } from '../dependencies.ts';
import type { ApiContext } from '../context.ts';
import { notFound } from '../http/errors.ts';
import { viewUsed } from '../tasks/used.ts';
import { failures } from '../schemas/replies.ts';

const seconds = (what: string) => Type.Number({ description: `${what}, in seconds` });
const bytes = (what: string) => Type.Optional(Type.Integer({ description: what }));

const Used = Type.Object(
  {
    wall_seconds: seconds('From start to end'),
    cpu_seconds: Type.Optional(seconds('User and system time of the executor and its children')),
    peak_memory_bytes: bytes('Largest resident memory that was seen'),
    read_bytes: bytes('Read by system calls, also of pipes'),
    written_bytes: bytes('Written by system calls, also to pipes'),
  },
  { description: 'Without what its host does not measure' },
);

export const TaskUsage = Type.Object({
  asked: Type.Object({
    cpu_cores: Type.Number(),
    ram_gb: Type.Number(),
    disk_gb: Type.Number(),
  }),
  attempts: Type.Array(
    Type.Object({
      attempt: Type.Integer({ description: 'Number of the attempt, from 1' }),
      executors: Type.Array(Used, { description: 'Those that ended, in order' }),
    }),
    { description: 'Those that left a result record, first attempt first' },
  ),
});

export function usageRoutes(api: Api, { database, reader }: ApiContext): void {
  const schema = {
    tags: ['Tasks'],
    summary: 'Get what a task asked for, and what it used',
    params: Type.Object({ id: Type.String() }),
    response: { 200: TaskUsage, ...failures },
  };
  api.get('/tasks/:id/usage', { schema }, async (request, reply) => {
    const task = await reader.find(request.caller.access.owner, request.params.id);
    const filled = task && (await reader.readFilled(task.id));
    if (!task || !filled) return reply.code(404).send(notFound('task', request.params.id));
    const { cpu_cores, ram_gb, disk_gb } = filled.template.resources;
    const attempts = (await readAttempts(database.pool, [task.id])).toReversed();
    return {
      asked: { cpu_cores, ram_gb, disk_gb },
      attempts: attempts.flatMap(({ number, result }) =>
        result
          ? [{ attempt: number, executors: result.executors.map((one) => viewUsed(usedBy(one))) }]
          : [],
      ),
    };
  });
}
