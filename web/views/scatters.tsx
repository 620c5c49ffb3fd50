/** All scatters, newest first, in pages. */
import { useCallback, useState } from 'preact/hooks';
import { Card, Heading } from '../parts/basics.tsx';
import { ScatterRows } from '../parts/scatter-rows.tsx';

const PER_PAGE = 20;

export function Scatters() {
  const [tokens, setTokens] = useState<string[]>([]);
  const [next, setNext] = useState<string>();
  const onNext = useCallback((token: string | undefined) => setNext(token), []);
  const page = tokens.length + 1;
  return (
    <>
      <Heading>Scatters</Heading>
      <Card title="Newest first">
        <ScatterRows most={PER_PAGE} token={tokens.at(-1)} onNext={onNext} />
        {(page > 1 || next !== undefined) && (
          <nav class="pages" aria-label="Pages of scatters">
            <button
              type="button"
              disabled={page === 1}
              onClick={() => setTokens((before) => before.slice(0, -1))}
            >
              Newer
            </button>
            <span aria-live="polite">Page {page}</span>
            <button
              type="button"
              disabled={next === undefined}
              onClick={() => setTokens((before) => [...before, next ?? ''])}
            >
              Older
            </button>
          </nav>
        )}
      </Card>
    </>
  );
}
