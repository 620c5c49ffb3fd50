/** What views share: the service, data that is read again and again, events, and the clock. */
import { createContext } from 'preact';
import { useCallback, useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { Session } from '../packages/client/client.ts';
import type { Service } from './service.ts';

export interface Shared {
  service: Service;
  session: Session;
  /** Says what was done, or what failed, in a line that screen readers read out. */
  tell(message: string): void;
}

export const SharedContext = createContext<Shared | undefined>(undefined);

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (!shared) throw new Error('A view is outside of the session.');
  return shared;
}

export interface Read<T> {
  data: T | undefined;
  /** Of the latest read; the data of an earlier one stays. */
  error: string | undefined;
  again(): void;
}

/**
 * Reads at once, again after `everyMs`, and whenever `key` changes. Nothing is read while the tab is
 * hidden. @param everyMs 0 for once
 */
export function useRead<T>(
  key: string,
  read: (signal: AbortSignal) => Promise<T>,
  everyMs = 0,
): Read<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: string }>({ key });
  const [round, setRound] = useState(0);
  const latest = useRef(read);
  latest.current = read;
  useEffect(() => {
    const stopping = new AbortController();
    let timer = 0;
    const look = async (): Promise<void> => {
      try {
        if (!document.hidden) {
          const data = await latest.current(stopping.signal);
          if (!stopping.signal.aborted) setState({ key, data });
        }
      } catch (error) {
        if (stopping.signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        setState((before) => ({ ...(before.key === key ? before : { key }), error: message }));
      }
      if (everyMs > 0 && !stopping.signal.aborted)
        timer = window.setTimeout(() => void look(), everyMs);
    };
    void look();
    return () => {
      stopping.abort();
      window.clearTimeout(timer);
    };
  }, [key, everyMs, round]);
  const again = useCallback(() => setRound((before) => before + 1), []);
  const current = state.key === key ? state : undefined;
  return { data: current?.data, error: current?.error, again };
}

/** Re-renders every second, for ages and durations. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}

/**
 * Collects what a stream yields and hands it over a few times a second: a scatter of 10,000 tasks can
 * yield as many events at once. @param open begins the stream; undefined for none
 */
export function useStream<T>(
  key: string,
  open: ((signal: AbortSignal) => AsyncIterable<T>) | undefined,
  take: (items: readonly T[]) => void,
  onEnd?: (error: string | undefined) => void,
): void {
  const latest = useRef({ open, take, onEnd });
  latest.current = { open, take, onEnd };
  const isOpen = open !== undefined;
  useEffect(() => {
    if (!isOpen) return undefined;
    const stopping = new AbortController();
    let collected: T[] = [];
    const flush = (): void => {
      if (collected.length === 0 || stopping.signal.aborted) return;
      const items = collected;
      collected = [];
      latest.current.take(items);
    };
    const timer = window.setInterval(flush, 250);
    const end = (error?: string): void => {
      flush();
      if (!stopping.signal.aborted) latest.current.onEnd?.(error);
    };
    const follow = async (): Promise<void> => {
      for await (const item of latest.current.open?.(stopping.signal) ?? []) collected.push(item);
    };
    follow().then(
      () => end(),
      (error: unknown) => end(error instanceof Error ? error.message : String(error)),
    );
    return () => {
      stopping.abort();
      window.clearInterval(timer);
    };
  }, [key, isOpen]);
}
