/** Names and sentences of others, as a terminal may show them. */

/**
 * Replaces control characters by `?`, and those that turn the direction of writing: with them a line
 * shows another name than it has.
 */
export const printable = (value: string | number | undefined): string =>
  // oxlint-disable-next-line no-control-regex -- a name from another user must not control this terminal
  String(value ?? '').replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '?');

/** The same for a text of several lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');
