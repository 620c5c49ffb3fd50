/** How often a message is tried before it is laid aside; its rows are found again by the sweeper either way. */
import type { Stage } from '../core/places.ts';

export const triesByStage: Readonly<Record<Stage, number>> = { 'cache-check': 5, 'stage-script': 5, submit: 5, poll: 5, finalize: 5 };
