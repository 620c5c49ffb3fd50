/** Parameters of the templates, checked before CloudFormation is asked. */
import { coreParameters } from '../parameters/core.ts';
import { networkParameters } from '../parameters/network.ts';
import type { Parameter, Parameters } from '../parameters/parameter.ts';
import { pipelineParameters } from '../parameters/pipeline.ts';
import { serviceParameters } from '../parameters/service.ts';
import { watchParameters } from '../parameters/watch.ts';
import { Refusal } from './errors.ts';

export type ParameterValues = Readonly<Record<string, string>>;

const ALL: Readonly<Record<string, Parameters>> = {
  network: networkParameters,
  core: coreParameters,
  service: serviceParameters,
  watch: watchParameters,
  pipeline: pipelineParameters,
};

export const parametersOf = (template: string): Parameters => ALL[template] ?? {};

/** All that is wrong is reported together. @throws Refusal that names each parameter and its option */
export function checkParameters(template: string, given: ParameterValues): void {
  const known = parametersOf(template);
  const wrong = Object.entries(given).flatMap(([name, value]) => {
    const parameter = known[name];
    if (parameter === undefined)
      return `--${template} ${name}: the template ${template} has no such parameter. It has ${Object.keys(known).join(', ')}.`;
    const problem = problemOf(parameter, value);
    return problem === undefined
      ? []
      : `--${template} ${name}=${parameter.secret ? '…' : value}: it ${problem}`;
  });
  if (wrong.length > 0) throw new Refusal(wrong.join('\n'));
}

function problemOf({ allowed, pattern, range, type }: Parameter, value: string) {
  if (allowed && !allowed.includes(value)) return `must be one of ${allowed.join(', ')}.`;
  if (pattern !== undefined && !new RegExp(pattern).test(value)) return `must match ${pattern}.`;
  if (type !== 'Number') return undefined;
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) return 'must be a number.';
  if (range && (number < range[0] || number > range[1]))
    return `must be between ${range[0]} and ${range[1]}.`;
  return undefined;
}
