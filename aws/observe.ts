/** Counts every try of every AWS request, also those that the SDK makes again by itself. */
import type { Metrics } from '../telemetry/metrics.ts';

interface Stack {
  add(middleware: (next: (args: unknown) => Promise<unknown>, context: { commandName?: string }) => (args: unknown) => Promise<unknown>, options: { step: 'deserialize'; priority: 'low'; name: string }): void;
}

/** Puts the counter next to the wire, inside the SDK's retries. */
export function observeRequests(client: { middlewareStack: unknown }, service: 's3' | 'batch' | 'sqs', metrics: Metrics): void {
  (client.middlewareStack as Stack).add(
    (next, context) => async (args) => {
      const operation = (context.commandName ?? 'Unknown').replace(/Command$/, '');
      const stop = metrics.awsRequestSeconds.startTimer({ service, operation });
      try {
        const output = await next(args);
        metrics.awsRequests.inc({ service, operation, code: statusOf((output as { response?: unknown }).response) });
        return output;
      } catch (error) {
        metrics.awsRequests.inc({ service, operation, code: errorName(error) });
        throw error;
      } finally {
        stop();
      }
    },
    { step: 'deserialize', priority: 'low', name: 'batchwellObserve' },
  );
}

const statusOf = (response: unknown): string =>
  typeof response === 'object' && response !== null && 'statusCode' in response ? String(response.statusCode) : 'unknown';

/** The HTTP status where there was an answer, else the connection's error, such as ECONNRESET or TimeoutError. */
function errorName(error: unknown): string {
  const { $metadata, $response, code, name } = error as { $metadata?: { httpStatusCode?: number }; $response?: { statusCode?: number }; code?: string; name?: string };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  return status === undefined ? (code ?? name ?? 'Error') : String(status);
}
