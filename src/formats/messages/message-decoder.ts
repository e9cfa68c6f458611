import type { ColumnBatch, ColumnSchema } from '../recording-reader.ts';

/** Message i lies in `bytes` from `starts[i]` up to `ends[i]`; only the first `count` entries are valid. */
export interface MessageSlices {
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly count: number;
}

/** Turns serialized messages of one type into columns. Compiled once per type, used for every batch. */
export interface MessageDecoder {
  readonly columns: readonly ColumnSchema[];
  /** `wanted[i]` is 1 where column i is to be filled; others are walked over. */
  decode(messages: MessageSlices, wanted: Uint8Array): DecodedMessages;
}

export interface DecodedMessages {
  /** The wanted columns, in order; one row per message that is not a misfit. */
  readonly columns: readonly ColumnBatch[];
  /** Indexes of messages, ascending, that do not fit their definition; they have no row. */
  readonly misfits: readonly number[];
}

/** Messages whose definition is missing or cannot be read leave as they came, in one column `message`. */
export function rawMessageDecoder(): MessageDecoder {
  return {
    columns: [{ name: 'message', type: 'bytes', description: 'the message as it was recorded' }],
    decode({ bytes, starts, ends, count }, wanted) {
      if (wanted[0] !== 1) return { columns: [], misfits: [] };
      const offsets = new Uint32Array(count + 1);
      for (let i = 0; i < count; i += 1) offsets[i + 1] = offsets[i]! + ends[i]! - starts[i]!;
      const values = new Uint8Array(offsets[count]!);
      for (let i = 0; i < count; i += 1) values.set(bytes.subarray(starts[i]!, ends[i]!), offsets[i]!);
      return { columns: [{ values: { kind: 'variable', offsets, bytes: values } }], misfits: [] };
    },
  };
}
