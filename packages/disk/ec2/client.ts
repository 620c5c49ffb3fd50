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
    createVolume: async (volume) => (await open()).createVolume(volume),
    attachVolume: async (volumeId, instanceId, deviceName) =>
      (await open()).attachVolume(volumeId, instanceId, deviceName),
    protect: async (instanceId, deviceName) => (await open()).protect(instanceId, deviceName),
    detachVolume: async (volumeId) => (await open()).detachVolume(volumeId),
    deleteVolume: async (volumeId) => (await open()).deleteVolume(volumeId),
    describeVolumes: async (query) => (await open()).describeVolumes(query),
  };
}
