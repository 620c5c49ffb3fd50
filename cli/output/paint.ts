/** Colours, where the terminal has them and its user wants them (NO_COLOR). */
import { styleText } from 'node:util';

export type Paint = 'red' | 'green' | 'yellow' | 'cyan' | 'bold' | 'dim';

export const paint = (
  text: string,
  colour: Paint | undefined,
  { colour: wanted }: { colour: boolean },
): string =>
  wanted && colour !== undefined && text !== ''
    ? styleText(colour, text, { validateStream: false })
    : text;

const STATE_PAINTS: Readonly<Record<string, Paint>> = {
  COMPLETE: 'green',
  RUNNING: 'cyan',
  EXECUTOR_ERROR: 'red',
  SYSTEM_ERROR: 'red',
  PREEMPTED: 'red',
  CANCELED: 'yellow',
};

export const paintOfState = (state: string): Paint | undefined => STATE_PAINTS[state];
