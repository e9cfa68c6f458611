// MCAP files byte by byte, so that the reader is not tested by its own writer only.
import { crc32 } from 'node:zlib';

export const MAGIC = Buffer.from([0x89, 0x4d, 0x43, 0x41, 0x50, 0x30, 0x0d, 0x0a]);

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

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

export function str(value: string): Buffer {
  return sized(Buffer.from(value));
}

export function sized(bytes: Buffer): Buffer {
  return Buffer.concat([u32(bytes.length), bytes]);
}

export function record(opcode: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(opcode), u64(content.length), content]);
}

export const header = () => record(0x01, str('ros2'), str('test library'));
export const dataEnd = () => record(0x0f, u32(0));

export function schema(id: number, name: string, encoding: string, data: Buffer | string): Buffer {
  return record(0x03, u16(id), str(name), str(encoding), sized(Buffer.from(data as string)));
}

export function channel(id: number, schemaId: number, topic: string, encoding: string): Buffer {
  return record(0x04, u16(id), u16(schemaId), str(topic), str(encoding), u32(0));
}

export function message(channelId: number, logTime: number, data: Buffer): Buffer {
  return record(0x05, u16(channelId), u32(0), u64(logTime), u64(logTime), data);
}

export interface TestChunk {
  readonly records: Buffer;
  readonly startTime: number;
  readonly endTime: number;
  readonly compression?: string;
  readonly compressed?: Buffer;
  readonly uncompressedSize?: number;
  readonly crc?: number;
}

export function chunk(test: TestChunk): Buffer {
  const { records, compression = '', compressed = records, uncompressedSize = records.length } = test;
  const data = Buffer.concat([u64(compressed.length), compressed]);
  const times = [u64(test.startTime), u64(test.endTime)];
  return record(
    0x06,
    ...times,
    u64(uncompressedSize),
    u32(test.crc ?? crc32(records)),
    str(compression),
    data,
  );
}

export function messageIndex(channelId: number, count: number): Buffer {
  return record(0x07, u16(channelId), sized(Buffer.alloc(16 * count)));
}

/** The index of a chunk at `offset`, of `chunkBytes`, with `indexBytes` of message indexes behind it. */
export function chunkIndex(
  test: TestChunk,
  offset: number,
  chunkBytes: number,
  channels: readonly number[],
  indexBytes: number,
): Buffer {
  const offsets = sized(Buffer.concat(channels.flatMap((id) => [u16(id), u64(0)])));
  const places = [u64(test.startTime), u64(test.endTime), u64(offset), u64(chunkBytes)];
  return record(0x08, ...places, offsets, u64(indexBytes), str(test.compression ?? ''), u64(0), u64(0));
}

export function footer(summaryStart: number, summary: Buffer): Buffer {
  const front = Buffer.concat([Buffer.of(0x02), u64(20), u64(summaryStart), u64(0)]);
  const crc = crc32(Buffer.concat([summary, front]));
  return Buffer.concat([front, u32(crc), MAGIC]);
}

/** A file with the data section, the summary made of `summaryRecords`, and a footer. */
export function mcapOf(data: readonly Buffer[], summaryRecords: readonly Buffer[] = []): Buffer {
  const front = Buffer.concat([MAGIC, header(), ...data, dataEnd()]);
  const summary = Buffer.concat(summaryRecords);
  return Buffer.concat([front, summary, footer(summary.length === 0 ? 0 : front.length, summary)]);
}

/** Where the first record behind the header begins. */
export const DATA_OFFSET = MAGIC.length + header().length;

/** CDR, little endian, with its encapsulation header. */
export function cdr(...parts: Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(0, 1, 0, 0), ...parts]);
}
