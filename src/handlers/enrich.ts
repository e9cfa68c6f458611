import type { BatchStage } from './batch-stage.ts';
import { type DerivedStagePorts, derivedStage, endFields, tableOfRole } from './derived-stage.ts';
import { stageEvent } from './stage-messages.ts';

/** Adds what is known from elsewhere to each row of the synchronized table. */
export function enrichStage(ports: DerivedStagePorts): BatchStage<'landfall.measurement.enrich.v1'> {
  return derivedStage(
    {
      stage: 'enrich',
      command: 'landfall.measurement.enrich.v1',
      image: 'landfall/enrich',
      async prepare(_command, input) {
        const synchronized = tableOfRole(input, 'synchronized');
        if (synchronized !== undefined) return { own: { synchronized } };
        const message =
          'there is no synchronized table, because sync was skipped: there are no rows to enrich';
        return { skip: { code: 'quality-insufficient', message } };
      },
      async end(_command, end) {
        return [stageEvent('landfall.data-stream.enriched.v1', endFields(end))];
      },
    },
    ports,
  );
}
