/** Whether QEMU can use the processor's virtualization, or must translate each instruction. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';

/**
 * An old processor: what newer ones have (page tables of five levels, AVX, fast string moves) costs time
 * under translation.
 */
const TRANSLATED = ['-accel', 'tcg,thread=multi', '-cpu', 'Nehalem'];
const DIRECT = ['-accel', 'kvm', '-cpu', 'host'];

let chosen: string[] | undefined;

export function accelerator(kernel: string): string[] {
  chosen ??= hasKvm(kernel) ? DIRECT : TRANSLATED;
  return chosen;
}

/**
 * /dev/kvm alone says nothing: in a virtual machine without nested virtualization it may be there, and
 * hang a kernel (tried). So a kernel must come so far as to say its name.
 */
function hasKvm(kernel: string): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  if (!/^(flags|Features)\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')))
    return false;
  const boot = [...DIRECT, '-m', '256', '-nodefaults', '-display', 'none', '-serial', 'stdio'];
  const { stdout } = spawnSync(
    'qemu-system-x86_64',
    [...boot, '-no-reboot', '-kernel', kernel, '-append', 'console=ttyS0 panic=-1'],
    { timeout: 20_000, encoding: 'utf8' },
  );
  return stdout.includes('Linux version');
}
