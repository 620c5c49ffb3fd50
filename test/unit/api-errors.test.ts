import fastify from 'fastify';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { answerErrors, refusal } from '../../api/http/errors.ts';

test('a defect is a 500 without details, and the log has the cause but not the statement', async () => {
  let logged = '';
  const log = pino(
    new Writable({
      write(chunk, _encoding, done) {
        logged += String(chunk);
        done();
      },
    }),
  );
  const app = fastify();
  app.setErrorHandler(answerErrors(log));
  app.get('/', () => {
    throw Object.assign(new Error('Unknown column'), {
      code: 'ER_BAD_FIELD_ERROR',
      sql: "INSERT … 'hush'",
    });
  });
  const answer = await app.inject('/');
  expect([answer.statusCode, answer.json()]).toEqual([
    500,
    { status_code: 500, message: 'A defect in Batchwell. The log of the API has the cause.' },
  ]);
  expect(logged).toContain('Unknown column');
  expect(logged).not.toContain('hush');
  await app.close();
});

test('a refusal lists a hundred problems, counts the rest, and names the first in its message', () => {
  const problems = Array.from({ length: 150 }, (_, row) => ({
    row,
    field: 'name',
    expected: 'a text',
    got: '5',
  }));
  expect(refusal(problems, 400)).toMatchObject({
    status_code: 400,
    message: 'row 0: name: expected a text, got 5 (and 399 more)',
    more_problems: 300,
  });
  expect(refusal(problems, 400).problems).toHaveLength(100);
});

test.each([
  'ER_RECORD_FILE_FULL',
  'ER_DISK_FULL',
  'ER_LOCK_WAIT_TIMEOUT',
  'PROTOCOL_CONNECTION_LOST',
  'ECONNREFUSED',
])('a database error %s is a 503 with Retry-After', async (code) => {
  const app = fastify();
  app.setErrorHandler(answerErrors(pino({ level: 'silent' })));
  app.post('/', () => {
    throw Object.assign(new Error('The table is full'), { code });
  });
  const answer = await app.inject({ method: 'POST', url: '/' });
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5']);
  await app.close();
});
