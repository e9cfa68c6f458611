import type { ByteSource } from '../byte-source.ts';

export interface ByteRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** What one read brought. */
export interface Block {
  /** In the file. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

const GAP_BYTES_MAX = 1 << 16;
const READ_BYTES_MAX = 1 << 22;
/** More than one load asks for, so that nothing of what was read ahead is forgotten before it is used. */
const KEPT_BYTES_MAX = 5 << 22;
const READS_AT_ONCE = 8;

/**
 * Reads many small ranges as few large ones: neighbours are read together, and what was read lately is kept, since
 * tables that lie between each other in the file are read by turns.
 */
export class PlannedBytes {
  readonly #source: ByteSource;
  readonly #onBytes: (sizeBytes: number) => void;
  #kept: Block[] = [];
  /** What is being read before it is asked for. It never fails: what could not be read is read again, and fails there. */
  #ahead: Promise<PromiseSettledResult<Block>[]> | undefined;
  /** The ranges that all these reads together bring. */
  #aheadRanges: readonly ByteRange[] | undefined;

  constructor(source: ByteSource, onBytes: (sizeBytes: number) => void) {
    this.#source = source;
    this.#onBytes = onBytes;
  }

  /** The bytes of all ranges, to be asked for by the range's offset. Ranges lie inside the file. */
  async load(ranges: readonly ByteRange[]): Promise<LoadedBytes> {
    const isAhead = ranges === this.#aheadRanges;
    const isWhole = await this.settle();
    const reads = isAhead && isWhole ? [] : this.#missing(ranges);
    const blocks: Block[] = [];
    for (let start = 0; start < reads.length; start += READS_AT_ONCE) {
      const some = reads.slice(start, start + READS_AT_ONCE);
      blocks.push(...(await Promise.all(some.map((read) => this.#read(read)))));
    }
    const loaded = new LoadedBytes([...blocks, ...this.#kept]);
    this.#keep(blocks);
    return loaded;
  }

  /** Begins to read what the next `load` is likely to ask for; cheapest where it asks with the same array. */
  readAhead(ranges: readonly ByteRange[]): void {
    if (this.#ahead !== undefined) return;
    const reads = this.#missing(ranges);
    const some = reads.slice(0, READS_AT_ONCE);
    if (some.length === 0) return;
    this.#ahead = Promise.allSettled(some.map((read) => this.#read(read)));
    this.#aheadRanges = some.length === reads.length ? ranges : undefined;
  }

  /** Afterwards no read is under way. Whether all reads ahead succeeded. */
  async settle(): Promise<boolean> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    this.#aheadRanges = undefined;
    const settled = (await ahead) ?? [];
    const blocks = settled.flatMap((read) => (read.status === 'fulfilled' ? [read.value] : []));
    this.#keep(blocks);
    return blocks.length === settled.length;
  }

  #missing(ranges: readonly ByteRange[]): ByteRange[] {
    const kept = new LoadedBytes(this.#kept);
    const keptEnd = this.#kept.reduce((end, { offset, bytes }) => Math.max(end, offset + bytes.length), 0);
    return joined(
      ranges.filter(
        (range) => range.lengthBytes > 0 && (range.offset >= keptEnd || kept.find(range) === undefined),
      ),
    );
  }

  async #read({ offset, lengthBytes }: ByteRange): Promise<Block> {
    const bytes = await this.#source.read(offset, lengthBytes);
    this.#onBytes(lengthBytes);
    return { offset, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
  }

  #keep(blocks: readonly Block[]): void {
    if (blocks.length === 0) return;
    const newestFirst = [...blocks.toReversed(), ...this.#kept];
    let sizeBytes = 0;
    this.#kept = newestFirst.filter(({ bytes }) => {
      sizeBytes += bytes.length;
      return sizeBytes <= KEPT_BYTES_MAX;
    });
  }
}

/** The reads that cover all ranges. A range is never cut in two. */
function joined(ranges: readonly ByteRange[]): ByteRange[] {
  const sorted = ranges.toSorted((a, b) => a.offset - b.offset);
  const reads: { offset: number; lengthBytes: number }[] = [];
  for (const { offset, lengthBytes } of sorted) {
    const last = reads.at(-1);
    const end = last === undefined ? 0 : last.offset + last.lengthBytes;
    const joinedBytes = Math.max(end, offset + lengthBytes) - (last?.offset ?? 0);
    const isInside = offset + lengthBytes <= end;
    if (
      last !== undefined &&
      (isInside || (offset <= end + GAP_BYTES_MAX && joinedBytes <= READ_BYTES_MAX))
    ) {
      last.lengthBytes = joinedBytes;
    } else reads.push({ offset, lengthBytes });
  }
  return reads;
}

/** What one `load` brought. */
export class LoadedBytes {
  readonly #blocks: readonly Block[];
  #last: Block | undefined;

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  find({ offset, lengthBytes }: ByteRange): Block | undefined {
    if (this.#last === undefined || !holds(this.#last, offset, lengthBytes)) {
      this.#last = this.#blocks.find((block) => holds(block, offset, lengthBytes));
    }
    return this.#last;
  }

  /** The block that holds a planned range. */
  block(range: ByteRange): Block {
    const found = this.find(range);
    if (found === undefined) throw new Error(`range ${range.offset}+${range.lengthBytes} was not planned`);
    return found;
  }

  bytes(range: ByteRange): Uint8Array {
    if (range.lengthBytes === 0) return new Uint8Array(0);
    const { offset, bytes } = this.block(range);
    return bytes.subarray(range.offset - offset, range.offset - offset + range.lengthBytes);
  }
}

function holds(block: Block, offset: number, lengthBytes: number): boolean {
  return offset >= block.offset && offset + lengthBytes <= block.offset + block.bytes.length;
}
