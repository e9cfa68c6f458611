import { TerminalFailure } from '#domain/failures.ts';
import { messageIdOf } from '#domain/identity.ts';
import { type CommandType, type DataOf, envelopeOf } from '#domain/messages.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import { COMMANDS_TOPIC, consumerOf } from '#domain/topology.ts';

/**
 * What operators and other teams ask of a measurement: a command to the saga, which decides. Nothing is changed
 * here, so the answer is "accepted", never "done".
 */

export interface SteeringPorts {
  readonly metadata: MetadataStore;
  readonly messages: MessageSender;
  readonly clock: Clock;
}

export type SteeringCommand = Extract<
  CommandType,
  | 'landfall.measurement.cancel.v1'
  | 'landfall.measurement.rerun.v1'
  | 'landfall.measurement.rehydrate.v1'
  | 'landfall.data-stream.create.v1'
  | 'landfall.data-stream.report-state.v1'
>;

/**
 * @param requestId tells one wish from another: the same wish sent again is the same message.
 * @throws {TerminalFailure} `not-found` when there is no such measurement.
 */
export async function steerMeasurement<T extends SteeringCommand>(
  ports: SteeringPorts,
  type: T,
  data: DataOf<T>,
  requestId: string,
): Promise<void> {
  const { measurementId } = data as { measurementId: string };
  const measurement = await ports.metadata.measurement(measurementId);
  if (measurement === undefined) {
    throw new TerminalFailure(
      'not-found',
      `There is no measurement ${measurementId}. \`landfall status\` lists them.`,
    );
  }
  const id = messageIdOf(type, measurementId, requestId);
  const envelope = envelopeOf(type, data, {
    id,
    source: 'landfall/metadata-api',
    time: ports.clock.now(),
    fleet: String(measurement['fleet']),
    region: String(measurement['region']),
    sequence: 0,
  });
  await ports.messages.send([
    {
      destination: { kind: 'topic', name: COMMANDS_TOPIC },
      envelope,
      messageId: id,
      consumer: consumerOf(type),
    },
  ]);
}
