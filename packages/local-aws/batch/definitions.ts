/** Job definitions: every registration makes a new revision, even of equal content, as on AWS. */

export interface Definition {
  name: string;
  /** From 1, never used twice under a name. */
  revision: number;
  arn: string;
  status: 'ACTIVE' | 'INACTIVE';
  /** SubmitJob does not know the definition before this moment. */
  knownAtMs: number;
  /** The RegisterJobDefinition request as it came. */
  request: Record<string, unknown>;
  tags: Record<string, string>;
}

export interface Definitions {
  /** Adds it, or replaces the one with the same ARN. */
  put(definition: Definition): void;
  nextRevision(name: string): number;
  /**
   * By ARN, `name:revision`, or a bare name for its newest active revision; INACTIVE ones are found
   * by the first two.
   */
  find(reference: string): Definition | undefined;
  byArn(arn: string): Definition | undefined;
  /** Newest registration last. */
  all(): Definition[];
  named(name: string): readonly Definition[];
}

const ARN_PATTERN = /:job-definition\/(.+)$/;

export function createDefinitions(): Definitions {
  const byName = new Map<string, Definition[]>();
  const byArn = new Map<string, Definition>();

  return {
    put(definition) {
      const revisions = byName.get(definition.name) ?? [];
      const at = revisions.findIndex(({ revision }) => revision === definition.revision);
      if (at < 0) revisions.push(definition);
      else revisions[at] = definition;
      byName.set(definition.name, revisions);
      byArn.set(definition.arn, definition);
    },
    nextRevision: (name) => (byName.get(name)?.at(-1)?.revision ?? 0) + 1,
    find(reference) {
      const [name, revision] = (ARN_PATTERN.exec(reference)?.[1] ?? reference).split(':');
      const revisions = byName.get(name ?? '') ?? [];
      if (revision === undefined) return revisions.findLast(({ status }) => status === 'ACTIVE');
      return revisions.find((definition) => definition.revision === Number(revision));
    },
    byArn: (arn) => byArn.get(arn),
    all: () => [...byArn.values()],
    named: (name) => byName.get(name) ?? [],
  };
}
