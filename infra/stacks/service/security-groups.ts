/** Who may reach whom: callers the load balancer, it the API, the service its database and cache. */
import { Fn } from 'aws-cdk-lib';
import { CfnSecurityGroup, CfnSecurityGroupIngress } from 'aws-cdk-lib/aws-ec2';
import { choose, keep, only } from '../template.ts';
import { API_PORT, MYSQL_PORT, REDIS_PORT, type ServiceParts } from './parts.ts';

export function addSecurityGroups({ stack, parameters: p, conditions }: ServiceParts): void {
  const group = (id: string, groupDescription: string): CfnSecurityGroup =>
    new CfnSecurityGroup(stack, id, { groupDescription, vpcId: p.VpcId.valueAsString });
  const between = (id: string, to: string, from: string, port: number): CfnSecurityGroupIngress =>
    new CfnSecurityGroupIngress(stack, id, {
      groupId: Fn.getAtt(to, 'GroupId').toString(),
      sourceSecurityGroupId: Fn.getAtt(from, 'GroupId').toString(),
      ipProtocol: 'tcp',
      fromPort: port,
      toPort: port,
    });

  const listener = choose(conditions.hasCertificate, 443, 80);
  group('LoadBalancerGroup', 'Callers to the API').securityGroupIngress = [
    {
      ipProtocol: 'tcp',
      fromPort: listener,
      toPort: listener,
      cidrIp: p.CallerCidr.valueAsString,
      description: 'CallerCidr',
    },
  ];
  group('ServiceGroup', 'API and workers');
  between('ApiIngress', 'ServiceGroup', 'LoadBalancerGroup', API_PORT);
  keep(only(conditions.createsDatabase, group('DatabaseGroup', 'Service to the database')));
  only(
    conditions.createsDatabase,
    between('DatabaseIngress', 'DatabaseGroup', 'ServiceGroup', MYSQL_PORT),
  );
  only(conditions.createsRedis, group('RedisGroupOfService', 'Service to Valkey'));
  only(
    conditions.createsRedis,
    between('RedisIngress', 'RedisGroupOfService', 'ServiceGroup', REDIS_PORT),
  );
}
