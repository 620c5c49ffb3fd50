/** The smallest parts of all views. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { TaskSummary } from '../../packages/client/client.ts';
import * as format from '../model/format.ts';
import { segmentsOf } from '../model/progress.ts';
import type { ScatterReply } from '../../packages/client/client.ts';

export function Heading({ children }: { children: ComponentChildren }) {
  const element = useRef<HTMLHeadingElement>(null);
  // After a change of the view, keyboards and screen readers go on from here.
  useEffect(() => element.current?.focus({ preventScroll: true }), []);
  return (
    <h1 tabIndex={-1} ref={element}>
      {children}
    </h1>
  );
}

interface CardProps {
  title: string;
  children: ComponentChildren;
  actions?: ComponentChildren;
  class?: string;
}

let cards = 0;

export function Card({ title, children, actions, class: more = '' }: CardProps) {
  const id = useRef(`card-${(cards += 1)}`);
  return (
    <section class={`card ${more}`} aria-labelledby={id.current}>
      <header class="card-head">
        <h2 id={id.current}>{title}</h2>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

const tones: Record<string, string> = {
  COMPLETE: 'done',
  EXECUTOR_ERROR: 'failed',
  SYSTEM_ERROR: 'failed',
  PREEMPTED: 'failed',
  CANCELED: 'cancelled',
  CANCELING: 'cancelled',
  RUNNING: 'running',
  QUEUED: 'waiting',
  INITIALIZING: 'waiting',
};

const words: Record<string, string> = {
  COMPLETE: 'done',
  EXECUTOR_ERROR: 'failed',
  SYSTEM_ERROR: 'system error',
  PREEMPTED: 'host lost',
  CANCELED: 'cancelled',
  CANCELING: 'cancelling',
  RUNNING: 'running',
  QUEUED: 'queued',
};

export function State({ state, hit = false }: { state: string; hit?: boolean }) {
  const tone = hit && state === 'COMPLETE' ? 'hit' : (tones[state] ?? 'waiting');
  return (
    <span class={`state tone-${tone}`} title={state}>
      <span class="dot" aria-hidden="true" />
      {hit && state === 'COMPLETE' ? 'cache hit' : (words[state] ?? state.toLowerCase())}
    </span>
  );
}

export const durationOf = (task: TaskSummary, nowMs: number): string =>
  format.duration((task.ended ? Date.parse(task.ended) : nowMs) - Date.parse(task.created));

/** A bar with its numbers in words. */
export function Progress({ scatter }: { scatter: ScatterReply }) {
  const segments = segmentsOf(scatter);
  const words = segments.map(({ label, tasks }) => `${format.count(tasks)} ${label}`).join(', ');
  return (
    <div class="progress" role="img" aria-label={words || 'no tasks'}>
      {segments.map(({ tone, tasks }) => (
        <span
          key={tone}
          class={`segment tone-${tone}`}
          style={{ flexGrow: tasks, flexBasis: '2px' }}
        />
      ))}
    </div>
  );
}

export function Legend({ scatter }: { scatter: ScatterReply }) {
  return (
    <ul class="legend">
      {segmentsOf(scatter).map(({ tone, label, tasks }) => (
        <li key={tone} class={`tone-${tone}`}>
          <span class="dot" aria-hidden="true" />
          <strong>{format.count(tasks)}</strong> {label}
        </li>
      ))}
    </ul>
  );
}

/** A failed read: the data of an earlier one may be shown below it. */
export function Trouble({ error }: { error: string | undefined }) {
  return error === undefined ? null : (
    <p class="trouble" role="alert">
      {error}
    </p>
  );
}

export const Loading = () => (
  <p class="quiet" role="status">
    Loading…
  </p>
);

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** A fact with its name above it. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Wide tables scroll by themselves; the keyboard can reach them. */
export function TableBox({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="table-box" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
