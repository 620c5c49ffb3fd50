/**
 * This folder holds the settings that config.ts reads, one file per section of .env.example. This
 * file says what a setting is, and which kinds of values there are.
 */

export interface Setting<T> {
  /** Name of the environment variable. */
  variable: string;
  /** What the setting is and what it changes, for a reader of .env.example. Ends with a period. */
  effect: string;
  unit?: string;
  /** The value is never shown, not even when it is wrong. */
  secret?: boolean;
  /** The default: the value where the variable is not set or empty. */
  fallback: T;
  /** Returns the value, or throws an Error that says what was expected. */
  parse(given: string): T;
}

export interface Section {
  heading: string;
  settings: Record<string, Setting<unknown>>;
}

/** What every kind of setting is declared with. */
interface Declared<T> {
  variable: string;
  fallback: T;
  effect: string;
  secret?: boolean;
}

export const text = (declared: Declared<string>): Setting<string> => ({
  ...declared,
  parse: (given) => given,
});

interface LongSecret {
  variable: string;
  minCharacters: number;
  effect: string;
}

/** Empty by default. */
export const longSecret = ({ variable, minCharacters, effect }: LongSecret): Setting<string> => ({
  variable,
  fallback: '',
  effect: `${effect} At least ${minCharacters} characters.`,
  secret: true,
  parse(given) {
    if (given.length < minCharacters)
      throw new Error(`expected at least ${minCharacters} characters`);
    return given;
  },
});

interface Whole extends Declared<number> {
  unit?: string;
  /** The smallest and the largest value. */
  range: readonly [number, number];
}

export const whole = ({ range: [least, most], ...declared }: Whole): Setting<number> => ({
  ...declared,
  parse(given) {
    const value = Number(given);
    if (given.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
      const unit = declared.unit === undefined ? '' : ` (${declared.unit})`;
      throw new Error(`expected a whole number from ${least} to ${most}${unit}`);
    }
    return value;
  },
});

interface OneOf<C extends string> extends Declared<NoInfer<C>> {
  choices: readonly C[];
}

export const oneOf = <const C extends string>({ choices, ...declared }: OneOf<C>): Setting<C> => ({
  ...declared,
  effect: `${declared.effect} One of: ${choices.join(', ')}.`,
  parse(given) {
    const found = choices.find((choice) => choice === given);
    if (found === undefined) throw new Error(`expected one of ${choices.join(', ')}`);
    return found;
  },
});

interface Url extends Declared<string> {
  /** With their colon, as URL has them. */
  protocols: readonly string[];
}

export const url = ({ protocols, ...declared }: Url): Setting<string> => ({
  ...declared,
  parse(given) {
    if (!URL.canParse(given) || !protocols.includes(new URL(given).protocol)) {
      const beginnings = protocols.map((protocol) => `${protocol}//`).join(' or ');
      throw new Error(`expected a URL that begins with ${beginnings}`);
    }
    return given;
  },
});

interface List {
  variable: string;
  effect: string;
  secret?: boolean;
  /** Throws an Error that says what was expected. */
  check?(entries: readonly string[]): void;
}

/** Empty by default. */
export const list = ({ check, ...declared }: List): Setting<readonly string[]> => ({
  ...declared,
  fallback: [],
  effect: `${declared.effect} Separated by commas.`,
  parse(given) {
    const entries = split(given);
    check?.(entries);
    return entries;
  },
});

interface SomeOf<C extends string> extends Declared<readonly C[]> {
  choices: readonly C[];
}

export const someOf = <const C extends string>({
  choices,
  ...declared
}: SomeOf<C>): Setting<readonly C[]> => ({
  ...declared,
  effect: `${declared.effect} Some of: ${choices.join(', ')}, separated by commas.`,
  parse(given) {
    const isChoice = (entry: string): entry is C => choices.some((choice) => choice === entry);
    const entries = split(given);
    each(isChoice, `some of ${choices.join(', ')}`)(entries);
    return entries.filter(isChoice);
  },
});

/**
 * A check of each entry of a list by itself; `expected` follows the word "expected" in the error.
 */
export const each =
  (accepts: (entry: string) => boolean, expected: string) =>
  (entries: readonly string[]): void => {
    const wrong = entries.find((entry) => !accepts(entry));
    if (wrong !== undefined) throw new Error(`expected ${expected}, got ${JSON.stringify(wrong)}`);
  };

const split = (given: string): string[] =>
  given
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 3_600_000;
