import { TerminalFailure } from '#domain/failures.ts';
import { dataStreamIdOf } from '#domain/identity.ts';
import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import { STAGE_GRAPH } from '#domain/stage-graph.ts';
import type { BlobLocation, DataStreamKind } from '#domain/vocabulary.ts';
import { type PlacingPorts, placeDataStream } from '../placing.ts';
import { type SteeringPorts, steerMeasurement } from './steer-measurement.ts';

export interface AnnouncePorts extends SteeringPorts, PlacingPorts {
  readonly metadata: MetadataStore;
}

/**
 * A team announces a data stream of its own: it gets an id and places, computed, so that asking twice gives the same
 * answer. The saga records it.
 * @throws {TerminalFailure} `not-found` when there is no such measurement, `not-allowed` for a kind no stage makes.
 */
export async function announceDataStream(
  ports: AnnouncePorts,
  measurementId: string,
  request: { readonly kind: DataStreamKind; readonly name: string; readonly parents: readonly string[] },
  requestId: string,
): Promise<{ readonly dataStreamId: string; readonly locations: readonly BlobLocation[] }> {
  const measurement = await ports.metadata.measurement(measurementId);
  if (measurement === undefined) {
    throw new TerminalFailure(
      'not-found',
      `There is no measurement ${measurementId}. \`landfall status\` lists them.`,
    );
  }
  const output = STAGE_GRAPH.find((stage) => stage.output?.kind === request.kind)?.output;
  if (output === undefined)
    throw new TerminalFailure('not-allowed', `No stage makes data streams of kind ${request.kind}.`);
  const generation = Number(measurement['generation']);
  const dataStreamId = dataStreamIdOf(measurementId, generation, request.name);
  const startTime = measurement['startTime'];
  const placed = await placeDataStream(
    ports,
    {
      measurementId,
      recording: {
        region: String(measurement['region']),
        vehicle: { vin: String(measurement['vin'] ?? 'UNKNOWN') },
        ...(typeof startTime === 'string' ? { startTime } : {}),
      },
      commandTime: String(measurement['createdAt'] ?? ports.clock.now().toISOString()),
    },
    {
      dataStreamId,
      kind: request.kind,
      zone: output.zone,
      containers: ['structured'],
      parents: request.parents,
    },
  );
  await steerMeasurement(
    ports,
    'landfall.data-stream.create.v1',
    { measurementId, generation, dataStream: { ...placed, fileCount: 0, sizeBytes: 0, rowCount: 0 } },
    requestId,
  );
  return { dataStreamId, locations: placed.locations };
}
