import type { ByteSource } from '../byte-source.ts';
import { type Connection, connectionOf } from './connection.ts';
import { Op, timeField, uint32Field, viewOf } from './record.ts';
import { RecordScanner } from './record-scanner.ts';

/** A chunk as far as it is known without its messages. */
export interface ChunkEntry {
  /** Where the chunk record begins; for messages outside a chunk, where the first of them begins. */
  readonly offset: number;
  /** No byte of the chunk lies at or behind this. */
  readonly limit: number;
  /** False for messages that lie in the file without a chunk around them. */
  readonly isRecord: boolean;
  /** Messages per connection id. */
  readonly counts: ReadonlyMap<number, number>;
  /** UTC nanoseconds of the first and last message; absent when not known. */
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
}

export interface BagIndex {
  readonly connections: ReadonlyMap<number, Connection>;
  /** In the order of the file. */
  readonly chunks: readonly ChunkEntry[];
}

/**
 * The index at the end of the bag: a connection record each, then a chunk info each. Undefined when it is
 * missing, cut off or contradicts the counts in the bag header; the bag must then be scanned.
 */
export async function readBagIndex(
  source: ByteSource,
  place: { readonly indexOffset: number; readonly connectionCount: number; readonly chunkCount: number },
): Promise<BagIndex | undefined> {
  const { indexOffset } = place;
  if (indexOffset <= 0 || indexOffset > source.sizeBytes) return undefined;
  const connections = new Map<number, Connection>();
  const infos: ChunkInfo[] = [];
  const records = new RecordScanner(source);
  for (let at = indexOffset; at < source.sizeBytes; ) {
    const record = await records.at(at);
    if (record?.data === undefined) return undefined;
    if (record.op === Op.connection) {
      const connection = connectionOf(record.fields, record.data);
      if (connection === undefined) return undefined;
      connections.set(connection.id, connection);
    } else if (record.op === Op.chunkInfo) {
      const info = chunkInfoOf(record.fields, record.data);
      if (info === undefined || info.offset >= indexOffset) return undefined;
      infos.push(info);
    } else {
      return undefined;
    }
    at = record.endOffset;
  }
  const described = infos.every(({ counts }) => [...counts.keys()].every((id) => connections.has(id)));
  const complete =
    described && connections.size === place.connectionCount && infos.length === place.chunkCount;
  return complete ? { connections, chunks: entriesOf(infos, indexOffset) } : undefined;
}

type ChunkInfo = Required<Omit<ChunkEntry, 'limit' | 'isRecord'>>;

function chunkInfoOf(fields: Parameters<typeof uint32Field>[0], data: Uint8Array): ChunkInfo | undefined {
  const offset = fields.get('chunk_pos');
  const startTimeNs = timeField(fields, 'start_time');
  const endTimeNs = timeField(fields, 'end_time');
  const count = uint32Field(fields, 'count');
  if (offset?.length !== 8 || startTimeNs === undefined || endTimeNs === undefined) return undefined;
  if (count === undefined || count * 8 !== data.length) return undefined;
  const counts = new Map<number, number>();
  const view = viewOf(data);
  for (let i = 0; i < count; i += 1) {
    const connection = view.getUint32(8 * i, true);
    counts.set(connection, (counts.get(connection) ?? 0) + view.getUint32(8 * i + 4, true));
  }
  return { offset: Number(viewOf(offset).getBigUint64(0, true)), startTimeNs, endTimeNs, counts };
}

function entriesOf(infos: readonly ChunkInfo[], indexOffset: number): ChunkEntry[] {
  const inFileOrder = infos.toSorted((a, b) => a.offset - b.offset);
  return inFileOrder.map((info, i) => ({
    ...info,
    isRecord: true,
    limit: inFileOrder[i + 1]?.offset ?? indexOffset,
  }));
}
