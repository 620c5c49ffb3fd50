/**
 * Whether a task may be failed because its stage throws for it. A stage that throws for every task has a defect, or a
 * database without its last migration: then no task is at fault.
 */

/** Tasks that a stage may fail in a row, with no other one handled in between. */
export const MOST_IN_A_ROW = 20;

export interface StageHealth {
  /** Failed for an error of the stage, since it last handled one. */
  inARow: number;
}

export const healthy: StageHealth = { inARow: 0 };

export const afterHandled = (): StageHealth => healthy;

export const afterFailed = ({ inARow }: StageHealth): StageHealth => ({ inARow: inARow + 1 });

export const mayFail = ({ inARow }: StageHealth): boolean => inARow < MOST_IN_A_ROW;
