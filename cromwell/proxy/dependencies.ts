/** What the proxy's request handlers work with. */
import type { PathMap } from '../../core/files/path-map.ts';
import type { Log } from '../../telemetry/log.ts';
import type { BringHome } from './bring-home.ts';
import type { BringUp } from './bring-up.ts';
import type { Upstream } from './upstream.ts';

export interface ProxyDependencies {
  map: PathMap;
  upstream: Upstream;
  bringUp: BringUp;
  bringHome: BringHome;
  log: Log;
  /** Sent for callers that send none of their own. */
  token: string | undefined;
  /** It listens on loopback only. */
  isLocal: boolean;
  nowMs: () => number;
}
