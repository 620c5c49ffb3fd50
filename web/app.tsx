/** The frame of all views: who is calling, where the views are, and what was just done. */
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { Session } from '../packages/client/client.ts';
import { SharedContext, type Shared } from './hooks.ts';
import { hrefOfSearch, parseRoute, type Route } from './model/route.ts';
import { openService, ServiceError, storedToken, storeToken, type Service } from './service.ts';
import { ThemeButton } from './parts/theme.tsx';
import { Admin } from './views/admin.tsx';
import { Failures } from './views/failures.tsx';
import { Fleet } from './views/fleet.tsx';
import { Login } from './views/login.tsx';
import { Overview } from './views/overview.tsx';
import { Scatter } from './views/scatter.tsx';
import { Scatters } from './views/scatters.tsx';
import { Task } from './views/task.tsx';
import { Tasks } from './views/tasks.tsx';

type Standing =
  | { is: 'starting' }
  | { is: 'out'; reason?: string }
  | { is: 'in'; session: Session; service: Service };

export function App() {
  const [standing, setStanding] = useState<Standing>({ is: 'starting' });
  const enter = useCallback(async (token: string | undefined): Promise<void> => {
    const refused = (): void => {
      storeToken(undefined);
      setStanding({ is: 'out', reason: 'The token is not valid any more. Log in again.' });
    };
    const service = openService(token, refused);
    const session = await service.get<Session>('/v1/session');
    storeToken(session.tokens_required ? token : undefined);
    setStanding({ is: 'in', session, service });
  }, []);
  useEffect(() => {
    const token = storedToken();
    // Without a token this finds out whether one is needed.
    enter(token).catch((error: unknown) => {
      const isUnknown = error instanceof ServiceError && error.status === 401;
      if (isUnknown && token === undefined) setStanding({ is: 'out' });
      else if (!isUnknown)
        setStanding({ is: 'out', reason: error instanceof Error ? error.message : String(error) });
    });
  }, [enter]);
  if (standing.is === 'starting') return <p class="quiet start">Loading…</p>;
  if (standing.is === 'out') return <Login reason={standing.reason} onToken={enter} />;
  return (
    <Frame
      session={standing.session}
      service={standing.service}
      onLogout={() => {
        storeToken(undefined);
        setStanding({ is: 'out' });
      }}
    />
  );
}

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const change = (): void => {
      setHash(location.hash);
      window.scrollTo(0, 0);
    };
    window.addEventListener('hashchange', change);
    return () => window.removeEventListener('hashchange', change);
  }, []);
  return useMemo(() => parseRoute(hash), [hash]);
}

const TOLD_MS = 8000;

interface FrameProps {
  session: Session;
  service: Service;
  onLogout(): void;
}

function Frame({ session, service, onLogout }: FrameProps) {
  const route = useRoute();
  const [told, setTold] = useState('');
  useEffect(() => {
    const timer = told === '' ? 0 : window.setTimeout(() => setTold(''), TOLD_MS);
    return () => window.clearTimeout(timer);
  }, [told]);
  const shared = useMemo<Shared>(() => ({ service, session, tell: setTold }), [service, session]);
  useEffect(() => {
    document.title = `${titleOf(route)} · Batchwell`;
  }, [route]);
  return (
    <SharedContext.Provider value={shared}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>('main')?.focus();
        }}
      >
        Skip to content
      </a>
      <TopBar route={route} session={session} onLogout={onLogout} />
      <main id="main" tabIndex={-1}>
        <View route={route} />
      </main>
      <div class={told === '' ? 'told' : 'told shown'} role="status" aria-live="polite">
        {told}
      </div>
    </SharedContext.Provider>
  );
}

const views: [view: Route['view'], href: string, label: string][] = [
  ['overview', '#/', 'Overview'],
  ['scatters', '#/scatters', 'Scatters'],
  ['tasks', '#/tasks', 'Tasks'],
  ['failures', '#/failures', 'Failures'],
  ['fleet', '#/fleet', 'Fleet'],
];

const isIn = (route: Route, view: Route['view']): boolean =>
  route.view === view ||
  (route.view === 'scatter' && view === 'scatters') ||
  (route.view === 'task' && view === 'tasks');

function TopBar({
  route,
  session,
  onLogout,
}: Pick<FrameProps, 'session' | 'onLogout'> & { route: Route }) {
  const isAdmin = session.scopes.includes('admin');
  const shown = isAdmin ? [...views, ['admin', '#/admin', 'Admin'] as const] : views;
  return (
    <header class="top">
      <a class="brand" href="#/">
        <span class="mark" aria-hidden="true" />
        Batchwell
      </a>
      <nav aria-label="Views">
        {shown.map(([view, href, label]) => (
          <a key={view} href={href} aria-current={isIn(route, view) ? 'page' : undefined}>
            {label}
          </a>
        ))}
      </nav>
      <form
        class="search"
        role="search"
        aria-label="Find"
        onSubmit={(event) => {
          event.preventDefault();
          const text = String(new FormData(event.currentTarget).get('wanted') ?? '');
          if (text.trim() !== '') location.hash = hrefOfSearch(text);
        }}
      >
        <input
          name="wanted"
          type="search"
          aria-label="Id or name of a task, or id of a scatter"
          placeholder="Task or scatter id, or name"
        />
      </form>
      <div class="who">
        <ThemeButton />
        {session.owner !== '' && <span title="Owner of the tasks you see">{session.owner}</span>}
        {session.tokens_required && (
          <button type="button" class="plain" onClick={onLogout}>
            Log out
          </button>
        )}
      </div>
    </header>
  );
}

function titleOf(route: Route): string {
  if (route.view === 'task' || route.view === 'scatter') return route.id;
  return views.find(([view]) => view === route.view)?.[2] ?? 'Admin';
}

function View({ route }: { route: Route }) {
  switch (route.view) {
    case 'overview':
      return <Overview />;
    case 'scatters':
      return <Scatters />;
    case 'scatter':
      return <Scatter key={route.id} id={route.id} filter={route.filter} />;
    case 'tasks':
      return <Tasks filter={route.filter} />;
    case 'task':
      return <Task key={route.id} id={route.id} tab={route.tab} />;
    case 'failures':
      return <Failures />;
    case 'fleet':
      return <Fleet />;
    case 'admin':
      return <Admin />;
    default:
      return (
        <p>
          There is no such view. Go to the <a href="#/">overview</a>.
        </p>
      );
  }
}
