/** What the files of the template pipeline share. */
import type { CfnCondition, Stack } from 'aws-cdk-lib';
import type { pipelineParameters } from '../../parameters/pipeline.ts';
import type { Declared } from '../template.ts';

export interface PipelineParts {
  stack: Stack;
  parameters: Declared<typeof pipelineParameters>;
  conditions: Record<
    | 'hasS3Source'
    | 'createsSourceBucket'
    | 'hasConnection'
    | 'hasCodeCommit'
    | 'hasKey'
    | 'hasApproval'
    | 'hasEmail'
    | 'buildsImage'
    | 'buildsArmImage'
    | 'hasRegistry',
    CfnCondition
  >;
}
