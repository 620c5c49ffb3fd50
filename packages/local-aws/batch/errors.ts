/**
 * Errors as AWS Batch answers them. They are values: an operation returns either its reply or a
 * refusal.
 */
export interface Refusal {
  refused: true;
  status: number;
  /**
   * The name in x-amzn-errortype and __type: ClientException, ServerException,
   * TooManyRequestsException.
   */
  code: string;
  message: string;
}

/** What an operation answers: a reply in the shape of the service model, or a refusal. */
export type Reply = Record<string, unknown> | Refusal;

export function isRefusal(value: object): value is Refusal {
  return 'refused' in value && value.refused === true;
}

/** AWS's answer to a request that is wrong. `status` 404 and 409 occur too, under the same name. */
export function clientException(message: string, status = 400): Refusal {
  return { refused: true, status, code: 'ClientException', message };
}

/**
 * The older half of AWS's messages is wrapped in this sentence (seen in users' reports); clients
 * match on what follows.
 */
export function executionError(message: string): Refusal {
  return clientException(`Error executing request, Exception : ${message}`);
}

export function serverException(message: string): Refusal {
  return { refused: true, status: 500, code: 'ServerException', message };
}

export function tooManyRequests(): Refusal {
  return {
    refused: true,
    status: 429,
    code: 'TooManyRequestsException',
    message: 'Too Many Requests',
  };
}

export function notImplemented(operation: string): Refusal {
  return {
    refused: true,
    status: 501,
    code: 'NotImplemented',
    message:
      `${operation} is not implemented by the local Batch. ` +
      'The README of @batchwell/local-aws lists the operations that are.',
  };
}
