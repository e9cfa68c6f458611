import { TerminalFailure } from '#domain/failures.ts';
import { dataStreamIdOf } from '#domain/identity.ts';
import type { Envelope } from '#domain/messages.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import { RECORDINGS_CONTAINER } from '#domain/vocabulary.ts';
import { type PlacingPorts, placeIn } from './placing.ts';
import { publishStageEvents, stageEvent } from './stage-messages.ts';

export interface RegisterPorts extends PlacingPorts {
  readonly messages: MessageSender;
  readonly clock: Clock;
}

const COMMAND = 'landfall.measurement.register.v1';

/** Gives a valid recording its places: the raw data stream's, and the archive's. */
export function registerHandler(ports: RegisterPorts): (message: Envelope) => Promise<void> {
  return async (message) => {
    if (message.type !== COMMAND)
      throw new TerminalFailure(
        'message-invalid',
        `${message.type} came to register, which takes ${COMMAND}; correct the subscription`,
      );
    const { measurementId, generation, stage, attempt, quality } = message.data;
    // Validation knows better than the manifest when the recording began.
    const startTime = quality.startTime ?? message.data.recording.startTime;
    const recording = { ...message.data.recording, ...(startTime === undefined ? {} : { startTime }) };
    const facts = { measurementId, recording, commandTime: message.time };
    const dataStreamId = dataStreamIdOf(measurementId, generation, 'raw');
    const locations = await placeIn(ports, facts, 'raw', dataStreamId, [RECORDINGS_CONTAINER]);
    const [archive] = await placeIn(ports, facts, 'archive', dataStreamId, [RECORDINGS_CONTAINER]);
    const place = { measurementId, generation, stage, attempt };
    const registered = stageEvent('landfall.measurement.registered.v1', {
      ...place,
      outcome: 'succeeded',
      raw: { dataStreamId, locations },
      archive: archive!,
    });
    await publishStageEvents(ports, message, { ...place, key: stage }, [registered], 2);
  };
}
