/**
 * A service that uses BullMQ: it adds tasks to the queue `intake` in Batchwell's Redis and prints
 * their ids. The API needs BATCHWELL_INTAKE=yes. Set REDIS_URL, and BATCHWELL_TOKEN if the API
 * requires tokens.
 */
import { Queue, QueueEvents } from 'bullmq';

const connection = { url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379' };
const prefix = process.env['BATCHWELL_REDIS_PREFIX'] ?? '{batchwell}';
const token = process.env['BATCHWELL_TOKEN'];
const WAIT_MS = 30_000;

const queue = new Queue('intake', { connection, prefix });
const events = new QueueEvents('intake', { connection, prefix });
try {
  const orders = ['order-1', 'order-2', 'order-3'];
  const messages = await queue.addBulk(
    orders.map((key) => ({
      name: 'task',
      data: {
        token,
        key,
        task: { name: key, executors: [{ image: 'debian:stable-slim', command: ['echo', key] }] },
      },
    })),
  );
  for (const [at, message] of messages.entries()) {
    const outcome = await message.waitUntilFinished(events, WAIT_MS).then(
      ({ id }: { id: string }) => `is ${id}`,
      (error: Error) => `was refused: ${error.message}`,
    );
    console.log(`${orders[at]} ${outcome}`);
  }
} finally {
  await events.close();
  await queue.close();
}
