#!/usr/bin/env node
/** `batchwell …`: see command-line.ts for the commands. */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Node keeps what it compiled: a command starts with 0.14 s of CPU time instead of 0.46 s. Where the
// folder cannot be written, nothing is kept. What follows must be imported after this.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/batchwell', import.meta.url)));
const [{ runCli }, { processTerminal }, { exitCodes }] = await Promise.all([
  import('./command-line.ts'),
  import('./output/terminal.ts'),
  import('./exit-codes.ts'),
]);

const code = await runCli(process.argv.slice(2), processTerminal());
// After Ctrl-C, a request still in progress must not hold up the shell. Otherwise, output is
// flushed first.
if (code === exitCodes.interrupted) process.exit(code);
process.exitCode = code;
