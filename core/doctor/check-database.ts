/** Whether a MySQL or MariaDB server serves a fleet, from what it says of itself. */
import { fine, note, wrong, type Finding } from './finding.ts';

export interface DatabaseFacts {
  /** As in VERSION(). */
  version: string;
  /** Global variables, by lower-case name; those that the server lacks are absent. */
  variables: Readonly<Record<string, string | undefined>>;
  collation: string;
  /** How many migrations were applied; undefined in an empty database. */
  applied: number | undefined;
  /** How many this version has. */
  expected: number;
  /** Why the fleet stopped; null while it may act. */
  stopReason: string | null;
}

const MIB = 1024 ** 2;
const LEAST_PACKET = 16 * MIB;
const FEW_CONNECTIONS = 50;
const SMALL_POOL = 128 * MIB;

const numberOf = (text: string): number[] =>
  (/^(\d+)\.(\d+)/.exec(text) ?? []).slice(1).map(Number);

const isBelow = (
  [major = 0, minor = 0]: number[],
  [least = 0, leastMinor = 0]: number[],
): boolean => major < least || (major === least && minor < leastMinor);

export function checkDatabase(facts: DatabaseFacts): Finding[] {
  return [
    checkVersion(facts),
    checkWritable(facts),
    checkMigrations(facts),
    checkModes(facts),
    ...checkDurability(facts),
    ...checkSizes(facts),
    checkStopped(facts),
  ];
}

function checkVersion({ version }: DatabaseFacts): Finding {
  const isMaria = /mariadb/i.test(version);
  const least = isMaria ? [10, 11] : [8, 0];
  const name = isMaria ? `MariaDB ${version.replace(/-.*/, '')}` : `MySQL ${version}`;
  return isBelow(numberOf(version), least)
    ? wrong('database version', name, `Use MySQL 8.0, MariaDB 10.11, or a later version.`)
    : fine('database version', name);
}

const isOff = (value: string | undefined): boolean => /^(0|off|)$/i.test(value ?? '');

function checkWritable({ variables }: DatabaseFacts): Finding {
  const set = ['read_only', 'super_read_only', 'innodb_read_only'].filter(
    (name) => !isOff(variables[name]),
  );
  return set.length === 0
    ? fine('database role', 'a primary that takes writes')
    : wrong(
        'database role',
        `${set.join(' and ')} is set`,
        'Let DATABASE_URL name the primary, not a reader, or end the read-only mode.',
      );
}

function checkMigrations({ applied, expected }: DatabaseFacts): Finding {
  const check = 'migrations';
  const advice = 'Run `batchwell migrate`.';
  if (applied === undefined) return wrong(check, 'the database is empty', advice);
  if (applied < expected) return wrong(check, `${applied} of ${expected} are applied`, advice);
  return applied === expected
    ? fine(check, `all ${expected} are applied`)
    : wrong(
        check,
        `${applied} are applied, and this version has ${expected}`,
        'Update this program: the database belongs to a later version.',
      );
}

function checkModes({ variables, collation }: DatabaseFacts): Finding {
  const modes = (variables['sql_mode'] ?? '').split(',');
  if (!modes.some((mode) => /^STRICT_(TRANS|ALL)_TABLES$|^TRADITIONAL$/.test(mode)))
    return note(
      'SQL modes',
      `no strict mode in sql_mode (${modes.join(',') || 'empty'})`,
      'Set STRICT_TRANS_TABLES: other programs on this server would cut values silently. Batchwell sets its own modes.',
    );
  return collation === 'utf8mb4_bin'
    ? fine('SQL modes', 'strict, utf8mb4_bin')
    : note(
        'SQL modes',
        `the collation of the database is ${collation}`,
        'Run `batchwell migrate`, which sets utf8mb4_bin: names that differ in case are two names.',
      );
}

function checkDurability({ variables }: DatabaseFacts): Finding[] {
  const flush = variables['innodb_flush_log_at_trx_commit'];
  const binlog = !isOff(variables['log_bin']);
  const sync = variables['sync_binlog'];
  const loose = [
    ...(flush === undefined || flush === '1' ? [] : [`innodb_flush_log_at_trx_commit is ${flush}`]),
    ...(binlog && sync === '0' ? ['sync_binlog is 0'] : []),
  ];
  return [
    loose.length === 0
      ? fine('durability', 'a commit survives a crash of the server')
      : note(
          'durability',
          loose.join(', '),
          'Set innodb_flush_log_at_trx_commit=1 and sync_binlog=1, or tasks that were accepted can be lost with the host.',
        ),
  ];
}

function checkSizes({ variables }: DatabaseFacts): Finding[] {
  const packet = Number(variables['max_allowed_packet'] ?? LEAST_PACKET);
  const connections = Number(variables['max_connections'] ?? FEW_CONNECTIONS);
  const pool = Number(variables['innodb_buffer_pool_size'] ?? SMALL_POOL);
  return [
    packet < LEAST_PACKET
      ? wrong(
          'max_allowed_packet',
          `${packet} bytes`,
          'Set max_allowed_packet to at least 16 MiB: a chunk of tasks is one statement.',
        )
      : fine('max_allowed_packet', `${Math.round(packet / MIB)} MiB`),
    connections < FEW_CONNECTIONS
      ? note(
          'max_connections',
          `${connections}`,
          'Each process opens up to BATCHWELL_DATABASE_CONNECTIONS and four: raise max_connections before you add processes.',
        )
      : fine('max_connections', `${connections}`),
    pool < SMALL_POOL
      ? note(
          'innodb_buffer_pool_size',
          `${Math.round(pool / MIB)} MiB`,
          'Set it to 1 GiB or more for wide scatters.',
        )
      : fine('innodb_buffer_pool_size', `${Math.round(pool / MIB)} MiB`),
  ];
}

const checkStopped = ({ stopReason }: DatabaseFacts): Finding =>
  stopReason === null
    ? fine('installation', 'may act')
    : wrong('installation', stopReason, 'See "Restore a backup" in docs/database.md.');
