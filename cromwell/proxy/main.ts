/**
 * The TES proxy between Cromwell and Batchwell, for a Cromwell whose root is not in S3. This file
 * starts and stops it: it checks that roots and buckets exist, then listens.
 */
import { createLog } from '../../telemetry/log.ts';
import { isLoopback } from '../../core/access/other-sites.ts';
import { findOverlap, type PathMap } from '../../core/files/path-map.ts';
import { createBringHome } from './bring-home.ts';
import { createBringUp } from './bring-up.ts';
import { openCopies } from './copies.ts';
import { openMount } from './mount.ts';
import { createProxy } from './proxy.ts';
import { openUpstream } from './upstream.ts';

export interface ProxyOptions {
  /** Roots on this host, and the place of each in S3. */
  map: PathMap;
  /** Where Batchwell's API is. */
  apiUrl: string;
  token: string | undefined;
  host: string;
  port: number;
  /** For the AWS SDK. */
  environment: NodeJS.ProcessEnv;
  s3PathStyle: boolean;
  logLevel: string;
}

export interface RunningProxy {
  /** http://host:port */
  url: string;
  /**
   * Aborts work in progress. Cromwell asks again, and what was copied by then is not copied again.
   */
  close(): Promise<void>;
}

/** A root, a bucket or the port cannot be used. */
export class ProxyNotReady extends Error {
  override readonly name = 'ProxyNotReady';
}

const nowMs = (): number => Date.now();

/** Rejects with ProxyNotReady. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { map, apiUrl, host, port, environment, s3PathStyle } = options;
  const overlap = findOverlap(map);
  if (overlap)
    throw new ProxyNotReady(
      `The places of ${overlap[0]} and ${overlap[1]} in S3 overlap, so an object would have two paths. ` +
        'Give each root a prefix of its own.',
    );
  const log = createLog({ level: options.logLevel, name: 'cromwell-proxy' });
  const copies = openCopies({ environment, pathStyle: s3PathStyle, nowMs });
  try {
    const mount = await openMount([...map.keys()]);
    for (const url of map.values()) await copies.objects.list(`${url}/`, { firstPage: 1 }).next();
    const app = createProxy({
      map,
      log,
      nowMs,
      // On any other address, everyone who reaches the proxy would act in the name of this token.
      token: isLoopback(host) ? options.token : undefined,
      isLocal: isLoopback(host),
      upstream: openUpstream({ url: apiUrl, log }),
      bringUp: createBringUp({ copies, mount }),
      bringHome: createBringHome({ copies, mount, map, log, nowMs }),
    });
    const url = await app.listen({ host, port });
    log.info({ event: 'listening', url, api: apiUrl, roots: Object.fromEntries(map) }, 'listening');
    return {
      url,
      async close() {
        await Promise.all([app.close(), copies.close()]);
      },
    };
  } catch (error) {
    await copies.close();
    throw new ProxyNotReady((error as Error).message, { cause: error });
  }
}
