/** Counts every AWS request, including the retries of the SDK. */
import type { Metrics } from '../telemetry/metrics.ts';
import { denialOf } from './answers.ts';
import { addAroundCall, addNextToWire, codeOfAnswer, codeOfError } from './request-middleware.ts';

export function observeRequests(
  client: { middlewareStack: unknown },
  service: 's3' | 'batch' | 'sqs',
  metrics: Metrics,
): void {
  addNextToWire(client, 'batchwellObserve', (next, context) => async (args) => {
    const operation = (context.commandName ?? 'Unknown').replace(/Command$/, '');
    const stop = metrics.awsRequestSeconds.startTimer({ service, operation });
    try {
      const output = await next(args);
      metrics.awsRequests.inc({ service, operation, code: codeOfAnswer(output) });
      return output;
    } catch (error) {
      metrics.awsRequests.inc({ service, operation, code: codeOfError(error) });
      throw error;
    } finally {
      stop();
    }
  });
}

/** Counts the calls to Batch that a missing permission or bad credentials denied. */
export function observeDenials(client: { middlewareStack: unknown }, metrics: Metrics): void {
  addAroundCall(client, 'batchwellDenials', (next, context) => async (args) => {
    try {
      return await next(args);
    } catch (error) {
      const operation = (context.commandName ?? 'Unknown').replace(/Command$/, '');
      if (denialOf(error) !== undefined) metrics.awsDenied.inc({ service: 'batch', operation });
      throw error;
    }
  });
}
