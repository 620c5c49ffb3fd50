/** Writes Grafana's dashboards: a JSON file for each plan in ops/grafana/plans/. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { buildDashboard } from '../ops/grafana/build.ts';
import { plans } from '../ops/grafana/plans.ts';

const folder = new URL('../ops/grafana/dashboards/', import.meta.url);

/** The text of each file, by its name. */
export const dashboardTexts = (): Map<string, string> =>
  new Map(
    plans.map((plan) => [`${plan.uid}.json`, `${JSON.stringify(buildDashboard(plan), null, 2)}\n`]),
  );

export const dashboardFiles = (): string[] => readdirSync(folder);

export function writeDashboards(): void {
  const texts = dashboardTexts();
  for (const name of dashboardFiles()) if (!texts.has(name)) rmSync(new URL(name, folder));
  for (const [name, text] of texts) writeFileSync(new URL(name, folder), text);
}
