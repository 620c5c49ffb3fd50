/** Containers of the machine's Docker, as AWS Batch and the ECS agent start them. */
import { STAGER_COMMAND } from '../../../core/container/container.ts';
import type { PlayedJob } from './job.ts';
import type { Machine, Ran } from './machine.ts';

export const WITH_ENTRYPOINT = 'entry-tool:1';
export const PLAIN = 'plain:1';

/** Both of a static busybox, so that no registry is asked. */
export const makeImages = (machine: Machine): Promise<string> =>
  machine.read(`set -e
    mkdir -p /tmp/i/bin /tmp/i/tmp /tmp/i/etc
    cp /bin/busybox /tmp/i/bin/busybox
    for name in sh cat echo chroot; do ln -sf busybox /tmp/i/bin/$name; done
    tar -C /tmp/i -c . >/tmp/i.tar
    docker import --change 'ENV PATH=/bin' /tmp/i.tar ${PLAIN}
    docker import --change 'ENV PATH=/bin' --change 'ENTRYPOINT ["/bin/echo","tool 1.2"]' /tmp/i.tar ${WITH_ENTRYPOINT}`);

/** In host network mode and in the cgroup of the task, as the agent starts the jobs of Batch. */
export const runAsTask = (
  machine: Machine,
  task: string,
  image: string,
  command: readonly string[],
  options: readonly string[] = ['--network', 'host'],
): Promise<Ran> =>
  machine.ask(
    ['docker', 'run', '--rm', '--cgroup-parent', `ecstasks-${task}.slice`, ...options, image]
      .concat(command)
      .map(quoted)
      .join(' '),
  );

/** What a task gets from addresses, by the curl of the machine, because the images have none. */
export async function fetchAsTask(
  machine: Machine,
  { task, network, urls }: { task: string; network: 'host' | 'bridge'; urls: string[] },
): Promise<string> {
  const curl = ['chroot', '/host', 'curl', '-sS', '-m', '5', ...urls];
  const options = ['--network', network, '-v', '/:/host:ro'];
  return (await runAsTask(machine, task, PLAIN, curl, options)).out;
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

export const MOUNT = ['--network', 'host', '-v', '/opt/batchwell:/opt/batchwell:ro'];

/** Its credentials are those that the agent serves. */
export function runJob(machine: Machine, job: PlayedJob, image: string): Promise<Ran> {
  const variables = Object.entries({
    ...job.environment,
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/1',
  }).flatMap(([name, value]) => ['-e', `${name}=${fromMachine(value)}`]);
  return runAsTask(machine, 'job-1', image, STAGER_COMMAND, [...MOUNT, ...variables]);
}

/** The address of the machine's network that leads to the loopback device here. */
const fromMachine = (value: string): string => value.replace('127.0.0.1', '10.0.2.2');
