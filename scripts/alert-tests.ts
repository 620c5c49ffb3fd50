/**
 * The annotations that promtool expects of each alert. They are a copy of those in alerts.yml with the
 * labels filled in, so `npm run generate` writes them into the tests.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const folder = new URL('../ops/prometheus/', import.meta.url);
export const alertTestTopics = [
  'aws',
  'failures',
  'messages',
  'processes',
  'fleet',
  'api',
  'days',
] as const;

const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

/** By alert, then by name: the text between its quotes, as YAML has it. */
export function annotationsOf(alerts: string): Map<string, [name: string, text: string][]> {
  return new Map(
    alerts
      .split(/^ {6}- alert: /m)
      .slice(1)
      .map((part): [string, [string, string][]] => {
        const [name = ''] = part.split('\n', 1);
        const [, annotations = ''] = part.split('        annotations:\n');
        return [
          name,
          [...annotations.matchAll(/^ {10}(\w+): (?:'(.*)'|(.*))$/gm)].map(
            ([, key = '', quoted, plain = '']) => [key, quoted ?? plain.replaceAll("'", "''")],
          ),
        ];
      }),
  );
}

const LABELS = /(\w+): ('[^']*'|[^,}]+)/g;

/** Prometheus' own URL is empty in a test. */
function filled(text: string, labels: ReadonlyMap<string, string>): string {
  return text
    .replaceAll('{{ $externalURL }}', '')
    .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels.get(label) ?? '');
}

/** The text of a test file with the annotations of `alerts`. */
export function withAnnotations(test: string, alerts: string): string {
  const known = annotationsOf(alerts);
  const lines: string[] = [];
  let alert = '';
  for (const block of test
    .replaceAll(/^ +exp_annotations:\n(?: {14}.*\n)*/gm, '')
    .split(/(?<=\n)(?= +alertname: | +- exp_labels:)/)) {
    alert = /^ +alertname: (\w+)/.exec(block)?.[1] ?? alert;
    const [labels] = /^ +- exp_labels:[^}]*\}\n/.exec(block) ?? [];
    if (labels === undefined) {
      lines.push(block);
      continue;
    }
    const values = new Map(
      [...labels.matchAll(LABELS)].map(([, label = '', value = '']) => [
        label,
        value.trim().replaceAll("'", ''),
      ]),
    );
    const annotations = (known.get(alert) ?? []).map(
      ([name, text]) => `              ${name}: '${filled(text, values)}'\n`,
    );
    lines.push(
      labels,
      '            exp_annotations:\n',
      annotations.join(''),
      block.slice(labels.length),
    );
  }
  return lines.join('');
}

/** By file name. */
export function alertTestTexts(): Map<string, { present: string; right: string }> {
  const alerts = read('alerts.yml');
  return new Map(
    alertTestTopics.map((topic) => {
      const name = `alerts-${topic}.test.yml`;
      const present = read(name);
      return [name, { present, right: withAnnotations(present, alerts) }];
    }),
  );
}

export function writeAlertTests(): void {
  for (const [name, { right }] of alertTestTexts()) writeFileSync(new URL(name, folder), right);
}
