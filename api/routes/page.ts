/**
 * The page at `/`: three files, which are the same for everybody and hold no data. The page asks for
 * a token, keeps it in the tab, and sends it in a header.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Api } from '../dependencies.ts';

const FILES = [
  { url: '/', name: 'index.html', type: 'text/html; charset=utf-8' },
  { url: '/page/app.js', name: 'app.js', type: 'text/javascript; charset=utf-8' },
  { url: '/page/app.css', name: 'app.css', type: 'text/css; charset=utf-8' },
] as const;

/** Nothing from elsewhere, nothing inline, and no other page around it. */
const SECURITY = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    "require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

export async function pageRoutes(api: Api): Promise<void> {
  for (const { url, name, type } of FILES) {
    const plain = await readFile(new URL(`../../web/built/${name}`, import.meta.url));
    const packed = await promisify(gzip)(plain, { level: 9 });
    const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
    api.get(url, { schema: { hide: true } }, async (request, reply) => {
      reply
        .headers(SECURITY)
        .type(type)
        .header('etag', etag)
        // Asked for each time, so that a new version is seen at once; mostly answered by 304.
        .header('cache-control', 'no-cache')
        .header('vary', 'accept-encoding');
      if (request.headers['if-none-match']?.includes(etag)) return reply.code(304).send();
      return /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
        ? reply.header('content-encoding', 'gzip').send(packed)
        : reply.send(plain);
    });
  }
}
