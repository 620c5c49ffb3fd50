import { scopes } from '../core/access/access.ts';
import { list, someOf, text, url, type Section } from './setting.ts';

export const access = {
  heading: 'Access to the API',
  settings: {
    tokens: list({
      variable: 'BATCHWELL_TOKENS',
      effect:
        'Bearer tokens, each as owner:token. Each gives full access to everything of its owner ' +
        'and can create other tokens. If neither this nor an OpenID provider is set, the API ' +
        'accepts every caller.',
      secret: true,
    }),
    oidcIssuer: url({
      variable: 'BATCHWELL_OIDC_ISSUER',
      fallback: '',
      protocols: ['https:', 'http:'],
      effect: 'OpenID provider whose JWTs are accepted as bearer tokens. None when empty.',
    }),
    oidcAudience: text({
      variable: 'BATCHWELL_OIDC_AUDIENCE',
      fallback: '',
      effect: 'Audience that the claim aud of such a JWT must contain.',
    }),
    oidcOwnerClaim: text({
      variable: 'BATCHWELL_OIDC_OWNER_CLAIM',
      fallback: 'sub',
      effect:
        'Claim of such a JWT that names the owner of the tasks. Use one that users cannot ' +
        'choose themselves.',
    }),
    oidcScopes: someOf({
      variable: 'BATCHWELL_OIDC_SCOPES',
      fallback: ['submit', 'read', 'cancel'],
      choices: scopes,
      effect: 'Scopes of a caller with such a JWT.',
    }),
    oidcUrls: list({
      variable: 'BATCHWELL_OIDC_URLS',
      effect:
        'Prefixes to which the file URLs of such a caller are limited. {owner} is replaced by ' +
        'the owner. No limit when empty.',
    }),
  },
} satisfies Section;
