/** Parameters of the template watch. */
import { type Parameters } from './parameter.ts';

export const watchParameters = {
  CoreStack: { fallback: 'batchwell', reason: 'Name of the stack of the template core.' },
  ServiceStack: {
    fallback: '',
    reason: 'Name of the stack of the template service. When empty, only core is watched.',
  },
  Email: {
    fallback: '',
    pattern: '^$|^[^@ ]+@[^@ ]+$',
    reason:
      'Address that gets the alarms, after it has confirmed. Others can subscribe to the topic.',
  },
  OldestMessageSeconds: {
    type: 'Number',
    fallback: 600,
    unit: 'seconds',
    range: [60, 86400],
    reason: 'Age of the oldest message at which people are told: scaling did not help.',
  },
  MonthlyBudgetUsd: {
    type: 'Number',
    fallback: 0,
    unit: 'USD',
    range: [0, 10000000],
    reason:
      'Monthly budget of what has the tag Application=batchwell, which must be activated as a cost ' +
      'allocation tag. 0 for none.',
  },
} as const satisfies Parameters;
