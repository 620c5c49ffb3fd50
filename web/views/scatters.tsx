/** All scatters, newest first, in pages. */
import { useCallback, useState } from 'preact/hooks';
import { Card, Heading } from '../parts/basics.tsx';
import { Pages } from '../parts/pages.tsx';
import { ScatterRows } from '../parts/scatter-rows.tsx';

const PER_PAGE = 20;

export function Scatters() {
  const [tokens, setTokens] = useState<string[]>([]);
  const [next, setNext] = useState<string>();
  const onNext = useCallback((token: string | undefined) => setNext(token), []);
  return (
    <>
      <Heading>Scatters</Heading>
      <Card title="Newest first">
        <ScatterRows most={PER_PAGE} token={tokens.at(-1)} onNext={onNext} />
        <Pages tokens={tokens} setTokens={setTokens} next={next} of="scatters" />
      </Card>
    </>
  );
}
