/** Asks for the token, which stays in this tab. */
import { useRef, useState } from 'preact/hooks';
import { Trouble } from '../parts/basics.tsx';

interface LoginProps {
  reason: string | undefined;
  /** Rejects when the token is refused. */
  onToken(token: string): Promise<void>;
}

export function Login({ reason, onToken }: LoginProps) {
  const [error, setError] = useState(reason);
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const submit = async (): Promise<void> => {
    const token = input.current?.value.trim() ?? '';
    if (!/^[\x21-\x7e]+$/.test(token)) return setError('Enter a token: it has no spaces.');
    setBusy(true);
    try {
      await onToken(token);
    } catch (failed) {
      setError(failed instanceof Error ? failed.message : String(failed));
      setBusy(false);
      input.current?.select();
    }
    return undefined;
  };
  return (
    <main class="login">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h1>
          <span class="mark" aria-hidden="true" />
          Batchwell
        </h1>
        <label for="token">Token</label>
        <input
          id="token"
          ref={input}
          type="password"
          autocomplete="off"
          autofocus
          spellcheck={false}
          aria-describedby="token-note"
        />
        <Trouble error={error} />
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Checking…' : 'Log in'}
        </button>
        <p id="token-note" class="quiet">
          The token stays in this tab and is gone when you close it. An administrator creates tokens
          with <code>batchwell token create</code>.
        </p>
      </form>
    </main>
  );
}
