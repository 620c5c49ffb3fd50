import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inParts } from '../../db/statement-size.ts';
import { fingerprintComponents, fingerprintOf } from '../../core/cache/fingerprint.ts';
import { parseId, publicId } from '../../core/ids.ts';
import { decidePack } from '../../core/submission/packing.ts';
import type { TaskSpec } from '../../core/task/task.ts';
import { fillTemplate, hoistConstants, splitTask } from '../../core/task/template.ts';

// Unpaired surrogates are not text: UTF-8 cannot hold them, so no caller can send one.
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ minLength: 1020, maxLength: 1030 }),
  fc.constantFrom('', '{"slot":0}', '__proto__'),
);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const type = fc.constantFrom('FILE' as const, 'DIRECTORY' as const);
const path = fc.stringMatching(/^\/[a-z]{1,5}$/);
const variables = fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/), text, {
  maxKeys: 5,
  noNullPrototype: true,
});

/** Without the members that are undefined, as JSON would have it. */
const compact = <T extends object>(arbitrary: fc.Arbitrary<T>) =>
  arbitrary.map((value) =>
    Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)),
  );

const taskSpec = fc.record({
  inputs: fc.array(
    compact(
      fc.record({
        name: optional(text),
        description: optional(text),
        url: optional(text),
        path,
        type,
        content: optional(text),
      }),
    ),
    { maxLength: 3 },
  ),
  outputs: fc.array(
    compact(
      fc.record({
        name: optional(text),
        description: optional(text),
        url: text,
        path,
        path_prefix: optional(text),
        type,
      }),
    ),
    { maxLength: 3 },
  ),
  executors: fc.array(
    compact(
      fc.record({
        image: text,
        command: fc.array(text, { maxLength: 4 }),
        workdir: optional(text),
        stdin: optional(text),
        stdout: optional(text),
        stderr: optional(text),
        env: optional(variables),
        ignore_error: optional(fc.boolean()),
      }),
    ),
    { minLength: 1, maxLength: 3 },
  ),
  resources: fc.constant({ cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false }),
  volumes: fc.array(text, { maxLength: 3 }),
}) as unknown as fc.Arbitrary<TaskSpec>;

const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe('a template and values', () => {
  test('a template filled with its values is the task again, also after both were stored', () => {
    fc.assert(
      fc.property(taskSpec, (spec) => {
        const { template, values } = throughJson(splitTask(spec));
        expect(fillTemplate(template, values)).toEqual(spec);
      }),
    );
  });

  test('a template that took over what is equal in all rows still gives each row’s task', () => {
    const rows = fc.tuple(taskSpec, fc.integer({ min: 1, max: 5 })).chain(([spec, count]) =>
      fc.tuple(
        fc.constant(spec),
        fc.array(fc.array(fc.constantFrom('a', 'b'), { minLength: 60, maxLength: 60 }), {
          minLength: count,
          maxLength: count,
        }),
      ),
    );
    fc.assert(
      fc.property(rows, ([spec, choices]) => {
        const { template, values } = splitTask(spec);
        const given = choices.map((choice) =>
          values.map((value, slot) => (choice[slot] === 'b' ? `${value}!` : value)),
        );
        const hoisted = throughJson(hoistConstants(template, given));
        expect(hoisted.rows.map((row) => fillTemplate(hoisted.template, row))).toEqual(
          given.map((row) => fillTemplate(template, row)),
        );
        const constant = [...(hoisted.rows[0]?.keys() ?? [])].filter((slot) =>
          hoisted.rows.every((row) => row[slot] === hoisted.rows[0]?.[slot]),
        );
        expect(given.length > 1 ? constant : []).toEqual([]);
      }),
    );
  });

  test('a template with a missing value is an error that names the slot', () => {
    const { template, values } = splitTask({
      inputs: [],
      outputs: [],
      executors: [{ image: 'a', command: ['x', 'y'] }],
      resources: { cpu_cores: 1, ram_gb: 1, disk_gb: 1, preemptible: false },
      volumes: [],
    });
    expect(() => fillTemplate(template, values.slice(1))).toThrow(
      'Template slot 1 has no value; the task has 1 values.',
    );
  });
});

const of = (spec: TaskSpec): string =>
  fingerprintOf(
    fingerprintComponents(spec, {
      identities: spec.inputs.map(({ path }) => `held at ${path}`),
    }),
  ).toString('hex');
const reversed = (env: Record<string, string> | undefined) =>
  env && Object.fromEntries(Object.entries(env).toReversed());

describe('a fingerprint', () => {
  test('a fingerprint ignores what only the caller chooses, and every order without a meaning', () => {
    fc.assert(
      fc.property(taskSpec, text, (spec, other) => {
        const changed: TaskSpec = {
          ...spec,
          inputs: spec.inputs.map((one) => ({
            ...one,
            name: other,
            description: other,
            url: other,
          })),
          outputs: spec.outputs.map((one) => ({
            ...one,
            name: other,
            description: other,
            url: other,
          })),
          executors: spec.executors.map(({ env, ...one }) => ({
            ...one,
            ...(env && { env: reversed(env) ?? {} }),
          })),
          resources: { cpu_cores: 64, ram_gb: 512, disk_gb: 1, preemptible: true, queue: other },
          volumes: spec.volumes.toReversed(),
        };
        expect(of(changed)).toBe(of(spec));
      }),
    );
  });

  test('a fingerprint changes with any argument and any variable', () => {
    fc.assert(
      fc.property(taskSpec, text, (spec, more) => {
        const [first, ...rest] = spec.executors;
        if (!first) return;
        expect(
          of({ ...spec, executors: [{ ...first, command: [...first.command, more] }, ...rest] }),
        ).not.toBe(of(spec));
        expect(
          of({
            ...spec,
            executors: [{ ...first, env: { ...first.env, NEVER_MADE_HERE: more } }, ...rest],
          }),
        ).not.toBe(of(spec));
      }),
    );
  });
});

test('an id names its row, its moment and its kind', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.integer({ min: 0, max: 4e12 }),
      fc.constantFrom('task' as const, 'scatter' as const),
      (id, createdMs, kind) => {
        const shown = publicId(kind, { id, createdMs });
        expect(parseId(kind, shown)).toEqual({ key: id });
        expect(parseId(kind === 'task' ? 'scatter' : 'task', shown)).toBeUndefined();
      },
    ),
  );
});

test('no attempt waits longer than the longest time to be packed, and a full array does not wait at all', () => {
  const policies = fc.record({
    arraySize: fc.integer({ min: 1, max: 10_000 }),
    idleMs: fc.integer({ min: 0, max: 60_000 }),
    longestMs: fc.integer({ min: 0, max: 600_000 }),
  });
  fc.assert(
    fc.property(
      policies,
      fc.integer({ min: 1, max: 20_000 }),
      fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 50 }),
      (policy, count, gaps) => {
        const oldestMs = 1_000_000;
        let nowMs = oldestMs;
        for (const gapMs of gaps) {
          nowMs += gapMs;
          const decision = decidePack({ count, oldestMs, newestMs: nowMs }, policy, nowMs);
          if (decision.do === 'pack') return;
          expect(count).toBeLessThan(policy.arraySize);
          if (decision.do !== 'wait')
            throw new Error('Something is ready, yet nothing is to be done.');
          expect(decision.waitMs).toBeGreaterThan(0);
          expect(nowMs + decision.waitMs).toBeLessThanOrEqual(oldestMs + policy.longestMs);
        }
      },
    ),
  );
});

test('statements hold every row once, in order, and have a bounded size', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.integer(),
          fc.string({ maxLength: 5 }).map((one) => one.repeat(200_000)),
        ),
        { maxLength: 40 },
      ),
      (rows) => {
        const parts = inParts<number | string>(rows);
        expect(parts.flat()).toEqual(rows);
        for (const part of parts)
          expect(
            part.length === 1 ||
              part.reduce((sum, [, content]) => sum + String(content).length, 0) <= 2_000_000,
          ).toBe(true);
      },
    ),
    { numRuns: 30 },
  );
});
