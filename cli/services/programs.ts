/**
 * The packages of the local services, per package manager. The first one that can be installed is
 * used.
 */
import type { PackageManager } from './package-managers.ts';

export interface WantedProgram {
  title: string;
  /** Any of these will do. The first one found is used. */
  programs: string[];
  packages: Record<PackageManager, string[]>;
  /**
   * The system services of these packages, to disable: servers are started by us, without them.
   */
  services: string[];
  /** The alternative, for the error message. */
  orElse: string;
}

export const REDIS_SERVER: WantedProgram = {
  title: 'Redis',
  // Fedora 41, RHEL 10, Arch and openSUSE have Valkey instead, which speaks the same protocol.
  programs: ['redis-server', 'valkey-server'],
  packages: {
    'apt-get': ['redis-server', 'valkey-server'],
    dnf: ['redis', 'valkey'],
    microdnf: ['redis', 'valkey'],
    apk: ['redis', 'valkey'],
    pacman: ['valkey', 'redis'],
    zypper: ['redis', 'valkey'],
    brew: ['redis'],
  },
  services: ['redis-server', 'valkey-server'],
  orElse: 'or set REDIS_URL to a server that you have (redis://host:6379)',
};

export const MARIADB_SERVER: WantedProgram = {
  title: 'MariaDB',
  programs: ['mariadbd', 'mysqld'],
  packages: {
    'apt-get': ['mariadb-server', 'mysql-server'],
    dnf: ['mariadb-server', 'mysql-server'],
    microdnf: ['mariadb-server', 'mysql-server'],
    apk: ['mariadb'],
    pacman: ['mariadb'],
    zypper: ['mariadb'],
    brew: ['mariadb'],
  },
  services: ['mariadb', 'mysql'],
  orElse:
    'or set DATABASE_URL to a server that you have (mysql://user:password@host:3306/batchwell)',
};

/** Creates MariaDB's system tables. */
export const MARIADB_INSTALLER = ['mariadb-install-db', 'mysql_install_db'];

const REAL_BATCH = 'or let tasks run on a real AWS Batch (AWS_ENDPOINT_URL_BATCH not set)';

export const BUBBLEWRAP: WantedProgram = {
  title: 'bubblewrap',
  programs: ['bwrap'],
  packages: everywhere('bubblewrap'),
  services: [],
  orElse: REAL_BATCH,
};

export const PROOT: WantedProgram = {
  title: 'proot',
  programs: ['proot'],
  packages: everywhere('proot'),
  services: [],
  orElse: REAL_BATCH,
};

/** Linux programs that every distribution calls the same. */
function everywhere(name: string): WantedProgram['packages'] {
  return {
    'apt-get': [name],
    dnf: [name],
    microdnf: [name],
    apk: [name],
    pacman: [name],
    zypper: [name],
    brew: [],
  };
}
