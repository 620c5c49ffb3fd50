import { HOUR_MS, SECOND_MS, text, whole, type Section } from './setting.ts';

export const scaling = {
  heading: 'Counts of the fleet and scaling signal',
  settings: {
    fleetCountMs: whole({
      variable: 'BATCHWELL_FLEET_COUNT_MS',
      fallback: 15 * SECOND_MS,
      unit: 'ms',
      range: [500, HOUR_MS],
      effect:
        'How often one worker of the fleet counts tasks by place and owner for the metrics. A count ' +
        'that takes long is made less often, so that it costs MySQL at most a fiftieth of its time.',
    }),
    scalingSignalSeconds: whole({
      variable: 'BATCHWELL_SCALING_SIGNAL_SECONDS',
      fallback: 0,
      unit: 's',
      range: [0, 3600],
      effect:
        'How often one worker of the fleet writes the scaling signal to its standard output, in ' +
        'the embedded metric format of CloudWatch. See docs/scaling.md. 0 for never.',
    }),
    scalingNamespace: namespace({
      variable: 'BATCHWELL_SCALING_NAMESPACE',
      fallback: 'Batchwell',
      effect:
        'CloudWatch namespace of the scaling signal. Fleets that share an account and a region ' +
        'need different ones.',
    }),
  },
} satisfies Section;

function namespace(declared: Parameters<typeof text>[0]): ReturnType<typeof text> {
  return {
    ...text(declared),
    parse(given) {
      if (!/^(?!AWS\/|:)[\w.\-/#: ]{1,255}$/.test(given))
        throw new Error(
          'expected 1 to 255 letters, digits, spaces or any of . - _ / # :, not beginning with AWS/',
        );
      return given;
    },
  };
}
