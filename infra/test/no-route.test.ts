/** A subnet without a route to S3: what a host does when its packets go nowhere, for real. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { createHost } from './host-world.ts';

/** Longest start of the unit: then systemd ends it, and it gives up all the same. */
const LIMIT_SECONDS = 290;
const TRIES = 5;
/** As aws-get says it, and batchwell-host pauses 5, 10, 15 and 20 s. */
const CONNECT_SECONDS = 10;
const PAUSES_SECONDS = 50;

/** A port whose queue is full: Linux drops what comes then, as a network without a route does. */
async function blackHole(): Promise<{ port: number; stop(): void }> {
  const program =
    "require('node:net').createServer().listen(0,'127.0.0.1',1,function(){console.log(this.address().port)})";
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  child.kill('SIGSTOP');
  const port = Number(line);
  const sockets: Socket[] = [];
  for (let isFull = false; !isFull;) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    isFull = await Promise.race([
      once(socket, 'connect').then(() => false),
      new Promise<boolean>((resolve) => setTimeout(resolve, 500, true)),
    ]);
  }
  const stop = (): void => {
    for (const socket of sockets) socket.destroy();
    child.kill('SIGKILL');
  };
  return { port, stop };
}

it('It tries five times, says that S3 was not reached, and is done before its limit.', async () => {
  const host = await createHost();
  const hole = await blackHole();
  try {
    await host.boot();
    // The real curl, to the port instead of S3, with a second instead of ten.
    host.stub(
      'curl',
      `n=$#
while [ "$n" -gt 0 ]; do
  case $1 in
  ${CONNECT_SECONDS}) word=1 ;;
  http*/releases/*) word=http://127.0.0.1:${hole.port}/releases/x ;;
  *) word=$1 ;;
  esac
  shift; set -- "$@" "$word"; n=$((n - 1))
done
exec /usr/bin/curl "$@"`,
    );
    const { code, out } = await host.run('batchwell-host');
    expect(code).toBe(1);
    // 28: a time-out.
    expect(out.match(/Try \d of 5: .*could not be fetched \(curl says 28\)/g)).toHaveLength(TRIES);
    expect(host.read('run/batchwell/reason')).toMatch(/in 5 tries.*curl says 28/);
    expect(host.has('opt/batchwell')).toBe(false);
    const waits = host
      .notes()
      .filter((note) => note.includes(`--connect-timeout ${CONNECT_SECONDS} `));
    expect(waits).toHaveLength(TRIES);
    expect(TRIES * CONNECT_SECONDS + PAUSES_SECONDS).toBeLessThan(LIMIT_SECONDS);
    expect(host.read('etc/systemd/system/batchwell-host.service')).toMatch(
      new RegExp(`^TimeoutStartSec=${LIMIT_SECONDS}$`, 'm'),
    );
  } finally {
    hole.stop();
    await host.stop();
  }
});
