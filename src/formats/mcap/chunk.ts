import { MessageRows } from '../messages/message-table.ts';
import {
  type Channel,
  McapRecordError,
  MESSAGE_PREFIX_BYTES,
  Opcode,
  parseChannel,
  parseSchema,
  RECORD_PREFIX_BYTES,
  type Schema,
} from './records.ts';

/** What the records of one chunk, or of a stretch of file without chunks, are. */
export interface ChunkContent {
  /** Messages by channel id, in the order in which the channels first appear. */
  readonly messages: ReadonlyMap<number, MessageRows>;
  readonly schemas: readonly Schema[];
  readonly channels: readonly Channel[];
  readonly damage: readonly Damage[];
}

export interface Damage {
  readonly offset: number;
  readonly sizeBytes: number;
}

const ROWS_MAX_AT_FIRST = 4096;

/**
 * Walks uncompressed records. After damage it goes on at the next message of one of `knownChannels` (ids), behind
 * which another record begins.
 */
export function walkRecords(bytes: Uint8Array, knownChannels: ReadonlySet<number>): ChunkContent {
  const messages = new Map<number, MessageRows>();
  const schemas: Schema[] = [];
  const channels: Channel[] = [];
  const damage: Damage[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let rows = new MessageRows(1);
  let rowsChannel = -1;
  let at = 0;
  while (at < bytes.length) {
    const end = recordEnd(bytes, view, at);
    if (end > 0 && bytes[at] === Opcode.message) {
      const channelId = view.getUint16(at + RECORD_PREFIX_BYTES, true);
      if (channelId !== rowsChannel) {
        rowsChannel = channelId;
        rows = rowsOf(messages, channelId, Math.ceil((bytes.length - at) / (end - at)));
      }
      const index = rows.push(at + RECORD_PREFIX_BYTES + MESSAGE_PREFIX_BYTES, end);
      rows.timeHalves[2 * index] = view.getUint32(at + RECORD_PREFIX_BYTES + 6, true);
      rows.timeHalves[2 * index + 1] = view.getUint32(at + RECORD_PREFIX_BYTES + 10, true);
      at = end;
      continue;
    }
    if (
      end > 0 &&
      takeDescription(bytes[at]!, bytes.subarray(at + RECORD_PREFIX_BYTES, end), schemas, channels)
    ) {
      at = end;
      continue;
    }
    const known = new Set([...knownChannels, ...channels.map(({ id }) => id)]);
    const resumeAt = nextMessage(bytes, view, at + 1, known);
    damage.push({ offset: at, sizeBytes: resumeAt - at });
    at = resumeAt;
  }
  return { messages, schemas, channels, damage };
}

function rowsOf(messages: Map<number, MessageRows>, channelId: number, guess: number): MessageRows {
  let rows = messages.get(channelId);
  if (rows === undefined) {
    rows = new MessageRows(Math.min(ROWS_MAX_AT_FIRST, guess));
    messages.set(channelId, rows);
  }
  return rows;
}

/** Where the record at `at` ends, or -1 when it does not fit. */
function recordEnd(bytes: Uint8Array, view: DataView, at: number): number {
  if (bytes.length - at < RECORD_PREFIX_BYTES || view.getUint32(at + 5, true) !== 0) return -1;
  const lengthBytes = view.getUint32(at + 1, true);
  if (bytes[at] === Opcode.message && lengthBytes < MESSAGE_PREFIX_BYTES) return -1;
  const end = at + RECORD_PREFIX_BYTES + lengthBytes;
  return end <= bytes.length ? end : -1;
}

/** Takes in a schema or channel; false when the record is neither, or not whole. */
function takeDescription(
  opcode: number,
  content: Uint8Array,
  schemas: Schema[],
  channels: Channel[],
): boolean {
  try {
    if (opcode === Opcode.schema) schemas.push(parseSchema(content));
    else if (opcode === Opcode.channel) channels.push(parseChannel(content));
    else return false;
    return true;
  } catch (error) {
    if (error instanceof McapRecordError) return false;
    throw error;
  }
}

function nextMessage(bytes: Uint8Array, view: DataView, from: number, known: ReadonlySet<number>): number {
  for (let at = bytes.indexOf(Opcode.message, from); at >= 0; at = bytes.indexOf(Opcode.message, at + 1)) {
    const end = recordEnd(bytes, view, at);
    if (end < 0 || !known.has(view.getUint16(at + RECORD_PREFIX_BYTES, true))) continue;
    if (end === bytes.length || recordEnd(bytes, view, end) > 0) return at;
  }
  return bytes.length;
}
