/** Leads through the pages of a list. */

interface PagesProps {
  /** Of the pages up to this one, without the first. */
  tokens: readonly string[];
  setTokens(change: (before: string[]) => string[]): void;
  /** Of the page after this one. */
  next: string | undefined;
  of: string;
}

export function Pages({ tokens, setTokens, next, of }: PagesProps) {
  if (tokens.length === 0 && next === undefined) return null;
  return (
    <nav class="pages" aria-label={`Pages of ${of}`}>
      <button
        type="button"
        disabled={tokens.length === 0}
        onClick={() => setTokens((before) => before.slice(0, -1))}
      >
        Newer
      </button>
      <span aria-live="polite">Page {tokens.length + 1}</span>
      <button
        type="button"
        disabled={next === undefined}
        onClick={() => setTokens((before) => [...before, next ?? ''])}
      >
        Older
      </button>
    </nav>
  );
}
