import type { WrittenGroup } from './written-recording.ts';

/** CAN frames to be written; the same columns that `canFramesOf` gives back. */
export interface WrittenFrames {
  readonly count: number;
  /** UTC nanoseconds since 1970, in order. */
  readonly timestampsNs: BigInt64Array;
  readonly ids: Uint32Array;
  /** 1 = 29-bit id. */
  readonly extended: Uint8Array;
  readonly bus: Uint8Array;
  /** `count + 1` long. */
  readonly payloadOffsets: Uint32Array;
  readonly payload: Uint8Array;
}

const LENGTH_CODES = new Map([12, 16, 20, 24, 32, 48, 64].map((bytes, index) => [bytes, index + 9]));

/** A `CAN_DataFrame` group (ASAM MDF Bus Logging 1.0) of frames received on one bus. */
export function canFrameGroup(name: string, frames: WrittenFrames): WrittenGroup {
  const { count, payloadOffsets, payload } = frames;
  const lengths = Uint8Array.from({ length: count }, (_, i) => payloadOffsets[i + 1]! - payloadOffsets[i]!);
  const channel = (member: string, values: Uint8Array | Uint32Array) => ({
    name: `CAN_DataFrame.${member}`,
    values,
  });
  return {
    name,
    timestampsNs: frames.timestampsNs.subarray(0, count),
    bus: { name, structure: 'CAN_DataFrame' },
    channels: [
      channel('BusChannel', frames.bus.subarray(0, count)),
      channel('ID', frames.ids.slice(0, count)),
      channel('IDE', frames.extended.subarray(0, count)),
      channel(
        'DLC',
        lengths.map((bytes) => LENGTH_CODES.get(bytes) ?? bytes),
      ),
      channel('DataLength', lengths),
      {
        name: 'CAN_DataFrame.DataBytes',
        kind: 'bytes',
        values: { kind: 'variable', offsets: payloadOffsets.subarray(0, count + 1), bytes: payload },
      },
      channel('Dir', new Uint8Array(count)),
    ],
  };
}
