import { referenceOf } from '#domain/result-manifest.ts';
import { selectSignals } from '#domain/stages/sync.ts';
import type { BatchStage } from './batch-stage.ts';
import { type DerivedStagePorts, derivedStage, endFields } from './derived-stage.ts';
import { stageEvent } from './stage-messages.ts';

export interface SyncPorts extends DerivedStagePorts {
  /** Milliseconds between the rows of the timeline. */
  readonly periodMs: number;
  /** A sample further away than this is stale. */
  readonly toleranceMs: number;
}

/** Puts the signals of the extracted tables on one timeline. */
export function syncStage(ports: SyncPorts): BatchStage<'landfall.measurement.sync.v1'> {
  return derivedStage(
    {
      stage: 'sync',
      command: 'landfall.measurement.sync.v1',
      image: 'landfall/sync',
      async prepare(_command, extracted) {
        const tables = selectSignals(extracted);
        if (tables.length === 0) {
          const message =
            'the extracted data holds no GNSS, IMU, decoded CAN or vehicle motion, so there is nothing to put on a timeline';
          return { skip: { code: 'quality-insufficient', message } };
        }
        return {
          own: {
            periodNs: ports.periodMs * 1e6,
            toleranceNs: ports.toleranceMs * 1e6,
            tables: tables.map(({ parts, signals }) => ({
              parts: parts.map(referenceOf),
              source: parts[0]?.table?.name ?? '',
              signals,
            })),
          },
        };
      },
      async end(_command, end) {
        return [stageEvent('landfall.data-stream.synchronized.v1', endFields(end))];
      },
    },
    ports,
  );
}
