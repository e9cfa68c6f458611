import { dataStreamIdOf, measurementIdOf, messageIdOf, shareIdOf } from '#domain/identity.ts';
import { type DataOf, type Envelope, envelopeOf, type MessageType, sequenceOf } from '#domain/messages.ts';
import { definitionOf, STAGE_GRAPH } from '#domain/stage-graph.ts';
import type { BlobReference, DataStreamResult, Reason, Recording, Stage } from '#domain/vocabulary.ts';

/** Messages as Landing and the stages send them: small, valid, and the same whenever the same thing is said. */

const SHA256_A = 'a'.repeat(64);

export function recordingOf(
  recordingId = 'drive-001',
  options: { readonly manifestSha256?: string; readonly fleet?: string } = {},
): Recording {
  return {
    fleet: options.fleet ?? 'north',
    recordingId,
    region: 'westeurope',
    vehicle: { vin: 'WVWZZZ1JZXW000001' },
    folder: { account: 'landing1', container: 'recordings', path: `${recordingId}/` },
    manifest: {
      account: 'landing1',
      container: 'recordings',
      path: `${recordingId}/manifest.json`,
      sha256: options.manifestSha256 ?? SHA256_A,
      sizeBytes: 500,
    },
    fileCount: 2,
    sizeBytes: 3_000_000,
  };
}

export function measurementIdOfRecording(recording: Recording): string {
  return measurementIdOf(recording.fleet, recording.recordingId);
}

/** A message from somebody else than the saga. Its id is computed from `identity`. */
export function messageOf<T extends MessageType>(
  type: T,
  data: DataOf<T>,
  options: {
    readonly identity: readonly (string | number)[];
    readonly time: Date;
    readonly sequence?: number;
  },
): Envelope<T> {
  return envelopeOf(type, data, {
    id: messageIdOf(type, ...options.identity),
    source: 'landfall/test',
    time: options.time,
    fleet: 'north',
    region: 'westeurope',
    sequence: options.sequence ?? 0,
  });
}

export function receivedOf(
  recording: Recording,
  filesHash: string,
  time: Date,
  landed?: BlobReference,
): Envelope<'landfall.measurement.received.v1'> {
  const measurementId = measurementIdOfRecording(recording);
  return messageOf(
    'landfall.measurement.received.v1',
    { measurementId, recording, filesHash, ...(landed === undefined ? {} : { landed }) },
    { identity: [measurementId, filesHash], time },
  );
}

export type StageCommand = Envelope & {
  readonly data: { readonly stage: Stage; readonly generation: number; readonly attempt: number };
};

export function isStageCommand(envelope: Envelope): envelope is StageCommand {
  return STAGE_GRAPH.some((definition) => definition.command === envelope.type);
}

function blob(path: string): BlobReference {
  return { account: 'raw1', container: 'structured', path, sha256: SHA256_A, sizeBytes: 10 };
}

function placeOf(command: StageCommand) {
  const { measurementId, generation, stage, attempt } = command.data;
  return { measurementId, generation, stage, attempt };
}

/** An event of the stage that got `command`; `order` is its number among the events of that attempt. */
function answer<T extends MessageType>(
  command: StageCommand,
  type: T,
  data: DataOf<T>,
  time: Date,
  order: number,
): Envelope<T> {
  const { measurementId, generation, stage, attempt } = placeOf(command);
  return messageOf(type, data, {
    identity: [measurementId, generation, stage, attempt],
    time,
    sequence: sequenceOf(command) + order,
  });
}

export function startedOf(command: StageCommand, time: Date): Envelope {
  const output = outputOf(command);
  const data: DataOf<'landfall.stage.started.v1'> = {
    ...placeOf(command),
    taskCount: 2,
    ...(output === undefined
      ? {}
      : {
          dataStream: {
            dataStreamId: output.dataStreamId,
            kind: output.kind,
            zone: output.zone,
            locations: output.locations,
            parents: output.parents,
          },
        }),
  };
  return answer(command, 'landfall.stage.started.v1', data, time, 1) as Envelope;
}

export function failedOf(command: StageCommand, retryable: boolean, time: Date): Envelope {
  const reason: Reason = { code: 'task-failed', message: `${command.data.stage} failed` };
  const data = { ...placeOf(command), reason, retryable };
  return answer(command, 'landfall.stage.failed.v1', data, time, 2) as Envelope;
}

export function rejectedOf(command: StageCommand, time: Date): Envelope {
  const reason: Reason = { code: 'file-checksum-mismatch', message: 'front.mcap has other bytes' };
  return answer(
    command,
    'landfall.measurement.rejected.v1',
    { ...placeOf(command), reason },
    time,
    2,
  ) as Envelope;
}

/** What the stage makes: a data stream of its kind, from its input. */
export function outputOf(command: StageCommand): DataStreamResult | undefined {
  const { measurementId, generation, stage } = command.data;
  const { output } = definitionOf(stage);
  if (output === undefined) return undefined;
  const input = 'input' in command.data ? (command.data.input as DataStreamResult) : undefined;
  return {
    dataStreamId: dataStreamIdOf(measurementId, generation, output.kind),
    kind: output.kind,
    zone: output.zone,
    locations: [{ account: 'raw1', container: 'structured', path: `${stage}/${generation}/` }],
    parents: input === undefined ? [] : [input.dataStreamId],
    fileCount: 2,
    sizeBytes: 100,
    rowCount: 1000,
  };
}

export function succeededOf(
  command: StageCommand,
  time: Date,
  outcome: 'succeeded' | 'partial' | 'skipped' = 'succeeded',
): Envelope {
  const place = placeOf(command);
  const { measurementId, generation, stage } = place;
  const reason = outcome === 'succeeded' ? {} : { reason: { code: 'file-unreadable', message: outcome } };
  const base = { ...place, outcome, ...reason };
  const say = <T extends MessageType>(type: T, data: DataOf<T>) =>
    answer(command, type, data, time, 2) as Envelope;
  const archive = { account: 'archive1', container: 'recordings', path: `${measurementId}/` };
  const rawId = dataStreamIdOf(measurementId, generation, 'raw');
  switch (stage) {
    case 'validate':
      return say('landfall.measurement.validated.v1', {
        ...base,
        ledger: blob('ledger.json'),
        quality: {
          startTime: '2026-05-01T08:00:00Z',
          durationSeconds: 60,
          topicCount: 4,
          messageCount: 1000,
          lostRecordCount: 0,
          warnings: [],
        },
      });
    case 'register':
      return say('landfall.measurement.registered.v1', {
        ...base,
        raw: { dataStreamId: rawId, locations: [{ account: 'raw1', container: 'recordings', path: 'r/' }] },
        archive,
      });
    case 'copy':
      return say('landfall.measurement.copied.v1', { ...base, dataStream: outputOf(command)!, archive });
    case 'extract':
      return say('landfall.extraction.completed.v1', { ...base, dataStream: outputOf(command)! });
    case 'sync':
      return say('landfall.data-stream.synchronized.v1', { ...base, dataStream: outputOf(command)! });
    case 'enrich':
      return say('landfall.data-stream.enriched.v1', { ...base, dataStream: outputOf(command)! });
    case 'scene-detect':
      return say('landfall.scenes.detected.v1', {
        ...base,
        dataStream: outputOf(command)!,
        sceneCount: 0,
        scenes: [],
      });
    case 'share':
      return say('landfall.measurement.shared.v1', {
        ...base,
        dataStream: outputOf(command)!,
        share: {
          shareId: shareIdOf(outputOf(command)!.dataStreamId, 'labels-inc', 1),
          partner: 'labels-inc',
          package: blob('package.tar'),
          offeredAt: time.toISOString(),
          expiresAt: new Date(time.getTime() + 86_400_000).toISOString(),
        },
      });
  }
}
