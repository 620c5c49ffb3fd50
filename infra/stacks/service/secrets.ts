/** Secrets that nobody types: the first token, the key of webhooks, the password of Valkey. */
import { Fn } from 'aws-cdk-lib';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import { choose, only } from '../template.ts';
import type { ServiceParts } from './parts.ts';

/** What a caller copies by hand, and what Valkey takes as a token, has no punctuation. */
const generateSecretString = { passwordLength: 48, excludePunctuation: true };

export function addSecrets({ stack, parameters: p, conditions }: ServiceParts): void {
  const kmsKeyId = choose(conditions.hasKey, p.KmsKeyArn.valueAsString);
  const secret = (id: string, description: string): CfnSecret =>
    new CfnSecret(stack, id, { description, kmsKeyId, generateSecretString });
  secret('TokenSecret', 'First token of the API, of the owner admin');
  secret('WebhookSecret', 'BATCHWELL_WEBHOOK_KEY');
  only(conditions.createsRedis, secret('RedisSecret', 'REDIS_PASSWORD'));
  // ECS cannot put two values together, so the setting is a secret of its own.
  new CfnSecret(stack, 'TokensSecret', {
    description: 'BATCHWELL_TOKENS: admin and the first token',
    kmsKeyId,
    secretString: Fn.sub('admin:{{resolve:secretsmanager:${TokenSecret}}}'),
  });
}
