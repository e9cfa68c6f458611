import type { ByteSource } from '../byte-source.ts';
import { crc32 } from './crc32.ts';
import { isMagic } from './record-scanner.ts';
import {
  type AttachmentPlace,
  type Channel,
  type ChunkIndex,
  FieldReader,
  FOOTER_BYTES,
  type Footer,
  MCAP_MAGIC,
  McapRecordError,
  type Metadata,
  Opcode,
  parseChannel,
  parseChunkIndex,
  parseFooter,
  parseSchema,
  parseStatistics,
  RECORD_PREFIX_BYTES,
  type Schema,
  type Statistics,
} from './records.ts';

/** A chunk, or a stretch of messages without one, as far as it is known without reading it. */
export interface ChunkEntry {
  readonly offset: number;
  /** Where it ends, or the file. */
  readonly limit: number;
  /** False for messages without a chunk around them. */
  readonly isRecord: boolean;
  /** Bytes of message index records behind the chunk. */
  readonly messageIndexSizeBytes: number;
  /** Channels in it; undefined when that is not known without opening it. */
  readonly channelIds: ReadonlySet<number> | undefined;
  /** Messages by channel id, where they were counted. */
  readonly counts?: ReadonlyMap<number, number>;
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
}

export interface McapIndex {
  readonly profile: string;
  readonly library: string;
  readonly schemas: ReadonlyMap<number, Schema>;
  readonly channels: ReadonlyMap<number, Channel>;
  /** In the order of the file. */
  readonly chunks: readonly ChunkEntry[];
  readonly attachments: readonly AttachmentPlace[];
  readonly metadata: readonly Metadata[];
  readonly statistics?: Statistics;
}

/** What the summary at the end of the file says. */
export interface Summary {
  /** Where the data section ends. */
  readonly offset: number;
  readonly schemas: readonly Schema[];
  readonly channels: readonly Channel[];
  /** In the order of the file, not overlapping. */
  readonly chunkIndexes: readonly ChunkIndex[];
  readonly statistics?: Statistics;
}

/** No recording has a longer index: it is some hundred bytes per chunk. */
const SUMMARY_BYTES_MAX = 2 ** 30;

/** `undefined` when the file ends without a footer or its summary is damaged, `'none'` when it has no summary. */
export async function readSummary(source: ByteSource): Promise<Summary | 'none' | undefined> {
  const tailBytes = FOOTER_BYTES + MCAP_MAGIC.length;
  if (source.sizeBytes < tailBytes + MCAP_MAGIC.length) return undefined;
  const footerOffset = source.sizeBytes - tailBytes;
  const tail = await source.read(footerOffset, tailBytes);
  if (!isMagic(tail.subarray(FOOTER_BYTES)) || tail[0] !== Opcode.footer) return undefined;
  try {
    const footer = parseFooter(tail.subarray(RECORD_PREFIX_BYTES, FOOTER_BYTES));
    if (footer.summaryOffset === 0) return 'none';
    const sizeBytes = footerOffset - footer.summaryOffset;
    if (sizeBytes < 0 || sizeBytes > SUMMARY_BYTES_MAX) return undefined;
    const bytes = await source.read(footer.summaryOffset, sizeBytes);
    return summaryOf(bytes, tail, footer);
  } catch (error) {
    if (error instanceof McapRecordError) return undefined;
    throw error;
  }
}

function summaryOf(bytes: Uint8Array, tail: Uint8Array, footer: Footer): Summary | undefined {
  const crc = crc32(tail.subarray(0, FOOTER_BYTES - 4), crc32(bytes));
  if (footer.summaryCrc !== 0 && footer.summaryCrc !== crc) return undefined;
  const schemas: Schema[] = [];
  const channels: Channel[] = [];
  const chunkIndexes: ChunkIndex[] = [];
  let statistics: Statistics | undefined;
  const records = new FieldReader(bytes);
  while (records.remainingBytes > 0) {
    const opcode = records.uint8();
    const content = records.bytes(records.offset());
    if (opcode === Opcode.schema) schemas.push(parseSchema(content));
    else if (opcode === Opcode.channel) channels.push(parseChannel(content));
    else if (opcode === Opcode.chunkIndex) chunkIndexes.push(parseChunkIndex(content));
    else if (opcode === Opcode.statistics) statistics = parseStatistics(content);
  }
  chunkIndexes.sort((a, b) => a.offset - b.offset);
  const offset = footer.summaryOffset;
  if (!inOrder(chunkIndexes, offset)) return undefined;
  return { offset, schemas, channels, chunkIndexes, ...(statistics === undefined ? {} : { statistics }) };
}

function inOrder(chunkIndexes: readonly ChunkIndex[], limit: number): boolean {
  let end = MCAP_MAGIC.length;
  for (const { offset, sizeBytes, messageIndexSizeBytes } of chunkIndexes) {
    if (offset < end) return false;
    end = offset + sizeBytes + messageIndexSizeBytes;
  }
  return end <= limit;
}

export function entryOf(index: ChunkIndex): ChunkEntry {
  const { offset, startTimeNs, endTimeNs, messageIndexSizeBytes, channelIds } = index;
  return {
    offset,
    limit: offset + index.sizeBytes,
    isRecord: true,
    messageIndexSizeBytes,
    channelIds: channelIds.length === 0 ? undefined : new Set(channelIds),
    // Writers leave both at 0 in a chunk without messages.
    ...(endTimeNs === 0n ? {} : { startTimeNs, endTimeNs }),
  };
}
