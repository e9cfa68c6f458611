import { RecordPlaces, SqlitePageError, type SqliteValue, VarintReader } from './sqlite-record.ts';

/** A page of the database where it lies, in bytes that hold others too. */
export interface PagePlace {
  readonly bytes: Uint8Array;
  readonly start: number;
}

const PageType = { interiorIndex: 2, interiorTable: 5, leafIndex: 10, leafTable: 13 } as const;
/** In front of the tree on page 1. */
const DATABASE_HEADER_BYTES = 100;

/** A page of a table or an index: pointers to its cells, then the cells (sqlite.org/fileformat2.html, section 1.6). */
export class TreePage {
  readonly page: number;
  readonly bytes: Uint8Array;
  /** The page without what the database reserves at its end: `bytes` from `start` up to `end`. */
  readonly start: number;
  readonly end: number;
  readonly cellCount: number;
  readonly isTable: boolean;
  readonly isLeaf: boolean;
  readonly #pointers: number;

  /** @throws {SqlitePageError} when it is no page of a tree. */
  constructor(page: number, { bytes, start }: PagePlace, usableBytes: number) {
    const header = page === 1 ? start + DATABASE_HEADER_BYTES : start;
    const type = bytes[header]!;
    this.isTable = type === PageType.leafTable || type === PageType.interiorTable;
    this.isLeaf = type === PageType.leafTable || type === PageType.leafIndex;
    if (!this.isLeaf && type !== PageType.interiorTable && type !== PageType.interiorIndex) {
      throw new SqlitePageError(`page ${page} is no page of a table`);
    }
    this.page = page;
    this.bytes = bytes;
    this.start = start;
    this.end = start + usableBytes;
    this.cellCount = uint16(bytes, header + 3);
    this.#pointers = header + (this.isLeaf ? 8 : 12);
    if (this.#pointers + 2 * this.cellCount > this.end) {
      throw new SqlitePageError(`page ${page} claims ${this.cellCount} rows`);
    }
  }

  /** Where in `bytes` a cell begins. */
  cell(index: number): number {
    return this.start + uint16(this.bytes, this.#pointers + 2 * index);
  }

  /** The page behind the last cell of an interior page. */
  get rightmost(): number {
    return uint32(this.bytes, this.#pointers - 4);
  }

  /** The page in front of a cell of an interior page; undefined where the cell is not in the page. */
  child(index: number): number | undefined {
    const at = this.cell(index);
    return at + 4 <= this.end ? uint32(this.bytes, at) : undefined;
  }

  /** The highest row id that the cells of an interior page speak of; undefined where it cannot be read. */
  lastKey(): number | undefined {
    if (this.cellCount === 0) return undefined;
    const reader = new VarintReader();
    reader.bytes = this.bytes;
    reader.at = this.cell(this.cellCount - 1) + 4;
    reader.end = this.end;
    try {
      return reader.nextSigned();
    } catch (error) {
      // A key that cannot be read says nothing; its page may still hold children.
      if (!(error instanceof SqlitePageError)) throw error;
      return undefined;
    }
  }

  /** The values of an entry of an index that lies in this page whole: those of rosbag2 are two integers. */
  indexEntry(index: number): readonly SqliteValue[] {
    const reader = new VarintReader();
    reader.bytes = this.bytes;
    reader.at = this.cell(index) + (this.isLeaf ? 0 : 4);
    reader.end = this.end;
    const payloadBytes = reader.next();
    if (reader.at + payloadBytes > this.end) throw new SqlitePageError('it does not fit its page');
    const record = new RecordPlaces();
    record.read(this.bytes, reader.at, reader.at + payloadBytes);
    return record.values();
  }
}

/** The front of a row: read again for every row of a leaf of a table. */
export class RowFront {
  rowId = 0;
  /** Of the row's record, of which a part may lie in overflow pages. */
  payloadBytes = 0;
  /** Where the record begins. */
  payloadStart = 0;
  readonly #reader = new VarintReader();

  /** @throws {SqlitePageError} when the row does not begin in the page. */
  read(leaf: TreePage, index: number): void {
    const reader = this.#reader;
    reader.bytes = leaf.bytes;
    reader.at = leaf.cell(index);
    reader.end = leaf.end;
    this.payloadBytes = reader.next();
    this.rowId = reader.nextSigned();
    this.payloadStart = reader.at;
  }
}

export function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
