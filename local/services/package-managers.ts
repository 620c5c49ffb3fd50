/** Which package manager a machine has, and what to tell it. Pure: install.ts runs it. */

export const packageManagers = ['apt-get', 'dnf', 'microdnf', 'apk', 'pacman', 'zypper', 'brew'] as const;
export type PackageManager = (typeof packageManagers)[number];

/** The first of packageManagers that the machine has. */
export function choosePackageManager(has: (program: string) => boolean): PackageManager | undefined {
  return packageManagers.find(has);
}

const installCommands: Record<PackageManager, string> = {
  'apt-get': 'apt-get install -y --no-install-recommends',
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
  const update = manager === 'apt-get' ? 'sudo apt-get update && ' : '';
  return `${update}sudo ${installCommands[manager]} ${packageName}`;
}

/**
 * A POSIX shell script that installs the first package that can be installed, unless one of `programs` has come
 * meanwhile. It holds a kernel lock (flock), so two at once take turns and a killed one leaves no stale lock.
 * On Debian the packages would start their services on the standard ports: while we install, policy-rc.d forbids it,
 * is removed however we end, and one that was there before is kept.
 */
export function installScript(manager: PackageManager, packageNames: string[], programs: string[]): string {
  const have = programs.map((program) => `command -v ${program} >/dev/null 2>&1`).join(' || ');
  const attempts = packageNames.map((name) => `${installCommands[manager]} ${name}`).join(' || ');
  const lines = [
    'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/libexec"',
    'exec 9>"${BATCHWELL_INSTALL_LOCK:-/tmp/batchwell-install.lock}"',
    'if command -v flock >/dev/null 2>&1; then flock 9; fi',
    `if ${have}; then exit 0; fi`,
    ...(manager === 'apt-get' ? aptLines : []),
    `{ ${attempts}; } </dev/null 9>&-`,
  ];
  return `${lines.join('\n')}\n`;
}

const policyMark = 'written by batchwell while it installs packages';
const aptLines = [
  'export DEBIAN_FRONTEND=noninteractive',
  'policy="${BATCHWELL_POLICY_FILE:-/usr/sbin/policy-rc.d}"',
  // One with our mark is left from a run that was killed: it is ours to remove.
  `if [ ! -e "$policy" ] || grep -q '${policyMark}' "$policy"; then`,
  `  trap 'rm -f "$policy"' EXIT`,
  `  trap 'exit 1' HUP INT TERM`,
  `  printf '#!/bin/sh\\n# ${policyMark}\\nexit 101\\n' >"$policy"`,
  '  chmod 755 "$policy"',
  'fi',
  'apt-get -o DPkg::Lock::Timeout=120 update </dev/null 9>&- || echo "apt-get update failed; the packages it knows already are tried" >&2',
];
