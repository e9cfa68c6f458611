import type { ByteSource } from '../byte-source.ts';
import type { Decompressors, LossCounter } from '../recording-reader.ts';
import type { BagIndex, ChunkEntry } from './bag-index.ts';
import { walkChunk } from './chunk.ts';
import { ChunkError, readChunk } from './chunk-reader.ts';
import type { Connection } from './connection.ts';
import { findRecord, Op, uint32Field } from './record.ts';
import { RecordScanner, type ScannedRecord } from './record-scanner.ts';

/** Messages without a chunk around them are read in pieces of about this size. */
const LOOSE_PIECE_BYTES = 1 << 22;
const SEARCH_BYTES = 1 << 20;

/**
 * Builds the index of a bag that has none (the recorder was killed, the file was cut off, the index is damaged)
 * by walking its records from the front. Chunks are opened only where no index records follow them.
 */
export async function scanBag(
  source: ByteSource,
  from: number,
  decompressors: Decompressors,
  loss: LossCounter,
): Promise<BagIndex> {
  const scan = new BagScan(source, decompressors, loss);
  return await scan.run(from);
}

interface OpenChunk {
  readonly offset: number;
  /** Where its data end, or the file. */
  limit: number;
  readonly isRecord: boolean;
  readonly counts: Map<number, number>;
  /** Whether index records told the counts. */
  counted: boolean;
}

class BagScan {
  readonly #source: ByteSource;
  readonly #decompressors: Decompressors;
  readonly #loss: LossCounter;
  readonly #records: RecordScanner;
  readonly #connections = new Map<number, Connection>();
  readonly #chunks: OpenChunk[] = [];

  constructor(source: ByteSource, decompressors: Decompressors, loss: LossCounter) {
    this.#source = source;
    this.#records = new RecordScanner(source);
    this.#decompressors = decompressors;
    this.#loss = loss;
  }

  async run(from: number): Promise<BagIndex> {
    let offset = from;
    while (offset < this.#source.sizeBytes) {
      const record = await this.#records.at(offset, false);
      const next = record === undefined ? undefined : await this.#take(offset, record);
      offset = next ?? (await this.#resume(offset));
    }
    const entries: ChunkEntry[] = [];
    for (const chunk of this.#chunks) entries.push(await this.#finished(chunk));
    return { connections: this.#connections, chunks: entries };
  }

  /** Takes the record in; returns where the next one begins, or undefined when this one cannot be right. */
  async #take(offset: number, record: ScannedRecord): Promise<number | undefined> {
    const { sizeBytes } = this.#source;
    const limit = Math.min(record.endOffset, sizeBytes);
    switch (record.op) {
      case Op.chunk:
        if (!record.fields.has('compression') || !record.fields.has('size')) return undefined;
        if (record.endOffset > sizeBytes && (await this.#search(record.dataOffset, CHUNK_OPS)) >= 0)
          return undefined;
        this.#chunks.push({ offset, limit, isRecord: true, counts: new Map(), counted: false });
        return limit;
      case Op.indexData:
        if (record.endOffset > sizeBytes) return undefined;
        this.#count(record);
        return limit;
      case Op.message:
      case Op.connection:
        if (record.endOffset > sizeBytes) return undefined;
        this.#takeLoose(offset, limit);
        return limit;
      case Op.chunkInfo:
      case Op.bagHeader:
        return record.endOffset > sizeBytes ? undefined : limit;
      default:
        return undefined;
    }
  }

  /** Index records follow their chunk, one per connection. */
  #count({ fields }: ScannedRecord): void {
    const chunk = this.#chunks.at(-1);
    const connection = uint32Field(fields, 'conn');
    const count = uint32Field(fields, 'count');
    if (chunk === undefined || connection === undefined || count === undefined) return;
    chunk.counts.set(connection, (chunk.counts.get(connection) ?? 0) + count);
    chunk.counted = true;
  }

  #takeLoose(offset: number, limit: number): void {
    const last = this.#chunks.at(-1);
    const joins =
      last?.isRecord === false && last.limit === offset && limit - last.offset <= LOOSE_PIECE_BYTES;
    if (last !== undefined && joins) last.limit = limit;
    else this.#chunks.push({ offset, limit, isRecord: false, counts: new Map(), counted: false });
  }

  /** Counts what cannot be read at `offset` and finds the next record. */
  async #resume(offset: number): Promise<number> {
    const found = await this.#search(offset + 1, ALL_OPS);
    const resumeAt = found < 0 ? this.#source.sizeBytes : found;
    const what = found < 0 ? 'the bag ends within a record' : 'bytes are not a record and were skipped';
    this.#loss.add(1, resumeAt - offset, `at byte ${offset}: ${what} (${resumeAt - offset} bytes)`);
    return resumeAt;
  }

  async #search(from: number, ops: readonly number[]): Promise<number> {
    const { sizeBytes } = this.#source;
    for (let offset = from; offset < sizeBytes; offset += SEARCH_BYTES) {
      const lengthBytes = Math.min(SEARCH_BYTES + 4096, sizeBytes - offset);
      const found = findRecord(await this.#source.read(offset, lengthBytes), 0, ops);
      if (found >= 0) return offset + found;
    }
    return -1;
  }

  /** Opens the chunk where that is needed to know its connections and counts. */
  async #finished(chunk: OpenChunk): Promise<ChunkEntry> {
    const known = [...chunk.counts.keys()].every((id) => this.#connections.has(id));
    if (chunk.counted && known) return chunk;
    try {
      const { bytes } = await readChunk(this.#source, chunk, this.#decompressors);
      const content = walkChunk(bytes);
      for (const connection of content.connections) this.#connections.set(connection.id, connection);
      if (chunk.counted) return chunk;
      return { ...chunk, counts: new Map([...content.messages].map(([id, rows]) => [id, rows.count])) };
    } catch (error) {
      // Reading will meet the same chunk again and count it there.
      if (error instanceof ChunkError) return chunk;
      throw error;
    }
  }
}

const CHUNK_OPS = [Op.chunk];
const ALL_OPS = [Op.chunk, Op.message, Op.connection, Op.indexData];
