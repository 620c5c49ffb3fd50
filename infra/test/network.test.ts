/** What the template network promises. */
import { expect, it } from 'vitest';
import { deploy, ofType, propertiesOf } from './world.ts';

const count = (parameters: Record<string, string>, type: string): number =>
  Object.keys(ofType(deploy('network', parameters), type)).length;

it.each([
  ['three zones and one NAT gateway', {}, 6, 1],
  ['two zones and one NAT gateway', { Zones: '2' }, 4, 1],
  ['two zones with a NAT gateway each', { Zones: '2', Nat: 'each' }, 4, 2],
  ['three zones with a NAT gateway each', { Nat: 'each' }, 6, 3],
  ['three zones without NAT, so without public subnets', { Nat: 'none' }, 3, 0],
])('There are %s.', (_, parameters, subnets, gateways) => {
  expect(count(parameters, 'AWS::EC2::Subnet')).toBe(subnets);
  expect(count(parameters, 'AWS::EC2::NatGateway')).toBe(gateways);
  expect(count(parameters, 'AWS::EC2::InternetGateway')).toBe(gateways === 0 ? 0 : 1);
});

it('Each subnet has addresses of its own.', () => {
  const blocks = Object.values(ofType(deploy('network'), 'AWS::EC2::Subnet')).map(
    ({ properties }) => properties['CidrBlock'],
  );
  expect(new Set(blocks).size).toBe(6);
});

it('Every private subnet reaches S3 without NAT.', () => {
  for (const Nat of ['none', 'one', 'each'])
    expect(propertiesOf(deploy('network', { Nat }), 'S3Endpoint')['RouteTableIds']).toEqual([
      '<PrivateRoutes1>',
      '<PrivateRoutes2>',
      '<PrivateRoutes3>',
    ]);
});

it('With a NAT gateway in each zone, no private subnet depends on another zone.', () => {
  const deployed = deploy('network', { Nat: 'each' });
  for (const zone of [1, 2, 3])
    expect(propertiesOf(deployed, `PrivateRoute${zone}`)['NatGatewayId']).toBe(`<Nat${zone}>`);
});

it('Without NAT each service that hosts and the fleet call has an endpoint, and only then.', () => {
  const services = Object.values(
    ofType(deploy('network', { Nat: 'none' }), 'AWS::EC2::VPCEndpoint'),
  )
    .map(({ properties }) =>
      String(properties['ServiceName']).replace('com.amazonaws.eu-west-1.', ''),
    )
    .toSorted();
  for (const needed of ['batch', 'ecs', 'ecs-agent', 'ecr.api', 'ecr.dkr', 'logs', 'sqs', 's3'])
    expect(services).toContain(needed);
  expect(count({}, 'AWS::EC2::VPCEndpoint')).toBe(1);
});
