/** Which methods a path takes, for a request with another one: 405, and not 404. */
import type { Api } from '../dependencies.ts';

/** OPTIONS is left out: only CORS asks it, which must fail where other origins are not allowed. */
const UNTOLD: ReadonlySet<string> = new Set(['OPTIONS']);

const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');

/** `/tasks/:id(^[^:/]+)::cancel` as an expression: a parameter, a literal colon, or a wildcard. */
function expressionOf(url: string): RegExp {
  const pieces = url.split(/(::|:\w+(?:\([^)]*\))?|\*)/);
  const source = pieces.map((piece) => {
    if (piece === '::') return ':';
    if (piece === '*') return '.*';
    // Of a resource, not of what is done to it: `tasks/x:cancel` is no task.
    return piece.startsWith(':') ? '[^:/]+' : escaped(piece);
  });
  return new RegExp(`^${source.join('')}$`);
}

/** Call before the first route. Returns the methods of the routes that a path has; none if it has none. */
export function learnMethods(app: Api): (path: string) => string[] {
  const routes = new Map<string, { path: RegExp; methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const route = routes.get(url) ?? { path: expressionOf(url), methods: new Set<string>() };
    for (const one of [method].flat()) if (!UNTOLD.has(one)) route.methods.add(one);
    routes.set(url, route);
  });
  return (path) => {
    const methods = new Set<string>();
    for (const route of routes.values())
      if (route.path.test(path)) for (const method of route.methods) methods.add(method);
    return [...methods].toSorted();
  };
}
