/**
 * `webhook create`, `list`, `delete`, `ping`, `deliveries` and `redeliver`: HTTP notifications when
 * tasks and scatters end.
 */
import type { Command } from 'commander';
import type { DeliveryReply, WebhookReply, WebhookRequest } from '../../packages/client/client.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import type { CommandContext } from './context.ts';
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

export function addWebhookCommands(context: CommandContext): void {
  const { program, terminal, act } = context;
  const webhooks = program
    .command('webhook')
    .summary('manage webhooks')
    .description('manage webhooks: URLs that are notified when your tasks and scatters end');
  withConnection(
    webhooks
      .command('create')
      .argument('<url>', 'URL to notify')
      .description('create a webhook and print its signing secret; the secret is not shown again')
      .option(
        '--event <event...>',
        'events to notify of: tasks.ended, scatter.ended (default: both)',
      )
      .option(
        '--tag <key=value...>',
        'only tasks and scatters with all of these tags (default: any)',
      )
      .action(act((url: string, options: CreateOptions) => create(url, options, terminal))),
  );
  withConnection(
    webhooks
      .command('list')
      .description('list your webhooks, newest first')
      .action(act((options: ConnectionOptions) => list(options, terminal))),
  );
  withConnection(
    webhooks
      .command('delete')
      .argument('<id>', 'id of the webhook, from `batchwell webhook list`', rowId)
      .description('delete a webhook; deliveries not yet made are dropped')
      .action(act((id: number, options: ConnectionOptions) => remove(id, options, terminal))),
  );
  withConnection(
    webhooks
      .command('ping')
      .argument('<id>', 'id of the webhook, from `batchwell webhook list`', rowId)
      .description('send a ping, to test a receiver')
      .action(act((id: number, options: ConnectionOptions) => ping(id, options, terminal))),
  );
  addDeliveryCommands(webhooks, context);
}

function addDeliveryCommands(webhooks: Command, { terminal, act }: CommandContext): void {
  withConnection(
    webhooks
      .command('deliveries')
      .argument('<id>', 'id of the webhook, from `batchwell webhook list`', rowId)
      .description('list past and pending deliveries of a webhook, newest first')
      .option('--state <state>', 'only those in this state: pending, delivered or dead')
      .option('--limit <number>', 'number of deliveries to list', wholeNumber(1, 10_000), 20)
      .action(act((id: number, options: DeliveryOptions) => deliveries(id, options, terminal))),
  );
  withConnection(
    webhooks
      .command('redeliver')
      .argument('<id>', 'id of the webhook, from `batchwell webhook list`', rowId)
      .argument('<delivery>', 'id of the delivery, from `batchwell webhook deliveries`', rowId)
      .description('repeat a delivery that was delivered or given up')
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
      `Webhook ${made.id} is notified of ${made.events.join(' and ')}. ` +
        'Keep the secret: it is not shown again. ' +
        `Test the webhook with \`batchwell webhook ping ${made.id}\`.`,
    );
  }
  return exitCodes.ok;
}

async function list(options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  const webhooks = await connect(options, terminal).listWebhooks();
  if (options.json) printJson(terminal, webhooks);
  else if (webhooks.length === 0) printLine(terminal.err, 'You have no webhooks.');
  else printLine(terminal.out, formatTable(webhookColumns, webhooks, terminal));
  return exitCodes.ok;
}

const webhookColumns: Column<WebhookReply>[] = [
  { heading: 'ID', value: ({ id }) => id },
  { heading: 'EVENTS', value: ({ events }) => events.join(' ') },
  {
    heading: 'TAGS',
    value: ({ tags }) =>
      Object.entries(tags)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ') || 'any',
  },
  { heading: 'CREATED', value: ({ created }) => created.slice(0, 10) },
  { heading: 'URL', value: ({ url }) => url },
];

async function remove(
  id: number,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  await connect(options, terminal).deleteWebhook(id);
  return confirm(options, terminal, { deleted: id }, `Webhook ${id} is deleted.`);
}

async function ping(id: number, options: ConnectionOptions, terminal: Terminal): Promise<ExitCode> {
  await connect(options, terminal).pingWebhook(id);
  return confirm(
    options,
    terminal,
    { pinged: id },
    `A ping is queued. Run \`batchwell webhook deliveries ${id}\` to see its outcome.`,
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
  else if (rows.length === 0) printLine(terminal.err, 'The webhook has no such deliveries.');
  else printLine(terminal.out, formatTable(deliveryColumns, rows, terminal));
  return exitCodes.ok;
}

const deliveryColumns: Column<DeliveryReply>[] = [
  { heading: 'ID', value: ({ id }) => id },
  { heading: 'STATE', value: ({ state }) => state },
  { heading: 'TRIES', value: ({ tries }) => tries },
  { heading: 'CREATED', value: ({ created }) => created },
  { heading: 'NEXT TRY', value: ({ next_try: next }) => next ?? '' },
  { heading: 'OUTCOME', value: ({ outcome }) => outcome ?? '' },
];

async function redeliver(
  { id, delivery }: { id: number; delivery: number },
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  await connect(options, terminal).redeliver(id, delivery);
  return confirm(
    options,
    terminal,
    { redelivered: delivery },
    `Delivery ${delivery} is queued again.`,
  );
}

function confirm(
  options: ConnectionOptions,
  terminal: Terminal,
  json: unknown,
  sentence: string,
): ExitCode {
  if (options.json) printJson(terminal, json);
  else printLine(terminal.err, sentence);
  return exitCodes.ok;
}
