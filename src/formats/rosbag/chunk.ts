import { MessageRows } from '../messages/message-table.ts';
import { writeNanoseconds } from '../messages/nanoseconds.ts';
import { type Connection, connectionOf } from './connection.ts';
import { findRecord, Op, recordAt, viewOf } from './record.ts';

/** What the records of one chunk are. */
export interface ChunkContent {
  /** Messages by connection id, in the order in which the connections first appear. */
  readonly messages: ReadonlyMap<number, MessageRows>;
  readonly connections: readonly Connection[];
  readonly damage: readonly Damage[];
}

export interface Damage {
  readonly offset: number;
  readonly sizeBytes: number;
  /** False where the chunk ends within a record. */
  readonly goesOn: boolean;
}

/** Walks the records in the uncompressed bytes of a chunk; after damage it goes on at the next whole record. */
export function walkChunk(bytes: Uint8Array): ChunkContent {
  const messages = new Map<number, MessageRows>();
  const connections: Connection[] = [];
  const damage: Damage[] = [];
  const view = viewOf(bytes);
  const message: MessageHeader = { connection: 0, seconds: 0, nanoseconds: 0 };
  let rows = new MessageRows(1);
  let rowsConnection = -1;
  let at = 0;
  while (at < bytes.length) {
    const dataStart = readMessageHeader(bytes, view, at, message);
    const dataEnd = dataStart < 0 ? -1 : dataStart + view.getUint32(dataStart - 4, true);
    if (dataEnd >= 0 && dataEnd <= bytes.length) {
      if (message.connection !== rowsConnection) {
        rowsConnection = message.connection;
        rows = rowsOf(messages, rowsConnection, capacityFor(bytes.length - at, dataEnd - at));
      }
      const index = rows.push(dataStart, dataEnd);
      writeNanoseconds(rows.timeHalves, index, message.seconds, message.nanoseconds);
      at = dataEnd;
      continue;
    }
    const next = dataStart < 0 ? connectionEnd(bytes, at, connections) : -1;
    if (next >= 0) {
      at = next;
      continue;
    }
    const found = findRecord(bytes, at + 1, [Op.message, Op.connection]);
    const resumeAt = found < 0 ? bytes.length : found;
    damage.push({ offset: at, sizeBytes: resumeAt - at, goesOn: found >= 0 });
    at = resumeAt;
  }
  return { messages, connections, damage };
}

interface MessageHeader {
  connection: number;
  seconds: number;
  nanoseconds: number;
}

/** As many rows as there would be if all that is left were messages like this one, within reason. */
function capacityFor(bytesLeft: number, messageBytes: number): number {
  return Math.min(ROWS_MAX_AT_FIRST, Math.ceil(bytesLeft / messageBytes));
}

function rowsOf(messages: Map<number, MessageRows>, connection: number, capacity: number): MessageRows {
  let rows = messages.get(connection);
  if (rows === undefined) {
    rows = new MessageRows(capacity);
    messages.set(connection, rows);
  }
  return rows;
}

const ROWS_MAX_AT_FIRST = 4096;

/** `conn=`, `op=` and `time=` with their values and the lengths in front of them. */
const MESSAGE_HEADER_BYTES = 13 + 8 + 17;
/** The first letters of conn, op and time, behind their lengths in bytes. */
const CONN = 0x63;
const OP = 0x6f;
const TIME = 0x74;

/**
 * Fills `header` when a message record begins at `at`, and returns where its data begin; -1 when it is another
 * record. Done for every message, so without objects: the three fields are told apart by length and first letter,
 * since their order differs (C++ writes conn, op, time; Python op, conn, time).
 */
function readMessageHeader(bytes: Uint8Array, view: DataView, at: number, header: MessageHeader): number {
  if (bytes.length - at < MESSAGE_HEADER_BYTES + 8) return -1;
  if (view.getUint32(at, true) !== MESSAGE_HEADER_BYTES) return -1;
  const end = at + 4 + MESSAGE_HEADER_BYTES;
  let seen = 0;
  let field = at + 4;
  for (let i = 0; i < 3; i += 1) {
    const lengthBytes = view.getUint32(field, true);
    if (lengthBytes > end - field - 4) return -1;
    const first = bytes[field + 4];
    if (first === CONN && lengthBytes === 9) {
      header.connection = view.getUint32(field + 9, true);
      seen |= 1;
    } else if (first === OP && lengthBytes === 4) {
      if (bytes[field + 7] !== Op.message) return -1;
      seen |= 2;
    } else if (first === TIME && lengthBytes === 13) {
      header.seconds = view.getUint32(field + 9, true);
      header.nanoseconds = view.getUint32(field + 13, true);
      seen |= 4;
    } else {
      return -1;
    }
    field += 4 + lengthBytes;
  }
  return seen === 7 ? end + 4 : -1;
}

/** The end of the connection record at `at`, taking it in; -1 when there is none. Chunks hold nothing else. */
function connectionEnd(bytes: Uint8Array, at: number, connections: Connection[]): number {
  const record = recordAt(bytes, at, bytes.length);
  if (record?.op !== Op.connection || record.dataEnd > bytes.length) return -1;
  const connection = connectionOf(record.fields, bytes.subarray(record.dataStart, record.dataEnd));
  if (connection === undefined) return -1;
  connections.push(connection);
  return record.dataEnd;
}
