/** What the compiler refuses: each line below would be a bug, and must not compile. */
import { expect, test } from 'vitest';
import type { Move, ToldMove } from '../../core/places.ts';
import type { FailureKind } from '../../core/retry/failures.ts';
import type { RetryDecision } from '../../core/retry/decide-retry.ts';
import type { Session, Transaction } from '../../db/client.ts';
import { lockTasksAt, moveTasks, moveTasksEach, readTasksAt } from '../../db/tasks.ts';

const details = { nowMs: 1, dueMs: null };

/** Never called: only the compiler reads them. */
const refused = {
  movesThatAreNotInTheTable: (session: Transaction) => [
    // @ts-expect-error there is no such move
    moveTasks(session, 'skip', [1], details),
    // @ts-expect-error a place is not a move
    moveTasks(session, 'done', [1], details),
    // @ts-expect-error there is no such move
    moveTasksEach(session, 'back', [], details),
  ],
  movesOutOfAnEnd: (session: Session) => [
    // @ts-expect-error no move leaves an end
    { from: ['done'], to: 'submit', when: 'never' } satisfies Move,
    // @ts-expect-error a move ends at a place
    { from: ['poll'], to: 'limbo', when: 'never' } satisfies Move,
    // @ts-expect-error only tasks at a stage are read to be moved
    readTasksAt(session, 'failed', [1]),
    // @ts-expect-error only tasks at a stage are locked to be moved
    lockTasksAt(session, 'cancelled', [1]),
  ],
  movesThatCallersAreNotifiedOfWithoutATransaction: (session: Session) => [
    // @ts-expect-error the move and its notice are committed together
    moveTasks(session, 'finish', [1], details),
    // @ts-expect-error the move and its notice are committed together
    moveTasksEach(session, 'fail', [], details),
    // @ts-expect-error nobody is notified of a hit
    'hit' satisfies ToldMove,
  ],
  movesThatLackAValue: (session: Transaction) => [
    // @ts-expect-error the sweeper must know when the row is due
    moveTasks(session, 'staged', [1], { nowMs: 1 }),
    // @ts-expect-error each task has its own values
    moveTasksEach(session, 'staged', [{ id: 1 }], details),
    // @ts-expect-error the place is set by the move alone
    moveTasks(session, 'staged', [1], details, { place: 'submit' }),
  ],
  decisionsThatLackAValue: [
    // @ts-expect-error a retry has a reason
    { do: 'again', because: 'host-lost' } satisfies RetryDecision,
    // @ts-expect-error only these reasons have a budget
    { do: 'again', because: 'bad-luck', reason: 'x' } satisfies RetryDecision,
    // @ts-expect-error finalize needs the result
    { do: 'finalize' } satisfies RetryDecision,
    // @ts-expect-error a failure says why
    { do: 'fail' } satisfies RetryDecision,
    // @ts-expect-error there is no such failure
    'unlucky' satisfies FailureKind,
  ],
};

test('the compiler refuses illegal moves and decisions that lack a value', () => {
  expect(Object.keys(refused)).toHaveLength(5);
});
