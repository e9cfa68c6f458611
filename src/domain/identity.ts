import { sha1 } from './sha1.ts';

/**
 * Identity is computed, never drawn: the same recording, stage and attempt has the same id in every process and
 * every run, so that "do it again" and "do it twice" are the same thing.
 */

/** The namespace of all Landfall ids (RFC 9562, section 5.5); never change it. */
const LANDFALL_NAMESPACE = '6b1f3c52-9f0e-5d7a-8c3e-1d2a4b5c6d7e';

const UTF8 = new TextEncoder();
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const LANDFALL_NAMESPACE_BYTES = bytesOfUuid(LANDFALL_NAMESPACE);

function bytesOfUuid(uuid: string): Uint8Array {
  return Uint8Array.from(uuid.replaceAll('-', '').match(/../g) ?? [], (hex) => Number.parseInt(hex, 16));
}

/** UUIDv5 (RFC 9562, section 5.5) of `name` in `namespace`. */
function uuidV5(namespace: string, name: string): string {
  const namespaceBytes = namespace === LANDFALL_NAMESPACE ? LANDFALL_NAMESPACE_BYTES : bytesOfUuid(namespace);
  const nameBytes = UTF8.encode(name);
  const input = new Uint8Array(namespaceBytes.length + nameBytes.length);
  input.set(namespaceBytes);
  input.set(nameBytes, namespaceBytes.length);
  const bytes = sha1(input).slice(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  let hex = '';
  for (const byte of bytes) hex += HEX[byte];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** An id of the named kind from its parts. Parts are joined as JSON, so `['a', 'bc']` and `['ab', 'c']` differ. */
function idOf(kind: string, ...parts: readonly (string | number)[]): string {
  return uuidV5(LANDFALL_NAMESPACE, JSON.stringify([kind, ...parts]));
}

/** One recording of one vehicle: the same for every upload of it. */
export function measurementIdOf(fleet: string, recordingId: string): string {
  return idOf('measurement', fleet, recordingId);
}

/** One stage's output for one measurement. `name` tells several outputs of one kind apart; usually the kind. */
export function dataStreamIdOf(measurementId: string, generation: number, name: string): string {
  return idOf('data-stream', measurementId, generation, name);
}

/** One attempt of one stage. */
export function stageRunIdOf(
  measurementId: string,
  generation: number,
  stage: string,
  attempt: number,
): string {
  return idOf('stage-run', measurementId, generation, stage, attempt);
}

/**
 * One container run in Batch. At most 64 characters of `[A-Za-z0-9_-]` (Batch, "Add Task", `id`): the stage run's
 * id, then the number of the task in it.
 */
export function taskIdOf(stageRunId: string, taskIndex: number): string {
  return `${stageRunId}-${String(taskIndex).padStart(6, '0')}`;
}

/** The CloudEvents id of a message: the same whenever the same thing is said again. */
export function messageIdOf(type: string, ...parts: readonly (string | number)[]): string {
  return idOf('message', type, ...parts);
}

/** The message that a deadline has passed: the same from the schedule and from the sweep. */
export function expiryIdOf(
  measurementId: string,
  generation: number,
  stage: string,
  attempt: number,
): string {
  return messageIdOf('landfall.stage.expire.v1', measurementId, generation, stage, attempt);
}

/** One dead letter: the same however often it is drained. */
export function failedMessageIdOf(queue: string, messageId: string): string {
  return idOf('failed-message', queue, messageId);
}

/** One scene: the same when the same rule finds the same interval in the same data stream again. */
export function sceneIdOf(dataStreamId: string, sceneType: string, startTimeNs: bigint): string {
  return idOf('scene', dataStreamId, sceneType, String(startTimeNs));
}

/** One offer of one package to one partner. */
export function shareIdOf(dataStreamId: string, partner: string, offerNumber: number): string {
  return idOf('share', dataStreamId, partner, offerNumber);
}

/** One table of a fleet, over all of its measurements. */
export function fleetTableIdOf(account: string, fleet: string, table: string): string {
  return idOf('fleet-table', account, fleet, table);
}

/** A short stable number in 0 … `count - 1` for spreading things over shards and accounts. */
export function shardOf(id: string, count: number): number {
  const bytes = sha1(new TextEncoder().encode(id));
  return new DataView(bytes.buffer).getUint32(0) % count;
}
