/** All templates: name and text. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { printTemplate } from '../print.ts';
import { createCore } from './core.ts';
import { createCromwell } from './cromwell.ts';
import { createNetwork } from './network.ts';
import { createPipeline } from './pipeline.ts';
import { createService } from './service.ts';
import { createWatch } from './watch.ts';
import { createApp } from './template.ts';
import type { App, Stack } from 'aws-cdk-lib';

/** In the order in which a person deploys them. */
export const stacks: Readonly<Record<string, (app: App) => Stack>> = {
  network: createNetwork,
  core: createCore,
  service: createService,
  watch: createWatch,
  pipeline: createPipeline,
  cromwell: createCromwell,
};

export type TemplateJson = Record<string, Record<string, unknown>>;

export function synthesize(name: string): TemplateJson {
  const create = stacks[name];
  if (create === undefined) throw new Error(`There is no template ${name}.`);
  return inFolder((folder) => Template.fromStack(create(createApp(folder))).toJSON());
}

/** The CDK writes to a folder, which nobody needs. */
export function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'batchwell-synth-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const templates = (): [name: string, text: string][] =>
  Object.keys(stacks).map((name) => [name, printTemplate(synthesize(name))]);
