#!/usr/bin/env node
/** `batchwell …`: see command-line.ts for the commands. */
import { exitCodes } from './exit-codes.ts';
import { runCli } from './command-line.ts';
import { processTerminal } from './output/terminal.ts';

const code = await runCli(process.argv.slice(2), processTerminal());
// After Ctrl-C, a request still in progress must not hold up the shell. Otherwise, output is
// flushed first.
if (code === exitCodes.interrupted) process.exit(code);
process.exitCode = code;
