/** Schemas of requests and replies, as /openapi.json shows them. This file: what routes share. */
import { Type } from 'typebox';

export const PLAIN_TEXT = 'text/plain; charset=utf-8';

/** Path parameters: a public id, such as task-1-9f31c4. */
export const TextId = Type.Object({ id: Type.String() });
/** Path parameters: a number, such as a webhook’s. */
export const NumberId = Type.Object({ id: Type.Integer({ minimum: 1 }) });

export const Problem = Type.Object({
  field: Type.String({ description: 'Path of the field, such as executors[0].image' }),
  expected: Type.String({ description: 'What the field must hold' }),
  got: Type.Optional(Type.String({ description: 'What the field holds, shortened' })),
  row: Type.Optional(Type.Integer({ description: 'Row of the scatter, from 0' })),
  line: Type.Optional(Type.Integer({ description: 'Line of the NDJSON body, from 1' })),
});

export const Failure = Type.Object(
  {
    status_code: Type.Integer({ description: 'The HTTP status' }),
    message: Type.String({ description: 'What failed, why, and what to do next' }),
    problems: Type.Optional(Type.Array(Problem, { description: 'At most 100' })),
    more_problems: Type.Optional(
      Type.Integer({ description: 'Number of further problems that are not listed' }),
    ),
  },
  { description: 'The request failed; nothing was stored' },
);

export const failures = {
  400: Failure,
  401: Failure,
  403: Failure,
  404: Failure,
  409: Failure,
  429: Failure,
  503: Failure,
};

/** Lists come in pages, newest first; the token is opaque. */
export const PageQuery = {
  page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 2047, default: 256 })),
  page_token: Type.Optional(
    Type.String({ maxLength: 100, description: 'The next_page_token of the previous page' }),
  ),
};
