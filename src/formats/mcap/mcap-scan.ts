import type { ByteSource } from '../byte-source.ts';
import type { Decompressors, LossCounter } from '../recording-reader.ts';
import { walkRecords } from './chunk.ts';
import { ChunkError, readChunk } from './chunk-reader.ts';
import { type ChunkEntry, entryOf, type McapIndex, readSummary, type Summary } from './mcap-index.ts';
import { findChunk, RecordScanner, type ScannedRecord } from './record-scanner.ts';
import {
  type AttachmentPlace,
  type Channel,
  FieldReader,
  MCAP_MAGIC,
  McapRecordError,
  MESSAGE_PREFIX_BYTES,
  type Metadata,
  Opcode,
  parseAttachmentHeader,
  parseChannel,
  parseChunkHeader,
  parseHeader,
  parseMessageIndex,
  parseMetadata,
  parseSchema,
  type Schema,
} from './records.ts';

/** Messages without a chunk around them are read in pieces of about this size. */
const LOOSE_PIECE_BYTES = 1 << 22;
const FRONT_BYTES = 1 << 12;

/**
 * What an MCAP file holds: by its summary, and by walking the records that no chunk index covers (attachments,
 * metadata, messages outside chunks). A file without a summary, or cut off, is walked from front to back.
 */
export async function indexMcap(
  source: ByteSource,
  name: string,
  decompressors: Decompressors,
  loss: LossCounter,
): Promise<McapIndex> {
  const summary = await readSummary(source);
  const scan = new McapScan(source, decompressors, loss);
  if (summary === undefined) {
    loss.add(0, 0, `${name} has no whole summary (recording ended early, or damage); it was scanned`);
  }
  if (summary === undefined || summary === 'none') return await scan.whole();
  return await scan.between(summary);
}

interface OpenEntry {
  readonly offset: number;
  limit: number;
  readonly isRecord: boolean;
  messageIndexSizeBytes: number;
  /** Messages by channel; in a chunk, by the message index records behind it. */
  readonly counts: Map<number, number>;
  startTimeNs?: bigint;
  endTimeNs?: bigint;
}

class McapScan {
  readonly #source: ByteSource;
  readonly #decompressors: Decompressors;
  readonly #loss: LossCounter;
  readonly #records: RecordScanner;
  readonly #schemas = new Map<number, Schema>();
  readonly #channels = new Map<number, Channel>();
  readonly #attachments: AttachmentPlace[] = [];
  readonly #metadata: Metadata[] = [];
  readonly #found: OpenEntry[] = [];
  #profile = '';
  #library = '';

  constructor(source: ByteSource, decompressors: Decompressors, loss: LossCounter) {
    this.#source = source;
    this.#decompressors = decompressors;
    this.#loss = loss;
    this.#records = new RecordScanner(source);
  }

  async whole(): Promise<McapIndex> {
    await this.#walk(MCAP_MAGIC.length, this.#source.sizeBytes);
    return await this.#index([]);
  }

  async between(summary: Summary): Promise<McapIndex> {
    for (const schema of summary.schemas) this.#schemas.set(schema.id, schema);
    for (const channel of summary.channels) this.#channels.set(channel.id, channel);
    let end = MCAP_MAGIC.length;
    for (const { offset, sizeBytes, messageIndexSizeBytes } of summary.chunkIndexes) {
      await this.#walk(end, offset);
      end = offset + sizeBytes + messageIndexSizeBytes;
    }
    await this.#walk(end, summary.offset);
    const index = await this.#index(summary.chunkIndexes.map(entryOf));
    return summary.statistics === undefined ? index : { ...index, statistics: summary.statistics };
  }

  async #walk(from: number, limit: number): Promise<void> {
    let offset = from;
    while (offset < limit) {
      const record = await this.#records.at(offset);
      if (record?.opcode === Opcode.footer || record?.opcode === Opcode.dataEnd) return;
      const next = record === undefined ? undefined : await this.#take(offset, record, limit);
      offset = next ?? (await this.#resume(offset, limit, record?.opcode));
    }
  }

  /** Takes the record in; returns where the next one begins, or undefined when this one cannot be right. */
  async #take(offset: number, record: ScannedRecord, limit: number): Promise<number | undefined> {
    const whole = record.endOffset <= limit;
    if (!whole && record.opcode !== Opcode.chunk) return undefined;
    try {
      switch (record.opcode) {
        case Opcode.header:
          ({ profile: this.#profile, library: this.#library } = parseHeader(
            await this.#records.content(record),
          ));
          break;
        case Opcode.schema:
        case Opcode.channel:
          await this.#takeDescription(record);
          this.#takeLoose(offset, record.endOffset);
          break;
        case Opcode.message:
          await this.#takeMessage(offset, record);
          break;
        case Opcode.chunk:
          if (!whole && (await findChunk(this.#source, record.contentOffset, limit)) >= 0) return undefined;
          await this.#takeChunk(offset, record, Math.min(record.endOffset, limit));
          break;
        case Opcode.messageIndex:
          this.#takeMessageIndex(await this.#records.content(record), record);
          break;
        case Opcode.attachment:
          await this.#takeAttachment(record);
          break;
        case Opcode.metadata:
          this.#metadata.push(parseMetadata(await this.#records.content(record)));
          break;
        // Other records say nothing that is needed; those of later versions are skipped.
      }
    } catch (error) {
      if (error instanceof McapRecordError) return undefined;
      throw error;
    }
    return Math.min(record.endOffset, limit);
  }

  async #takeDescription(record: ScannedRecord): Promise<void> {
    const content = await this.#records.content(record);
    if (record.opcode === Opcode.schema) {
      const schema = parseSchema(content);
      this.#schemas.set(schema.id, schema);
    } else {
      const channel = parseChannel(content);
      this.#channels.set(channel.id, channel);
    }
  }

  async #takeMessage(offset: number, record: ScannedRecord): Promise<void> {
    const fields = new FieldReader(await this.#records.content(record, MESSAGE_PREFIX_BYTES));
    const channelId = fields.uint16();
    fields.uint32();
    const timeNs = fields.uint64();
    fields.uint64();
    const entry = this.#takeLoose(offset, record.endOffset);
    entry.counts.set(channelId, (entry.counts.get(channelId) ?? 0) + 1);
    if (entry.startTimeNs === undefined || timeNs < entry.startTimeNs) entry.startTimeNs = timeNs;
    if (entry.endTimeNs === undefined || timeNs > entry.endTimeNs) entry.endTimeNs = timeNs;
  }

  #takeLoose(offset: number, limit: number): OpenEntry {
    const last = this.#found.at(-1);
    if (last?.isRecord === false && last.limit === offset && limit - last.offset <= LOOSE_PIECE_BYTES) {
      last.limit = limit;
      return last;
    }
    const entry = { offset, limit, isRecord: false, messageIndexSizeBytes: 0, counts: new Map() };
    this.#found.push(entry);
    return entry;
  }

  async #takeChunk(offset: number, record: ScannedRecord, limit: number): Promise<void> {
    const { startTimeNs, endTimeNs } = parseChunkHeader(await this.#records.content(record, FRONT_BYTES));
    const times = endTimeNs === 0n ? {} : { startTimeNs, endTimeNs };
    this.#found.push({
      offset,
      limit,
      isRecord: true,
      messageIndexSizeBytes: 0,
      counts: new Map(),
      ...times,
    });
  }

  #takeMessageIndex(content: Uint8Array, record: ScannedRecord): void {
    const chunk = this.#found.at(-1);
    if (chunk?.isRecord !== true) return;
    const { channelId, count } = parseMessageIndex(content);
    chunk.counts.set(channelId, (chunk.counts.get(channelId) ?? 0) + count);
    chunk.messageIndexSizeBytes = record.endOffset - chunk.limit;
  }

  async #takeAttachment(record: ScannedRecord): Promise<void> {
    const header = parseAttachmentHeader(await this.#records.content(record, FRONT_BYTES));
    const dataOffset = record.contentOffset + header.dataStart;
    if (dataOffset + header.sizeBytes > record.endOffset)
      throw new McapRecordError('an attachment is cut off');
    const { name, mediaType, sizeBytes } = header;
    this.#attachments.push({ name, mediaType, sizeBytes, offset: dataOffset });
  }

  /** Counts what cannot be read at `offset` and finds the next chunk. */
  async #resume(offset: number, limit: number, opcode: number | undefined): Promise<number> {
    const found = await findChunk(this.#source, offset + 1, limit);
    const resumeAt = found < 0 ? limit : found;
    const what =
      found < 0 ? 'the records end here' : 'bytes are no record and were skipped up to the next chunk';
    // An index record that was cut off, last in the file, is no row.
    const records = found < 0 && opcode === Opcode.messageIndex ? 0 : 1;
    this.#loss.add(records, resumeAt - offset, `at byte ${offset}: ${what} (${resumeAt - offset} bytes)`);
    return resumeAt;
  }

  async #index(listed: readonly ChunkEntry[]): Promise<McapIndex> {
    const found = this.#found.filter(({ isRecord, counts }) => isRecord || counts.size > 0);
    const counted = found.map(
      (entry): ChunkEntry => ({
        ...entry,
        channelIds: entry.counts.size === 0 ? undefined : new Set(entry.counts.keys()),
      }),
    );
    const chunks: ChunkEntry[] = [];
    for (const entry of [...listed, ...counted].sort((a, b) => a.offset - b.offset)) {
      chunks.push(this.#isDescribed(entry) ? entry : await this.#opened(entry));
    }
    return {
      profile: this.#profile,
      library: this.#library,
      schemas: this.#schemas,
      channels: this.#channels,
      chunks,
      attachments: this.#attachments,
      metadata: this.#metadata,
    };
  }

  #isDescribed({ channelIds }: ChunkEntry): boolean {
    return channelIds !== undefined && [...channelIds].every((id) => this.#channels.has(id));
  }

  /** Opens the chunk to learn of its channels, schemas and counts. */
  async #opened(entry: ChunkEntry): Promise<ChunkEntry> {
    try {
      const { bytes } = await readChunk(this.#source, entry, this.#decompressors);
      const content = walkRecords(bytes, new Set(this.#channels.keys()));
      for (const schema of content.schemas) this.#schemas.set(schema.id, schema);
      for (const channel of content.channels) this.#channels.set(channel.id, channel);
      const counts = new Map([...content.messages].map(([id, rows]) => [id, rows.count]));
      return { ...entry, channelIds: new Set(counts.keys()), counts };
    } catch (error) {
      // Reading will meet the same chunk again and count it there.
      if (error instanceof ChunkError) return entry;
      throw error;
    }
  }
}
