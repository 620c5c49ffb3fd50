/** EC2, whose SDK is loaded at the first request: an idle daemon does without its memory. */
import type { Ec2Client } from './requests.ts';

export function ec2Client(region: string): Ec2Client {
  let opened: Ec2Client | undefined;
  const open = async (): Promise<Ec2Client> => {
    const { openEc2 } = await import('./sdk.ts');
    opened ??= openEc2(region);
    return opened;
  };
  return {
    createVolume: async (...given) => (await open()).createVolume(...given),
    attachVolume: async (...given) => (await open()).attachVolume(...given),
    protect: async (...given) => (await open()).protect(...given),
    detachVolume: async (...given) => (await open()).detachVolume(...given),
    deleteVolume: async (...given) => (await open()).deleteVolume(...given),
    describeVolumes: async (...given) => (await open()).describeVolumes(...given),
  };
}
