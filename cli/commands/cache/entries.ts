/** `cache stats`, `cache list`, `cache show`, and `cache export`. */
import { spellBytes } from '../../../core/cache/spell.ts';
import type { CacheEntry } from '../../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../../exit-codes.ts';
import { formatCount, formatDuration, formatFacts, formatTable } from '../../output/table.ts';
import { printJson, printJsonLine, printLine, type Terminal } from '../../output/terminal.ts';
import { connect, type ConnectionOptions } from '../connection.ts';

const hours = (value: number): string => value.toFixed(value < 10 ? 2 : 0);

export async function stats(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const found = await connect(options, terminal).cacheStats();
  if (options.json) {
    printJson(terminal, found);
    return exitCodes.ok;
  }
  const { out } = terminal;
  printLine(
    out,
    formatFacts([
      ['entries', formatCount(found.entries)],
      ['no longer usable', formatCount(found.unusable_entries)],
      ['hits', formatCount(found.saved.hits)],
      ['vCPU-hours saved', hours(found.saved.vcpu_hours)],
      ['GiB-hours saved', hours(found.saved.gib_hours)],
      ['copied', spellBytes(found.saved.copied_bytes)],
    ]),
  );
  if (found.by_name.length === 0) return exitCodes.ok;
  printLine(out);
  printLine(
    out,
    formatTable(
      [
        { heading: 'TASK NAME', value: ({ name }) => name },
        { heading: 'HITS', value: ({ hits }) => formatCount(hits) },
        { heading: 'VCPU-HOURS', value: (one) => hours(one.vcpu_hours) },
        { heading: 'GIB-HOURS', value: (one) => hours(one.gib_hours) },
        { heading: 'COPIED', value: (one) => spellBytes(one.copied_bytes) },
      ],
      found.by_name,
    ),
  );
  return exitCodes.ok;
}

interface ListOptions extends ConnectionOptions {
  name?: string;
  unusable?: true;
  limit: number;
}

export async function list(options: ListOptions, terminal: Terminal): Promise<ExitCode> {
  const { name, unusable, limit } = options;
  const entries: CacheEntry[] = [];
  const all = connect(options, terminal).cacheEntries({
    ...(name !== undefined && { name }),
    ...(unusable && { usable: false }),
    page_size: Math.min(limit, 1000),
  });
  for await (const entry of all) {
    entries.push(entry);
    if (entries.length === limit) break;
  }
  if (options.json) printJson(terminal, entries);
  else
    printLine(
      terminal.out,
      formatTable(
        [
          { heading: 'TASK', value: ({ task }) => task },
          { heading: 'CREATED', value: ({ created }) => created },
          { heading: 'HITS', value: ({ hits }) => hits },
          { heading: 'RUN', value: (entry) => formatDuration(entry.run_seconds * 1000) },
          { heading: 'NAME', value: (entry) => entry.name },
          {
            heading: 'STATE',
            value: (entry) => (entry.usable ? 'usable' : (entry.invalid_reason ?? 'not usable')),
          },
        ],
        entries,
      ),
    );
  return exitCodes.ok;
}

export async function show(
  task: string,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const entry = await connect(options, terminal).cacheEntry(task);
  if (options.json) {
    printJson(terminal, entry);
    return exitCodes.ok;
  }
  const { out } = terminal;
  printLine(
    out,
    formatFacts([
      ['entry of', entry.task],
      ['name', entry.name],
      ['created', entry.created],
      ['state', entry.usable ? 'usable' : (entry.invalid_reason ?? 'not usable')],
      ['run', formatDuration(entry.run_seconds * 1000)],
      ['hits', formatCount(entry.hits)],
      ['last hit', entry.last_hit],
      ...entry.warnings.map((warning) => ['warning', warning] as const),
      ['not shown', entry.hidden_outputs === 0 ? undefined : `${entry.hidden_outputs} outputs`],
    ]),
  );
  printLine(out);
  printLine(
    out,
    formatTable(
      [
        { heading: 'SIZE', value: (file) => spellBytes(file.size_bytes) },
        { heading: 'OUTPUT', value: ({ url }) => url },
      ],
      entry.outputs,
    ),
  );
  return exitCodes.ok;
}

export async function exportEntries(
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  for await (const entry of connect(options, terminal, true).exportCache())
    printJsonLine(terminal, entry);
  return exitCodes.ok;
}
