/** Which package manager a machine has, and its commands. Pure: install.ts runs them. */

export const PACKAGE_MANAGERS = [
  'apt-get',
  'dnf',
  'microdnf',
  'apk',
  'pacman',
  'zypper',
  'brew',
] as const;
export type PackageManager = (typeof PACKAGE_MANAGERS)[number];

/** The first of packageManagers that the machine has. */
export function choosePackageManager(
  has: (program: string) => boolean,
): PackageManager | undefined {
  return PACKAGE_MANAGERS.find(has);
}

const INSTALL_COMMANDS: Record<PackageManager, string> = {
  'apt-get': 'apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends',
  dnf: 'dnf install -y --setopt=install_weak_deps=False',
  microdnf: 'microdnf install -y --setopt=install_weak_deps=0',
  apk: 'apk add --no-cache',
  pacman: 'pacman -Sy --noconfirm --needed',
  zypper: 'zypper --non-interactive install --no-recommends',
  brew: 'brew install',
};

/** The command for a person to type. */
export function installSentence(manager: PackageManager, packageName: string): string {
  if (manager === 'brew') return `brew install ${packageName}`;
  if (manager === 'apt-get') return `sudo apt-get update && sudo apt-get install -y ${packageName}`;
  return `sudo ${INSTALL_COMMANDS[manager]} ${packageName}`;
}

/** What to install, and the programs that show that it is installed. */
export interface Installation {
  programs: string[];
  /** The first that can be installed is taken. */
  packageNames: string[];
  /** System services that Debian's packages bring and switch on. */
  services: string[];
}

/** Where the script puts its lock and Debian's policy. Tests give their own paths. */
export interface InstallPaths {
  lockFile: string;
  policyFile: string;
}

/**
 * A POSIX shell script that installs, unless one of `programs` exists by then. It holds a kernel
 * lock (flock), so concurrent runs take turns and a killed one leaves no stale lock. Debian's
 * packages start their services on the standard ports, now and at every boot. During the
 * installation, policy-rc.d prevents the start (it is removed however the script ends, and an
 * existing one is kept). Then the services are disabled.
 */
export function installScript(
  manager: PackageManager,
  { programs, packageNames, services }: Installation,
  paths: InstallPaths,
): string {
  const have = programs.map((program) => `command -v ${program} >/dev/null 2>&1`).join(' || ');
  const attempts = packageNames.map((name) => `${INSTALL_COMMANDS[manager]} ${name}`).join(' || ');
  const lines = [
    `exec 9>'${paths.lockFile}'`,
    'if command -v flock >/dev/null 2>&1; then flock 9; fi',
    `if ${have}; then exit 0; fi`,
    ...(manager === 'apt-get' ? [...aptLines(paths.policyFile), planLine(packageNames)] : []),
    // Without fd 9: a daemon that a package starts would hold the lock forever.
    `{ ${attempts}; } </dev/null 9>&- || exit`,
    ...(manager === 'apt-get'
      ? services.map(
          (service) =>
            `if command -v systemctl >/dev/null 2>&1; then systemctl disable ${service} ` +
            '>/dev/null 2>&1 || true; fi',
        )
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** After the lines `Inst NAME …` that tell what will be installed. */
export const PLAN_ENDS = 'batchwell-plan-ends';

/** Asks apt what it would do with the first package that it knows. */
const planLine = (packageNames: readonly string[]): string => {
  const simulations = packageNames.map((name) => `${INSTALL_COMMANDS['apt-get']} -s ${name}`);
  return `{ ${simulations.join(' || ')}; } </dev/null 2>/dev/null 9>&- || true; echo ${PLAN_ENDS}`;
};

const POLICY_MARK = 'written by batchwell while it installs packages';

function aptLines(policyFile: string): string[] {
  return [
    'export DEBIAN_FRONTEND=noninteractive',
    // One with our mark is left from a killed run and can be removed.
    `if [ ! -e '${policyFile}' ] || grep -q '${POLICY_MARK}' '${policyFile}'; then`,
    `  trap 'rm -f "${policyFile}"' EXIT`,
    `  trap 'exit 1' HUP INT TERM`,
    `  printf '#!/bin/sh\\n# ${POLICY_MARK}\\nexit 101\\n' >'${policyFile}'`,
    `  chmod 755 '${policyFile}'`,
    'fi',
    'apt-get -o DPkg::Lock::Timeout=120 update </dev/null 9>&- || echo "apt-get update ' +
      'failed; the packages it knows already are tried" >&2',
  ];
}
