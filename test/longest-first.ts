/** The order of test files: those that run whole fleets first, so that none of them is left for the end. */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const FOLDERS = ['test/crash/', 'test/flow/', 'packages/', 'test/contract/', 'test/'];

const rankOf = ({ moduleId, project }: TestSpecification): number =>
  FOLDERS.findIndex((folder) => relative(project.config.root, moduleId).startsWith(folder));

/** Within a folder, vitest's own order: what took longest in the last run, or the largest files. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- vitest's own order, not an array's
    return (await super.sort(files)).toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}
