import type { Registry } from 'prom-client';
import { gauge, withLabel } from '../series.ts';

const connectionStates = ['used', 'waited-for'] as const;

/** What a process has: its build, its connections, and what it holds that ends by a date. */
export const resourceMetrics = (registers: Registry[]) => ({
  databaseConnections: gauge({
    name: 'batchwell_database_connections',
    help: 'Connections to MySQL that statements of this process use, and statements that wait for one.',
    labels: ['state'],
    startsAt: withLabel('state', connectionStates),
    registers,
  }),
  databaseConnectionsLimit: gauge({
    name: 'batchwell_database_connections_limit',
    help: 'Connections that this process opens at most (BATCHWELL_DATABASE_CONNECTIONS).',
    registers,
  }),
  credentialsEnd: gauge({
    name: 'batchwell_credentials_end_timestamp_seconds',
    help:
      'When the AWS credentials of this process end; 0 where they do not, or do not say so. The ' +
      'SDK renews those of a role about 5 minutes earlier.',
    labels: ['renewed'],
    startsAt: withLabel('renewed', ['yes', 'no']),
    registers,
  }),
  certificateEnd: gauge({
    name: 'batchwell_certificate_end_timestamp_seconds',
    help: 'When the certificate of BATCHWELL_TLS_CERT ends; 0 without one.',
    startsAt: [{}],
    registers,
  }),
  buildInfo: gauge({
    name: 'batchwell_build_info',
    help: '1, with the version of Batchwell and of Node.js that this process runs.',
    labels: ['version', 'node'],
    registers,
  }),
});
