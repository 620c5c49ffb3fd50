import { text, url, type Section } from './setting.ts';

export const cli = {
  heading: 'Command line',
  settings: {
    clientUrl: url({
      variable: 'BATCHWELL_URL',
      fallback: 'http://127.0.0.1:8000',
      protocols: ['http:', 'https:'],
      effect: 'URL of the API that the CLI calls.',
    }),
    clientToken: text({
      variable: 'BATCHWELL_TOKEN',
      fallback: '',
      effect: 'Bearer token that the CLI sends. None when empty.',
      secret: true,
    }),
  },
} satisfies Section;
