#!/usr/bin/env node
/** `batchwell-disk set-up | run | status | sweep`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs, parseEnv } from 'node:util';
import { ec2Client } from './ec2/client.ts';
import { readPolicy, type Policy } from './rules/policy.ts';
import { paths } from './host/paths.ts';
import { setUp } from './host/set-up.ts';
import { runDaemon } from './run.ts';
import { describeStatus, readStatus } from './status.ts';
import { sweep } from './sweep.ts';

const USAGE = `Usage:
  batchwell-disk set-up              makes the disk of the tasks, before Docker starts
  batchwell-disk run                 the daemon
  batchwell-disk status [--json]     what the daemon knows
  batchwell-disk sweep --stack NAME --region REGION [--delete]
                                     lists, or deletes, volumes that no host uses`;

/** Of the launch template; systemd reads it too. */
const ENV_FILE = '/etc/batchwell/host.env';
const WRONG = 2;

class UserError extends Error {}

function policyOfHost(): Policy {
  const read = readPolicy({ ...hostEnv(), ...process.env });
  if ('policy' in read) return read.policy;
  throw new UserError(read.problems.join(' '));
}

function hostEnv(): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(ENV_FILE, 'utf8'));
  } catch {
    return {};
  }
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = readArgs(args);
  switch (positionals[0]) {
    case 'set-up':
      return setUpOrSay();
    case 'run':
      return runDaemon(policyOfHost());
    case 'status': {
      const status = readStatus(policyOfHost());
      console.log(values.json ? JSON.stringify(status) : describeStatus(status));
      return 0;
    }
    case 'sweep': {
      const { stack, region } = values;
      if (!stack || !region) throw new UserError('sweep needs --stack and --region.');
      const left = await sweep(ec2Client(region), {
        stack,
        isDryRun: !values.delete,
        nowMs: Date.now(),
        say: console.log,
      });
      return left > 0 ? 1 : 0;
    }
    default:
      throw new UserError(USAGE);
  }
}

function readArgs(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        delete: { type: 'boolean', default: false },
        stack: { type: 'string' },
        region: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UserError(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

/** Why a host gives up is in a file that `give-up` reads. */
async function setUpOrSay(): Promise<number> {
  try {
    await setUp(policyOfHost());
    return 0;
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    mkdirSync(paths.run, { recursive: true });
    writeFileSync(paths.reason, `The disk could not be set up: ${sentence}\n`);
    throw error instanceof UserError ? error : new UserError(sentence);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = error instanceof UserError ? WRONG : 1;
}
