/** A button whose action is confirmed first. */
import { useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { useShared } from '../hooks.ts';

interface ConfirmProps {
  label: string;
  /** Says of what, for screen readers, where the label alone does not. */
  of?: string;
  question: string;
  children?: ComponentChildren;
  danger?: boolean;
  /** Returns what to say once it is done. @param key recognises a repeated request */
  act(key: string): Promise<string>;
}

export function Confirm({ label, of, question, children, danger = false, act }: ConfirmProps) {
  const { tell } = useShared();
  const dialog = useRef<HTMLDialogElement>(null);
  const key = useRef('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const open = (): void => {
    // A click that is repeated after a broken connection does nothing twice.
    key.current = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    setError(undefined);
    dialog.current?.showModal();
  };
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      tell(await act(key.current));
      dialog.current?.close();
    } catch (failed) {
      setError(failed instanceof Error ? failed.message : String(failed));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button
        type="button"
        class={danger ? 'danger' : ''}
        onClick={open}
        aria-label={of === undefined ? undefined : `${label} ${of}`}
      >
        {label}
      </button>
      <dialog ref={dialog} aria-label={question}>
        <p class="question">{question}</p>
        {children}
        {error !== undefined && (
          <p class="trouble" role="alert">
            {error}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            Back
          </button>
          <button
            type="button"
            class={danger ? 'primary danger' : 'primary'}
            disabled={busy}
            onClick={() => void run()}
          >
            {busy ? 'Working…' : label}
          </button>
        </div>
      </dialog>
    </>
  );
}
