/** Whether a request carries a right Signature Version 4 (source: IAM User Guide, Create a signed request). */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const hash = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

/** The headers that were signed. @throws Error for a wrong signature */
export function signedHeaders(request: IncomingMessage, body: Buffer, secret: string): string[] {
  const authorization = String(request.headers.authorization);
  const parts = /Credential=[^/]+\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)/.exec(
    authorization,
  );
  const [, scope = '', signed = '', signature = ''] = parts ?? [];
  const [day = '', region = '', service = ''] = scope.split('/');
  const names = signed.split(';');
  const headers = names.map((name) => `${name}:${String(request.headers[name]).trim()}\n`).join('');
  const payload = String(request.headers['x-amz-content-sha256'] ?? hash(body));
  const canonical = [request.method, request.url, '', headers, signed, payload].join('\n');
  const date = String(request.headers['x-amz-date']);
  const text = ['AWS4-HMAC-SHA256', date, scope, hash(canonical)].join('\n');
  const key = ['aws4_request'].reduce(
    hmac,
    hmac(hmac(hmac(`AWS4${secret}`, day), region), service),
  );
  if (hmac(key, text).toString('hex') !== signature)
    throw new Error(`The signature is wrong. It should be that of:\n${canonical}`);
  return names;
}
