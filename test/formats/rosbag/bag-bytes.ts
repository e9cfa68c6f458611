// ROS bags byte by byte, so that the reader is not tested by its own writer only.
const MAGIC = '#ROSBAG V2.0\n';

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Seconds and nanoseconds. */
export function time(seconds: number, nanoseconds = 0): Buffer {
  return Buffer.concat([u32(seconds), u32(nanoseconds)]);
}

export function text(value: string): Buffer {
  return Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)]);
}

export function f64(...values: number[]): Buffer {
  return Buffer.from(new Float64Array(values).buffer);
}

type Fields = Readonly<Record<string, Buffer | string>>;

export function fields(values: Fields): Buffer {
  return Buffer.concat(
    Object.entries(values).flatMap(([name, value]) => {
      const field = Buffer.concat([Buffer.from(`${name}=`), Buffer.from(value as string)]);
      return [u32(field.length), field];
    }),
  );
}

export function record(header: Fields, data: Buffer, dataLength = data.length): Buffer {
  const bytes = fields(header);
  return Buffer.concat([u32(bytes.length), bytes, u32(dataLength), data]);
}

const op = (code: number) => Buffer.of(code);

export function connectionRecord(
  id: number,
  topic: string,
  type: string,
  definition: string,
  md5sum = 'x',
): Buffer {
  return record(
    { conn: u32(id), op: op(7), topic },
    fields({ topic, type, md5sum, message_definition: definition }),
  );
}

export function messageRecord(id: number, seconds: number, data: Buffer, dataLength = data.length): Buffer {
  return record({ conn: u32(id), op: op(2), time: time(seconds) }, data, dataLength);
}

export interface TestChunk {
  readonly records: readonly Buffer[];
  /** Messages per connection, as index records and chunk info tell them. */
  readonly counts: Readonly<Record<number, number>>;
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly compression?: string;
  /** Stands in for the compressed records. */
  readonly data?: Buffer;
  readonly declaredSize?: number;
}

export interface TestBag {
  readonly bytes: Buffer;
  readonly chunkOffsets: readonly number[];
  readonly indexOffset: number;
}

/** A whole bag; `indexed: false` leaves it as a recorder that was killed would. */
export function bagOf(connections: readonly Buffer[], chunks: readonly TestChunk[], indexed = true): TestBag {
  const parts: Buffer[] = [];
  const chunkOffsets: number[] = [];
  let offset = MAGIC.length + 4096;
  for (const chunk of chunks) {
    const records = Buffer.concat(chunk.records);
    const data = chunk.data ?? records;
    const size = u32(chunk.declaredSize ?? records.length);
    const body = [record({ compression: chunk.compression ?? 'none', op: op(5), size }, data)];
    for (const [id, count] of Object.entries(chunk.counts)) {
      const entries = Buffer.alloc(12 * count);
      body.push(record({ conn: u32(Number(id)), count: u32(count), op: op(4), ver: u32(1) }, entries));
    }
    chunkOffsets.push(offset);
    parts.push(...body);
    offset += Buffer.concat(body).length;
  }
  const infos = chunks.map((chunk, i) => chunkInfo(chunk, chunkOffsets[i]!));
  const header = bagHeader(
    indexed ? offset : 0,
    indexed ? connections.length : 0,
    indexed ? chunks.length : 0,
  );
  const index = indexed ? [...connections, ...infos] : [];
  return {
    bytes: Buffer.concat([Buffer.from(MAGIC), header, ...parts, ...index]),
    chunkOffsets,
    indexOffset: offset,
  };
}

function chunkInfo(chunk: TestChunk, offset: number): Buffer {
  const counts = Object.entries(chunk.counts);
  const header = {
    ver: u32(1),
    chunk_pos: u64(offset),
    start_time: time(chunk.startSeconds),
    end_time: time(chunk.endSeconds),
    count: u32(counts.length),
    op: op(6),
  };
  return record(header, Buffer.concat(counts.flatMap(([id, count]) => [u32(Number(id)), u32(count)])));
}

function bagHeader(indexOffset: number, connections: number, chunks: number): Buffer {
  const header = fields({
    index_pos: u64(indexOffset),
    conn_count: u32(connections),
    chunk_count: u32(chunks),
    op: op(3),
  });
  const padding = Buffer.alloc(4096 - 8 - header.length, ' ');
  return Buffer.concat([u32(header.length), header, u32(padding.length), padding]);
}
