/** `webhook create`, `list`, `delete`, `ping`, `deliveries` and `redeliver`: who is told by HTTP when tasks and scatters end. */
import type { DeliveryReply, WebhookReply, WebhookRequest } from '../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../errors.ts';
import type { CommandParts } from '../command-line.ts';
import { formatTable, type Column } from '../output/table.ts';
import { printJson, printLine, type Terminal } from '../output/terminal.ts';
import {
  connect,
  readTags,
  wholeNumber,
  withConnection,
  type ConnectionOptions,
} from './connection.ts';

interface CreateOptions extends ConnectionOptions {
  event?: string[];
  tag?: string[];
}

interface DeliveryOptions extends ConnectionOptions {
  state?: DeliveryReply['state'];
  limit: number;
}

const rowId = wholeNumber(1, Number.MAX_SAFE_INTEGER);

export function addWebhookCommands({ program, terminal, act }: CommandParts): void {
  const webhooks = program
    .command('webhook')
    .description('urls that are told when tasks and scatters of yours end');
  withConnection(
    webhooks
      .command('create <url>')
      .description(
        'have a url told, and print the secret that its signatures are checked with; it is shown only now',
      )
      .option('--event <event...>', 'tasks.ended, scatter.ended (default: both)')
      .option('--tag <key=value...>', 'only of tasks and scatters with all of these tags')
      .action(act((url: string, options: CreateOptions) => create(url, options, terminal))),
  );
  withConnection(
    webhooks
      .command('list')
      .description('your webhooks, newest first')
      .action(act((options: ConnectionOptions) => list(options, terminal))),
  );
  withConnection(
    webhooks
      .command('delete')
      .argument('<id>', 'its number in the list', rowId)
      .description('tell it nothing more')
      .action(act((id: number, options: ConnectionOptions) => remove(id, options, terminal))),
  );
  withConnection(
    webhooks
      .command('ping')
      .argument('<id>', 'its number in the list', rowId)
      .description('send it a ping, to try a receiver')
      .action(act((id: number, options: ConnectionOptions) => ping(id, options, terminal))),
  );
  withConnection(
    webhooks
      .command('deliveries')
      .argument('<id>', 'its number in the list', rowId)
      .description('what it was told and is still to be told, newest first')
      .option('--state <state>', 'pending, delivered or dead')
      .option('--limit <deliveries>', 'how many', wholeNumber(1, 10_000), 20)
      .action(act((id: number, options: DeliveryOptions) => deliveries(id, options, terminal))),
  );
  withConnection(
    webhooks
      .command('redeliver')
      .argument('<id>', 'the webhook', rowId)
      .argument('<delivery>', 'its number among the deliveries', rowId)
      .description('tell it again what was delivered or given up')
      .action(
        act((id: number, delivery: number, options: ConnectionOptions) =>
          redeliver({ id, delivery }, options, terminal),
        ),
      ),
  );
}

async function create(url: string, options: CreateOptions, terminal: Terminal): Promise<ExitCode> {
  const events = options.event as WebhookRequest['events'];
  const made = await connect(options, terminal).createWebhook({
    url,
    ...(events && { events }),
    ...(options.tag && { tags: readTags(options.tag) }),
  });
  if (options.json) printJson(terminal, made);
  else {
    printLine(terminal.out, made.secret);
    printLine(
      terminal.err,
      `Webhook ${made.id} is told of ${made.events.join(' and ')}. Keep the secret: it is not shown again. Try it: batchwell webhook ping ${made.id}`,
    );
  }
  return exitCodes.ok;
}

async function list(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const webhooks = await connect(options, terminal).listWebhooks();
  if (options.json) printJson(terminal, webhooks);
  else if (webhooks.length === 0) printLine(terminal.err, 'You have no webhook.');
  else printLine(terminal.out, formatTable(webhookColumns, webhooks));
  return exitCodes.ok;
}

const webhookColumns: Column<WebhookReply>[] = [
  { heading: 'ID', value: ({ id }) => id },
  { heading: 'TOLD OF', value: ({ events }) => events.join(' ') },
  {
    heading: 'WITH TAGS',
    value: ({ tags }) =>
      Object.entries(tags)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ') || 'any',
  },
  { heading: 'MADE', value: ({ created }) => created.slice(0, 10) },
  { heading: 'URL', value: ({ url }) => url },
];

async function remove(
  id: number,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  await connect(options, terminal).deleteWebhook(id);
  return told(options, terminal, { deleted: id }, `Webhook ${id} is told nothing more.`);
}

async function ping(id: number, options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  await connect(options, terminal).pingWebhook(id);
  return told(
    options,
    terminal,
    { pinged: id },
    `A ping is on its way; batchwell webhook deliveries ${id} tells what came of it.`,
  );
}

async function deliveries(
  id: number,
  options: DeliveryOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const rows: DeliveryReply[] = [];
  for await (const row of connect(options, terminal).deliveries(id, { state: options.state })) {
    rows.push(row);
    if (rows.length === options.limit) break;
  }
  if (options.json) printJson(terminal, rows);
  else if (rows.length === 0) printLine(terminal.err, 'There is none.');
  else printLine(terminal.out, formatTable(deliveryColumns, rows));
  return exitCodes.ok;
}

const deliveryColumns: Column<DeliveryReply>[] = [
  { heading: 'ID', value: ({ id }) => id },
  { heading: 'STATE', value: ({ state }) => state },
  { heading: 'TRIES', value: ({ tries }) => tries },
  { heading: 'MADE', value: ({ created }) => created },
  { heading: 'NEXT TRY', value: ({ next_try: next }) => next ?? '' },
  { heading: 'OUTCOME', value: ({ outcome }) => outcome ?? '' },
];

async function redeliver(
  { id, delivery }: { id: number; delivery: number },
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  await connect(options, terminal).redeliver(id, delivery);
  return told(
    options,
    terminal,
    { redelivered: delivery },
    `Delivery ${delivery} is on its way again.`,
  );
}

function told(
  options: ConnectionOptions,
  terminal: Terminal,
  json: unknown,
  sentence: string,
): ExitCode {
  if (options.json) printJson(terminal, json);
  else printLine(terminal.err, sentence);
  return exitCodes.ok;
}
