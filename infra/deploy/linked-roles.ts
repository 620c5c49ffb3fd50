/** Service-linked roles that the API of AWS, unlike its console, does not create at first use. */
import { CreateServiceLinkedRoleCommand } from '@aws-sdk/client-iam';
import { type Deployment } from './deployment.ts';
import { messageOf, nameOf } from './errors.ts';

const SERVICES = ['batch.amazonaws.com', 'ecs.amazonaws.com', 'spot.amazonaws.com'];

export async function createLinkedRoles({ clients, say }: Deployment): Promise<void> {
  for (const service of SERVICES)
    try {
      await clients.iam.send(new CreateServiceLinkedRoleCommand({ AWSServiceName: service }));
      say(`Created the service-linked role of ${service}.`);
    } catch (error) {
      // Its message is the only sign that the role exists.
      if (nameOf(error).startsWith('InvalidInput') && /taken/.test(messageOf(error))) continue;
      say(
        `The service-linked role of ${service} was not created (${messageOf(error)}). That matters only if there is none yet.`,
      );
    }
}
