/** Requests to Batchwell's API in a caller's name. Answers are passed on as they are. */
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../packages/client/within.ts';
import { whyNoAnswer } from '../../core/fetch-failure.ts';
import type { Log } from '../../telemetry/log.ts';
import { backoffMs } from './backoff.ts';

interface Asked {
  method: string;
  /** Below the API's TES path, with its query. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string | undefined;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

export interface Upstream {
  /**
   * Undefined when no answer came, or one that asks for a retry (5xx, 429). Rejects only with the
   * signal's reason.
   */
  ask(asked: Asked, signal?: AbortSignal): Promise<Answer | undefined>;
  /** Asks until there is an answer. Rejects with the signal's reason. */
  askUntilAnswered(asked: Asked, signal: AbortSignal): Promise<Answer>;
}

const TES = '/ga4gh/tes/v1';
/** A GET may ask to wait 50 s (`?wait=`), and Cromwell gives up after 60 s of silence. */
const ANSWER_WITHIN_MS = 55_000;

export function openUpstream({ url, log }: { url: string; log: Log }): Upstream {
  async function ask(
    { method, path, headers, body }: Asked,
    signal?: AbortSignal,
  ): Promise<Answer | undefined> {
    try {
      const answer = await within(ANSWER_WITHIN_MS, signal, async (signal) => {
        const response = await fetch(`${url}${TES}${path}`, {
          method,
          headers,
          body: body ?? null,
          signal,
        });
        return { status: response.status, headers: response.headers, text: await response.text() };
      });
      if (answer.status < 500 && answer.status !== 429) return answer;
      log.warn({ event: 'api-busy', method, status: answer.status }, 'api-busy');
    } catch (error) {
      signal?.throwIfAborted();
      log.warn({ event: 'api-away', method, error: whyNoAnswer(error) }, 'api-away');
    }
    return undefined;
  }
  return {
    ask,
    async askUntilAnswered(asked, signal) {
      for (let tries = 1; ; tries += 1) {
        const answer = await ask(asked, signal);
        if (answer) return answer;
        await sleep(backoffMs(tries), undefined, { signal });
      }
    },
  };
}
