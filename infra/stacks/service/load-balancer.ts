/** The load balancer. It asks /healthz: with /readyz, a failover of MySQL would replace every task. */
import { Fn } from 'aws-cdk-lib';
import {
  CfnListener,
  CfnLoadBalancer,
  CfnTargetGroup,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { choose } from '../template.ts';
import { API_PORT, type ServiceParts } from './parts.ts';

export function addLoadBalancer({ stack, parameters: p, conditions }: ServiceParts): void {
  new CfnLoadBalancer(stack, 'LoadBalancer', {
    type: 'application',
    scheme: choose(conditions.isPublic, 'internet-facing', 'internal'),
    subnets: choose(
      conditions.hasLoadBalancerSubnets,
      p.LoadBalancerSubnetIds.valueAsList,
      p.SubnetIds.valueAsList,
    ),
    securityGroups: [Fn.getAtt('LoadBalancerGroup', 'GroupId').toString()],
    loadBalancerAttributes: [
      { key: 'routing.http.drop_invalid_header_fields.enabled', value: 'true' },
      // Followed logs and event streams write at least every half minute.
      { key: 'idle_timeout.timeout_seconds', value: '120' },
    ],
  });
  new CfnTargetGroup(stack, 'TargetGroup', {
    vpcId: p.VpcId.valueAsString,
    targetType: 'ip',
    protocol: 'HTTP',
    port: API_PORT,
    healthCheckPath: '/healthz',
    healthCheckIntervalSeconds: 15,
    healthyThresholdCount: 2,
    unhealthyThresholdCount: 4,
    targetGroupAttributes: [{ key: 'deregistration_delay.timeout_seconds', value: '60' }],
  });
  new CfnListener(stack, 'Listener', {
    loadBalancerArn: Fn.ref('LoadBalancer'),
    port: choose(conditions.hasCertificate, 443, 80),
    protocol: choose(conditions.hasCertificate, 'HTTPS', 'HTTP'),
    sslPolicy: choose(conditions.hasCertificate, 'ELBSecurityPolicy-TLS13-1-2-2021-06'),
    certificates: choose(conditions.hasCertificate, [
      { certificateArn: p.CertificateArn.valueAsString },
    ]),
    defaultActions: [{ type: 'forward', targetGroupArn: Fn.ref('TargetGroup') }],
  });
}
