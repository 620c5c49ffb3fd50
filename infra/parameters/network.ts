/** Parameters of the template network. */
import { type Parameters } from './parameter.ts';

export const networkParameters = {
  Cidr: {
    fallback: '10.40.0.0/16',
    pattern: '^\\d+\\.\\d+\\.\\d+\\.\\d+/(16|17|18|19|20)$',
    reason: 'Addresses of the VPC, between /16 and /20. Hosts take one address each.',
  },
  SubnetBits: {
    fallback: '12',
    allowed: ['8', '9', '10', '11', '12', '13'],
    unit: 'bits',
    reason:
      'Size of each of the six subnets: 12 bits are 4,096 addresses. Six must fit in Cidr, so a /20 ' +
      'takes at most 9.',
  },
  Zones: {
    fallback: '3',
    allowed: ['2', '3'],
    reason: 'Availability zones. Three have more Spot capacity than two.',
  },
  Nat: {
    fallback: 'one',
    allowed: ['none', 'one', 'each'],
    reason:
      'NAT gateways: none (interface endpoints for AWS instead; only images in Amazon ECR), one for ' +
      'all zones, or one for each zone. S3 never goes through NAT: it has a gateway endpoint.',
  },
} as const satisfies Parameters;
