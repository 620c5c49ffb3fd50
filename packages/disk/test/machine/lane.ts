/** A machine that plays classes of faults one after the other. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bench } from './bench.ts';
import type { MachineFiles } from './build.ts';
import type { FaultClass, Told } from './cases.ts';
import { startQemu, type Qemu } from './qemu.ts';

/** Of a class; times are the longest. */
export interface Row {
  name: string;
  passed: number;
  seenToGrownMs: number;
  seenToGrownCpuMs: number;
  resumedMs: number;
  resumedCpuMs: number;
  heldMs: number;
  notes: string;
}

export class Lane {
  readonly #files: MachineFiles;
  readonly #folder: string;
  readonly #say: (line: string) => void;
  #qemu: Qemu | undefined;
  #bench: Bench | undefined;
  #bootsBefore = 0;

  constructor(files: MachineFiles, folder: string, say: (line: string) => void) {
    this.#files = files;
    this.#folder = folder;
    this.#say = say;
  }

  get boots(): number {
    return this.#bootsBefore + (this.#qemu?.boots ?? 0);
  }

  async play(faultClass: FaultClass, seeds: readonly number[]): Promise<Row> {
    const { name, isDamaging } = faultClass;
    const told: Told[] = [];
    /** On the disk of now: what its end finds out is about all of them. */
    let onDisk = 0;
    let passed = 0;
    for (const seed of seeds) {
      const fromMs = Date.now();
      try {
        const bench = await this.#benchWithDisk();
        const fromCpuMs = bench.qemu.cpuMs();
        bench.note(`--- ${name}, seed ${seed}`);
        told.push(await faultClass.play(bench, seed));
        if (isDamaging) await bench.end({ isDamaged: true });
        onDisk += 1;
        this.#say(
          `${name}, seed ${seed}: passed in ${Math.round((Date.now() - fromMs) / 1000)} s (CPU ${Math.round((bench.qemu.cpuMs() - fromCpuMs) / 1000)} s) ${JSON.stringify(told.at(-1))}`,
        );
      } catch (error) {
        // The disk goes with the machine, so nobody knows whether those before were sound.
        onDisk = 0;
        await this.#failed(`${name}, seed ${seed}`, error);
      }
      if (isDamaging || seed === seeds.at(-1)) {
        passed += (await this.#end(name)) ? onDisk : 0;
        onDisk = 0;
      }
    }
    return rowOf(name, passed, told);
  }

  /** Whether the disk was sound. */
  async #end(name: string): Promise<boolean> {
    if (!this.#bench?.hasDisk) return true;
    try {
      await this.#bench.end();
      return true;
    } catch (error) {
      await this.#failed(`the end of ${name}`, error);
      return false;
    }
  }

  async #benchWithDisk(): Promise<Bench> {
    if (this.#bench === undefined) {
      const rootVolume = join(this.#folder, 'root.img');
      copyFileSync(this.#files.rootVolume, rootVolume);
      this.#qemu = await startQemu({ ...this.#files, rootVolume }, this.#folder);
      this.#bench = new Bench(this.#qemu, join(this.#folder, 'events'));
    }
    if (!this.#bench.hasDisk) await this.#bench.begin();
    return this.#bench;
  }

  /** The next case has a new machine. */
  async #failed(what: string, error: unknown): Promise<void> {
    const seen = 'dmesg | tail -n 60; lvm pvs; dmsetup table; ps | tail -n 20';
    const state = await this.#qemu?.ask(seen).catch(() => undefined);
    this.#say(`${what}: FAILED\n${String(error)}\n${this.#bench?.log()}\n${state?.out}`);
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#bootsBefore = this.boots;
    await this.#bench?.stop();
    await this.#qemu?.stop();
    this.#bench = undefined;
    this.#qemu = undefined;
  }
}

function rowOf(name: string, passed: number, told: readonly Told[]): Row {
  const most = (of: (one: Told) => number | undefined): number =>
    told.reduce((longest, one) => Math.max(longest, of(one) ?? 0), 0);
  return {
    name,
    passed,
    seenToGrownMs: most(({ seenToGrownMs }) => seenToGrownMs),
    seenToGrownCpuMs: most(({ seenToGrownCpuMs }) => seenToGrownCpuMs),
    resumedMs: most(({ resumedMs }) => resumedMs),
    resumedCpuMs: most(({ resumedCpuMs }) => resumedCpuMs),
    heldMs: most(({ heldMs }) => heldMs),
    notes: [...new Set(told.flatMap(({ note }) => note || []))].join(', '),
  };
}
