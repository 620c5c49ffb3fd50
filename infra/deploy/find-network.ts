/** VPC and subnets: given, found, or created by the template network. */
import {
  DescribeRouteTablesCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  type Route,
  type RouteTable,
  type Subnet,
} from '@aws-sdk/client-ec2';
import { stackNames, type Deployment } from './deployment.ts';
import { Refusal } from './errors.ts';
import { readStack } from './follow.ts';
import type { ParameterValues } from './parameters.ts';
import { deployStack } from './stack.ts';

export interface Network {
  vpcId: string;
  subnetIds: string[];
  /** Only from our own template. */
  publicSubnetIds: string[];
  /** Block of the VPC: those in it may call the API by default. */
  cidr: string;
}

export interface NetworkWish {
  vpc: string | undefined;
  subnets: readonly string[];
  parameters: ParameterValues;
  replaceData: boolean;
}

/** In this order: what is given, what the core stack uses, the network stack, which is created if need be. */
export async function findNetwork(deployment: Deployment, wish: NetworkWish): Promise<Network> {
  const names = stackNames(deployment.name);
  if (wish.vpc !== undefined) return await inVpc(deployment, wish.vpc, wish.subnets);
  if (wish.subnets.length > 0) return await ofSubnets(deployment, wish.subnets);
  const own = await readStack(deployment, names.network);
  const core = await readStack(deployment, names.core);
  const used = core?.parameters;
  // Also where there is a network of ours: a fleet is not moved because an option is missing.
  if (used?.['VpcId'] && used['VpcId'] !== own?.outputs['VpcId'])
    return await inVpc(deployment, used['VpcId'], wordsOf(used['SubnetIds']));
  if (own === undefined)
    deployment.say(
      'No VPC was given and no stack has one: one is created. Give --vpc to use yours.',
    );
  const { outputs, parameters } = await deployStack(deployment, {
    stack: names.network,
    template: 'network',
    parameters: wish.parameters,
    replaceData: wish.replaceData,
  });
  return {
    vpcId: outputs['VpcId'] ?? '',
    subnetIds: wordsOf(outputs['SubnetIds']),
    publicSubnetIds: wordsOf(outputs['PublicSubnetIds']),
    cidr: parameters['Cidr'] ?? '',
  };
}

const wordsOf = (list: string | undefined): string[] => (list ?? '').split(',').filter(Boolean);

/** @throws Refusal */
async function readCidr({ clients }: Deployment, vpcId: string): Promise<string> {
  const { Vpcs: [vpc] = [] } = await clients.ec2
    .send(new DescribeVpcsCommand({ Filters: [{ Name: 'vpc-id', Values: [vpcId] }] }))
    .catch(refuseAs(`--vpc ${vpcId}`));
  if (vpc === undefined) throw new Refusal(`--vpc ${vpcId}: there is no such VPC in this Region.`);
  return vpc.CidrBlock ?? '10.0.0.0/8';
}

const refuseAs =
  (option: string) =>
  (error: unknown): never => {
    throw new Refusal(`${option}: ${error instanceof Error ? error.message : String(error)}`);
  };

async function ofSubnets(deployment: Deployment, ids: readonly string[]): Promise<Network> {
  const { Subnets: [first] = [] } = await deployment.clients.ec2
    .send(new DescribeSubnetsCommand({ SubnetIds: [...ids] }))
    .catch(refuseAs(`--subnets ${ids.join(',')}`));
  return await inVpc(deployment, first?.VpcId ?? '', ids);
}

async function inVpc(
  deployment: Deployment,
  vpcId: string,
  given: readonly string[],
): Promise<Network> {
  const cidr = await readCidr(deployment, vpcId);
  const inIt = { Filters: [{ Name: 'vpc-id', Values: [vpcId] }] };
  const { ec2 } = deployment.clients;
  const { Subnets: subnets = [] } = await ec2.send(new DescribeSubnetsCommand(inIt));
  const { RouteTables: tables = [] } = await ec2.send(new DescribeRouteTablesCommand(inIt));
  const chosen =
    given.length > 0 ? checkGiven(vpcId, given, subnets, tables) : choose(vpcId, subnets, tables);
  const zones = new Set(chosen.map(({ AvailabilityZone: zone }) => zone));
  if (zones.size < 2)
    throw new Refusal(
      `--subnets: ${chosen.map(idOf).join(', ')} are all in ${[...zones].join('')}. The database and the load balancer need two zones.`,
    );
  return { vpcId, subnetIds: chosen.map(idOf), publicSubnetIds: [], cidr };
}

const idOf = ({ SubnetId: id = '' }: Subnet): string => id;

/** The ways out of a subnet, by its route table, or by the main one of the VPC. */
export type Way = 'public' | 'private' | 'endpoints' | 'none';

export function wayOut(subnet: Subnet, tables: readonly RouteTable[]): Way {
  const table =
    tables.find(({ Associations: list = [] }) =>
      list.some(({ SubnetId: id }) => id === subnet.SubnetId),
    ) ?? tables.find(({ Associations: list = [] }) => list.some(({ Main: isMain }) => isMain));
  const routes = (table?.Routes ?? []).filter(({ State: state }) => state !== 'blackhole');
  const out = routes.find(({ DestinationCidrBlock: to }) => to === '0.0.0.0/0');
  if (out?.GatewayId?.startsWith('igw-')) return 'public';
  if (out !== undefined) return 'private';
  return routes.some(isEndpoint) ? 'endpoints' : 'none';
}

const isEndpoint = ({ GatewayId: id, DestinationPrefixListId: list }: Route): boolean =>
  list !== undefined && (id?.startsWith('vpce-') ?? false);

const SAYS: Readonly<Record<Way, string>> = {
  public: 'a route to an internet gateway, but hosts get no public address',
  private: 'private',
  endpoints: 'only a route to S3',
  none: 'no route to S3 and ECS',
};

/** Subnets that a person names may rely on interface endpoints, but never on nothing. */
function checkGiven(
  vpcId: string,
  given: readonly string[],
  subnets: readonly Subnet[],
  tables: readonly RouteTable[],
): Subnet[] {
  const chosen: Subnet[] = [];
  const wrong: string[] = [];
  for (const id of given) {
    const subnet = subnets.find(({ SubnetId: one }) => one === id);
    if (subnet === undefined) {
      wrong.push(`${id} is not in ${vpcId}`);
      continue;
    }
    const way = wayOut(subnet, tables);
    if (way === 'public' || way === 'none') wrong.push(`${id} has ${SAYS[way]}`);
    chosen.push(subnet);
  }
  if (wrong.length > 0)
    throw new Refusal(
      `--subnets: ${wrong.join('; ')}. Name private subnets that reach S3, ECS, ECR, and CloudWatch Logs through NAT or endpoints.`,
    );
  return chosen;
}

function choose(
  vpcId: string,
  subnets: readonly Subnet[],
  tables: readonly RouteTable[],
): Subnet[] {
  const ways = subnets.map((subnet) => ({ subnet, way: wayOut(subnet, tables) }));
  const good = ways.filter(({ way }) => way === 'private').map(({ subnet }) => subnet);
  if (good.length > 0) return good;
  const list = ways.map(({ subnet, way }) => `${idOf(subnet)} (${SAYS[way]})`).join(', ');
  throw new Refusal(
    `--vpc ${vpcId}: none of its subnets is private with a route out: ${list || 'it has none'}. Give --subnets, or leave out --vpc to have a network created.`,
  );
}
