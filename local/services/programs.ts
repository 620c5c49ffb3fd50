/** What the local services are called, per program and per package manager: the first name that can be installed is taken. */
import type { WantedProgram } from './install.ts';

export const redisServer: WantedProgram = {
  title: 'Redis',
  // Fedora 41, RHEL 10, Arch and openSUSE went over to Valkey, which speaks the same protocol.
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
  orElse: 'or set REDIS_URL to a server that you have (redis://host:6379)',
};

export const mariadbServer: WantedProgram = {
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
  orElse: 'or set DATABASE_URL to a server that you have (mysql://user:password@host:3306/batchwell)',
};

/** Makes MariaDB's system tables. */
export const mariadbInstaller = ['mariadb-install-db', 'mysql_install_db'];

export const bubblewrap: WantedProgram = {
  title: 'bubblewrap',
  programs: ['bwrap', 'proot'],
  packages: {
    'apt-get': ['bubblewrap', 'proot'],
    dnf: ['bubblewrap', 'proot'],
    microdnf: ['bubblewrap', 'proot'],
    apk: ['bubblewrap', 'proot'],
    pacman: ['bubblewrap', 'proot'],
    zypper: ['bubblewrap', 'proot'],
    brew: [],
  },
  orElse: 'the local Batch server runs each task in it',
};
