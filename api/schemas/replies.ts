/** What all replies share. */
import { Type } from 'typebox';

export const Problem = Type.Object({
  field: Type.String({ description: 'executors[0].image' }),
  expected: Type.String(),
  got: Type.Optional(Type.String()),
  row: Type.Optional(Type.Integer({ description: 'Row of a scatter, from 0' })),
  line: Type.Optional(Type.Integer({ description: 'Line of NDJSON, from 1' })),
});

export const Failure = Type.Object(
  {
    status_code: Type.Integer(),
    message: Type.String({ description: 'What is wrong, where, and what to do' }),
    problems: Type.Optional(Type.Array(Problem)),
    more_problems: Type.Optional(
      Type.Integer({ description: 'Problems found beyond those listed' }),
    ),
  },
  { description: 'Refused; nothing was stored' },
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

/** Pages: an opaque token, newest first. */
export const PageQuery = {
  page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 2047, default: 256 })),
  page_token: Type.Optional(Type.String({ maxLength: 100 })),
};
