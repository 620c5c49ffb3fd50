import { isOriginRule } from '../core/access/origins.ts';
import { SHORTEST_WEBHOOK_KEY } from '../core/notify/webhooks.ts';
import { each, list, longSecret, type Section } from './setting.ts';

export const webhooks = {
  heading: 'Webhooks',
  settings: {
    webhookOrigins: list({
      variable: 'BATCHWELL_WEBHOOK_ORIGINS',
      effect:
        'Origins that webhooks can be sent to, such as https://hooks.example.org or ' +
        'https://*.example.org. http:// works only for the origins listed with it. Webhooks are ' +
        'off when empty.',
      check: each(
        isOriginRule,
        'https://host, https://*.domain or http://host:port, without a path',
      ),
    }),
    webhookKey: longSecret({
      variable: 'BATCHWELL_WEBHOOK_KEY',
      minCharacters: SHORTEST_WEBHOOK_KEY,
      effect:
        'Key from which the signing secrets of webhooks are derived. It must be the same in all ' +
        'processes. A new key changes all of those secrets.',
    }),
  },
} satisfies Section;
