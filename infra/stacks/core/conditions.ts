/** Conditions of the template core, and the rules that refuse parameters that contradict each other. */
import { Fn, type Stack } from 'aws-cdk-lib';
import type { coreParameters } from '../../parameters/core.ts';
import { condition, is, isEmpty, isSet, not, refuse, type Declared } from '../template.ts';

export type CoreParameters = Declared<typeof coreParameters>;

export interface Core {
  stack: Stack;
  parameters: CoreParameters;
  conditions: ReturnType<typeof addConditions>;
}

export function addConditions(stack: Stack, p: CoreParameters) {
  return {
    createsWorkBucket: condition(stack, 'CreatesWorkBucket', isEmpty(p.WorkBucketName)),
    createsReleaseBucket: condition(stack, 'CreatesReleaseBucket', isEmpty(p.ReleaseBucketName)),
    createsTaskRole: condition(stack, 'CreatesTaskRole', is(p.TaskRoleMode, 'create')),
    createsSecurityGroup: condition(stack, 'CreatesSecurityGroup', isEmpty(p.SecurityGroupId)),
    usesKms: condition(stack, 'UsesKms', is(p.Encryption, 'KMS')),
    hasInputBuckets: condition(stack, 'HasInputBuckets', isSet(p.InputBucketArns)),
    hasOutputBuckets: condition(stack, 'HasOutputBuckets', isSet(p.OutputBucketArns)),
    hasMoreTaskRoles: condition(stack, 'HasMoreTaskRoles', isSet(p.MoreTaskRoleArns)),
    hasMoreLogGroups: condition(stack, 'HasMoreLogGroups', isSet(p.MoreLogGroups)),
    choosesTypes: condition(stack, 'ChoosesTypes', isEmpty(p.InstanceTypes)),
    isArm: condition(stack, 'IsArm', is(p.Architecture, 'arm64')),
    hasImage: condition(stack, 'HasImage', isSet(p.ImageId)),
    hasSpot: condition(
      stack,
      'HasSpot',
      Fn.conditionNot(Fn.conditionEquals(p.SpotMaxVcpus.valueAsString, '0')),
    ),
    isElastic: condition(stack, 'IsElastic', is(p.DiskMode, 'elastic')),
    isFixed: condition(stack, 'IsFixed', is(p.DiskMode, 'fixed')),
    // The default types have NVMe disks.
    hasDataVolume: condition(
      stack,
      'HasDataVolume',
      Fn.conditionOr(
        is(p.DiskMode, 'fixed'),
        Fn.conditionAnd(is(p.DiskMode, 'elastic'), isSet(p.InstanceTypes)),
      ),
    ),
    hasInsights: condition(stack, 'HasInsights', not(is(p.ContainerInsights, 'disabled'))),
  };
}

export function addRules(stack: Stack, p: CoreParameters): void {
  refuse(
    stack,
    'KmsNeedsKey',
    is(p.Encryption, 'KMS'),
    isSet(p.KmsKeyArn),
    'Encryption=KMS needs KmsKeyArn.',
  );
  refuse(
    stack,
    'KeyNeedsKms',
    isSet(p.KmsKeyArn),
    is(p.Encryption, 'KMS'),
    'KmsKeyArn is only used with Encryption=KMS.',
  );
  refuse(
    stack,
    'GivenTaskRoleNeedsArn',
    is(p.TaskRoleMode, 'given'),
    isSet(p.TaskRoleArn),
    'TaskRoleMode=given needs TaskRoleArn.',
  );
  refuse(
    stack,
    'TaskRoleArnNeedsGiven',
    isSet(p.TaskRoleArn),
    is(p.TaskRoleMode, 'given'),
    'TaskRoleArn is only used with TaskRoleMode=given.',
  );
}
