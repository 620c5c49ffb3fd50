/** network: a VPC in two or three zones, for those who have none. */
import { Fn, Tags, type App, type CfnCondition, type Stack } from 'aws-cdk-lib';
import {
  CfnEIP,
  CfnInternetGateway,
  CfnNatGateway,
  CfnRoute,
  CfnRouteTable,
  CfnSecurityGroup,
  CfnSubnet,
  CfnSubnetRouteTableAssociation,
  CfnVPC,
  CfnVPCEndpoint,
  CfnVPCGatewayAttachment,
} from 'aws-cdk-lib/aws-ec2';
import { networkParameters } from '../parameters/network.ts';
import { choose, condition, createStack, declare, is, not, only, output } from './template.ts';

/** What hosts and the service call. Without NAT each needs an endpoint; S3 has one of another kind. */
const SERVICES = [
  'batch',
  'ecr.api',
  'ecr.dkr',
  'ecs',
  'ecs-agent',
  'ecs-telemetry',
  'kms',
  'logs',
  'monitoring',
  'secretsmanager',
  'sqs',
  'ssm',
  'ssmmessages',
  'sts',
];
const ZONES = [0, 1, 2];

interface Network {
  stack: Stack;
  hasThird: CfnCondition;
  hasNat: CfnCondition;
  /** One NAT gateway for each zone, and not only in the first. */
  hasEach: CfnCondition;
  hasEachAndThird: CfnCondition;
  hasNatAndThird: CfnCondition;
}

export function createNetwork(app: App): Stack {
  const stack = createStack(app, 'network', 'Batchwell network: VPC, subnets, NAT and endpoints.');
  const p = declare(stack, networkParameters);
  const third = is(p.Zones, '3');
  const network: Network = {
    stack,
    hasThird: condition(stack, 'HasThirdZone', third),
    hasNat: condition(stack, 'HasNat', not(is(p.Nat, 'none'))),
    hasEach: condition(stack, 'HasNatInEachZone', is(p.Nat, 'each')),
    hasEachAndThird: condition(stack, 'HasThirdNat', Fn.conditionAnd(third, is(p.Nat, 'each'))),
    hasNatAndThird: condition(
      stack,
      'HasThirdPublicZone',
      Fn.conditionAnd(third, not(is(p.Nat, 'none'))),
    ),
  };
  new CfnVPC(stack, 'Vpc', {
    cidrBlock: p.Cidr.valueAsString,
    enableDnsHostnames: true,
    enableDnsSupport: true,
  });
  only(network.hasNat, new CfnInternetGateway(stack, 'InternetGateway', {}));
  only(
    network.hasNat,
    new CfnVPCGatewayAttachment(stack, 'InternetAttachment', {
      vpcId: Fn.ref('Vpc'),
      internetGatewayId: Fn.ref('InternetGateway'),
    }),
  );
  addPublicRoutes(network);
  for (const zone of ZONES) addZone(network, zone);
  addEndpoints(network);
  addOutputs(network);
  Tags.of(stack).add('Application', 'batchwell');
  return stack;
}

const blockOf = (at: number): string =>
  Fn.select(at, Fn.cidr(Fn.ref('Cidr'), 6, Fn.ref('SubnetBits')));

const zoneName = (zone: number): string => Fn.select(zone, Fn.getAzs());

function addPublicRoutes({ stack, hasNat }: Network): void {
  only(hasNat, new CfnRouteTable(stack, 'PublicRoutes', { vpcId: Fn.ref('Vpc') }));
  const route = only(
    hasNat,
    new CfnRoute(stack, 'PublicRoute', {
      routeTableId: Fn.ref('PublicRoutes'),
      destinationCidrBlock: '0.0.0.0/0',
      gatewayId: Fn.ref('InternetGateway'),
    }),
  );
  route.addOverride('DependsOn', 'InternetAttachment');
}

function addZone(network: Network, zone: number): void {
  const { stack, hasThird, hasNat, hasNatAndThird } = network;
  const number = zone + 1;
  const always = zone < 2;
  const make = (id: string, at: number): CfnSubnet =>
    new CfnSubnet(stack, `${id}Subnet${number}`, {
      vpcId: Fn.ref('Vpc'),
      availabilityZone: zoneName(zone),
      cidrBlock: blockOf(at),
      mapPublicIpOnLaunch: false,
    });
  const own = [
    make('Private', zone),
    new CfnRouteTable(stack, `PrivateRoutes${number}`, { vpcId: Fn.ref('Vpc') }),
    new CfnSubnetRouteTableAssociation(stack, `PrivateAssociation${number}`, {
      subnetId: Fn.ref(`PrivateSubnet${number}`),
      routeTableId: Fn.ref(`PrivateRoutes${number}`),
    }),
  ];
  if (!always) for (const resource of own) only(hasThird, resource);
  const open = [
    make('Public', zone + 3),
    new CfnSubnetRouteTableAssociation(stack, `PublicAssociation${number}`, {
      subnetId: Fn.ref(`PublicSubnet${number}`),
      routeTableId: Fn.ref('PublicRoutes'),
    }),
    new CfnRoute(stack, `PrivateRoute${number}`, {
      routeTableId: Fn.ref(`PrivateRoutes${number}`),
      destinationCidrBlock: '0.0.0.0/0',
      natGatewayId:
        zone === 0
          ? Fn.ref('Nat1')
          : choose(network.hasEach, Fn.ref(`Nat${number}`), Fn.ref('Nat1')),
    }),
  ];
  for (const resource of open) only(always ? hasNat : hasNatAndThird, resource);
  addNat(network, number);
}

function addNat({ stack, hasNat, hasEach, hasEachAndThird }: Network, number: number): void {
  const when = [hasNat, hasEach, hasEachAndThird][number - 1] ?? hasNat;
  only(when, new CfnEIP(stack, `NatAddress${number}`, { domain: 'vpc' })).addOverride(
    'DependsOn',
    'InternetAttachment',
  );
  only(
    when,
    new CfnNatGateway(stack, `Nat${number}`, {
      subnetId: Fn.ref(`PublicSubnet${number}`),
      allocationId: Fn.getAtt(`NatAddress${number}`, 'AllocationId').toString(),
    }),
  );
}

function addEndpoints({ stack, hasThird }: Network): void {
  const noNat = condition(stack, 'HasNoNat', Fn.conditionEquals(Fn.ref('Nat'), 'none'));
  const inAll = (id: string): string[] => [
    Fn.ref(`${id}1`),
    Fn.ref(`${id}2`),
    choose(hasThird, Fn.ref(`${id}3`)),
  ];
  new CfnVPCEndpoint(stack, 'S3Endpoint', {
    vpcId: Fn.ref('Vpc'),
    vpcEndpointType: 'Gateway',
    serviceName: Fn.sub('com.amazonaws.${AWS::Region}.s3'),
    routeTableIds: inAll('PrivateRoutes'),
  });
  only(
    noNat,
    new CfnSecurityGroup(stack, 'EndpointSecurityGroup', {
      groupDescription: 'HTTPS from the VPC to the interface endpoints',
      vpcId: Fn.ref('Vpc'),
      securityGroupIngress: [
        {
          ipProtocol: 'tcp',
          fromPort: 443,
          toPort: 443,
          cidrIp: Fn.ref('Cidr'),
          description: 'VPC',
        },
      ],
    }),
  );
  for (const service of SERVICES) {
    const name = service.replaceAll(/(?:^|[.-])(\w)/g, (_, letter: string) => letter.toUpperCase());
    only(
      noNat,
      new CfnVPCEndpoint(stack, `${name}Endpoint`, {
        vpcId: Fn.ref('Vpc'),
        vpcEndpointType: 'Interface',
        serviceName: Fn.sub(`com.amazonaws.\${AWS::Region}.${service}`),
        subnetIds: inAll('PrivateSubnet'),
        securityGroupIds: [Fn.ref('EndpointSecurityGroup')],
        privateDnsEnabled: true,
      }),
    );
  }
}

function addOutputs({ stack, hasThird, hasNat }: Network): void {
  const joined = (id: string): string =>
    choose(
      hasThird,
      Fn.join(',', [Fn.ref(`${id}1`), Fn.ref(`${id}2`), Fn.ref(`${id}3`)]),
      Fn.join(',', [Fn.ref(`${id}1`), Fn.ref(`${id}2`)]),
    );
  output(stack, 'VpcId', 'VpcId of the other templates', Fn.ref('Vpc'));
  output(stack, 'SubnetIds', 'SubnetIds of the other templates', joined('PrivateSubnet'));
  output(stack, 'PublicSubnetIds', 'LoadBalancerSubnetIds of service', joined('PublicSubnet'), {
    when: hasNat,
  });
}
