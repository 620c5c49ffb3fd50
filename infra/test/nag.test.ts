/** cdk-nag, with a reason for each finding that stays. A reason that no finding needs is an error. */
import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createApp } from '../stacks/template.ts';
import { inFolder, stacks } from '../stacks/templates.ts';
import { acknowledged } from './acknowledged.ts';

interface Report {
  pluginReports: {
    pluginName: string;
    violations: { ruleName: string; violatingConstructs: { constructPath: string }[] }[];
  }[];
}

function findings(): string[] {
  return inFolder((folder) => {
    const app = createApp(folder);
    for (const create of Object.values(stacks)) create(app);
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    // synth throws when there is a finding; the report is complete all the same.
    expect(() => app.synth()).toThrow(/AwsSolutions|Validation failed/);
    const report = JSON.parse(
      readFileSync(join(folder, 'validation-report.json'), 'utf8'),
    ) as Report;
    return report.pluginReports
      .flatMap(({ violations }) => violations)
      .flatMap(({ ruleName, violatingConstructs }) =>
        violatingConstructs.map(({ constructPath }) => `${constructPath} ${ruleName}`),
      );
  });
}

it('cdk-nag finds nothing that has no reason, and each reason is needed.', () => {
  const found = findings();
  const unexplained = found.filter(
    (finding) => !acknowledged.some(({ finding: start }) => finding.startsWith(start)),
  );
  expect(unexplained).toEqual([]);
  const idle = acknowledged.filter(
    ({ finding: start }) => !found.some((finding) => finding.startsWith(start)),
  );
  expect(idle).toEqual([]);
  // Some 20 s on a quiet machine.
}, 400_000);
