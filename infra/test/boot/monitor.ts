/** QEMU's monitor (QMP): commands, and events. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** @throws Error with what QEMU says of a command that it refuses */
export type Monitor = (command: string, given?: object) => Promise<void>;

interface Heard {
  return?: object;
  error?: { desc: string };
  event?: string;
  data?: { reason?: string };
}

/** QEMU makes a socket some time after it has started, and listens on it later still. */
export async function connected(path: string, process: ChildProcess): Promise<Socket> {
  while (process.exitCode === null) {
    const socket = connect(path);
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    if (isOpen) return socket;
    await sleep(50);
  }
  throw new Error(`QEMU ended with exit code ${process.exitCode}.`);
}

export async function monitorOf(
  socket: Socket,
  onEvent: (event: string, data: { reason?: string }) => void,
): Promise<Monitor> {
  const answers: PromiseWithResolvers<void>[] = [];
  createInterface(socket).on('line', (line) => {
    const { return: done, error, event, data = {} } = JSON.parse(line) as Heard;
    if (event !== undefined) onEvent(event, data);
    else if (error) answers.shift()?.reject(new Error(error.desc));
    else if (done) answers.shift()?.resolve();
  });
  const monitor: Monitor = (command, given = {}) => {
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    socket.write(`${JSON.stringify({ execute: command, arguments: given })}\n`);
    return answer.promise;
  };
  await monitor('qmp_capabilities');
  return monitor;
}
