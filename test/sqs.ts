/**
 * An SQS on loopback for tests: one queue, with the part of AWS's JSON 1.0 protocol that the SDK
 * uses to receive and delete.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface LocalSqs {
  url: string;
  queueUrl: string;
  send(body: string): void;
  /** Messages not yet received, and messages received but not deleted. */
  left(): { waiting: number; received: number };
  /** Receivers that wait, and receivers that disconnected before an answer. */
  receivers(): { waiting: number; brokenOff: number };
  close(): Promise<void>;
}

interface Request {
  WaitTimeSeconds?: number;
  MaxNumberOfMessages?: number;
  Entries?: { Id: string; ReceiptHandle: string }[];
}

export async function startSqs(): Promise<LocalSqs> {
  const waiting: string[] = [];
  const received = new Map<string, string>();
  const polls = new Set<() => void>();
  let brokenOff = 0;

  const answer = (response: ServerResponse, body: unknown): void => {
    response
      .writeHead(200, { 'content-type': 'application/x-amz-json-1.0' })
      .end(JSON.stringify(body));
  };
  const receive = (most: number) => ({
    Messages: waiting.splice(0, most).map((body) => {
      const receipt = randomUUID();
      received.set(receipt, body);
      return {
        MessageId: randomUUID(),
        ReceiptHandle: receipt,
        Body: body,
        MD5OfBody: createHash('md5').update(body).digest('hex'),
      };
    }),
  });

  const server = createServer((request, response) => {
    response.once('close', () => {
      if (!response.writableFinished) brokenOff += 1;
    });
    void (async () => {
      const operation = String(request.headers['x-amz-target']).replace('AmazonSQS.', '');
      const given = (await json(request)) as Request;
      if (operation === 'DeleteMessageBatch') {
        const entries = given.Entries ?? [];
        for (const { ReceiptHandle } of entries) received.delete(ReceiptHandle);
        answer(response, { Successful: entries.map(({ Id }) => ({ Id })), Failed: [] });
        return;
      }
      if (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          polls.add(resolve);
          response.once('close', () => polls.delete(resolve));
          setTimeout(resolve, (given.WaitTimeSeconds ?? 0) * 1000).unref();
        });
      }
      answer(response, receive(given.MaxNumberOfMessages ?? 1));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    queueUrl: `${url}/123456789012/job-events`,
    send(body) {
      waiting.push(body);
      for (const wake of polls) wake();
      polls.clear();
    },
    receivers: () => ({ waiting: polls.size, brokenOff }),
    left: () => ({ waiting: waiting.length, received: received.size }),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
