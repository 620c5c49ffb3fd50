#!/usr/bin/env node
/** `batchwell …`: see run.ts for the commands. */
import { exitCodes } from './errors.ts';
import { runCli } from './command-line.ts';
import { processTerminal } from './output/terminal.ts';

const code = await runCli(process.argv.slice(2), processTerminal());
// A request that nobody waits for any more must not hold the shell after Ctrl-C; otherwise output is flushed first.
if (code === exitCodes.interrupted) process.exit(code);
process.exitCode = code;
