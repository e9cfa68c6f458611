import type { ByteSource } from '../byte-source.ts';
import { isPageSize, readWriteAheadLog, type WriteAheadLog } from './write-ahead-log.ts';

/**
 * Reads tables of an SQLite database by range, as rosbag2 needs it: row after row, without a copy of the file and
 * without memory for more than some pages. Source: sqlite.org/fileformat2.html (sections 1.3, 1.6, 2.1).
 * Pages that a write-ahead log beside the file holds newer are taken from there.
 */
const SQLITE_MAGIC = 'SQLite format 3\0';

export type SqliteValue = number | bigint | string | Uint8Array | null;

export interface SqliteRow {
  readonly rowId: bigint;
  readonly values: readonly SqliteValue[];
}

/** A page, or a row in it, that is not what it should be. */
export class SqlitePageError extends Error {
  override readonly name = 'SqlitePageError';
}

/** A write-ahead log and what it holds. */
interface LogBeside {
  readonly source: ByteSource;
  readonly pages: WriteAheadLog;
}

const HEADER_BYTES = 100;
/** The file format version of databases with a write-ahead log. */
const WRITE_AHEAD_VERSION = 2;
const WINDOW_BYTES = 1 << 20;
const WINDOWS_MAX = 8;
const DEPTH_MAX = 40;
const ROW_BYTES_MIN = 8;
/** The largest blob SQLite itself allows. */
const PAYLOAD_BYTES_MAX = 2 ** 31;

const PageType = { interiorIndex: 2, interiorTable: 5, leafIndex: 10, leafTable: 13 } as const;

export class SqlitePages {
  readonly pageSizeBytes: number;
  readonly pageCount: number;
  /** No whole file of this database had more rows: each takes some bytes. */
  readonly rowsMax: number;
  /** Whether its writer keeps a write-ahead log, and whether one lies beside it. */
  readonly writeAheadLog: 'none' | 'read' | 'missing';
  /** Bytes of a transaction that the writer began and did not commit. */
  readonly uncommittedBytes: number;
  readonly #source: ByteSource;
  readonly #log: LogBeside | undefined;
  readonly #usableBytes: number;
  #rowIdMax = 0n;
  /** Pieces of the file by number, the latest used last. */
  readonly #windows = new Map<number, Uint8Array>();

  private constructor(
    source: ByteSource,
    pageSizeBytes: number,
    header: Uint8Array,
    log: LogBeside | undefined,
  ) {
    this.#source = source;
    this.#log = log;
    const isLogged = header[19] === WRITE_AHEAD_VERSION;
    this.writeAheadLog = log !== undefined ? 'read' : isLogged ? 'missing' : 'none';
    this.uncommittedBytes = log?.pages.uncommittedBytes ?? 0;
    this.pageSizeBytes = pageSizeBytes;
    const filePages = Math.floor(source.sizeBytes / pageSizeBytes);
    this.pageCount = Math.max(filePages, log?.pages.pageCount ?? 0);
    this.#usableBytes = pageSizeBytes - header[20]!;
    const declaredPages = viewOf(header).getUint32(28);
    this.rowsMax = Math.floor((Math.max(declaredPages, this.pageCount) * pageSizeBytes) / ROW_BYTES_MIN);
  }

  /**
   * Undefined when the file does not begin as an SQLite database in UTF-8. `log` is the `-wal` file beside it, which
   * holds all of a database that is still empty.
   */
  static async open(source: ByteSource, log?: ByteSource): Promise<SqlitePages | undefined> {
    const isThere = source.sizeBytes >= HEADER_BYTES;
    const inFile = isThere ? databaseHeader(await source.read(0, HEADER_BYTES)) : undefined;
    if (isThere && inFile === undefined) return undefined;
    const pages = log && (await readWriteAheadLog(log, inFile?.pageSizeBytes));
    const logged = pages?.offsets.get(1);
    const newest = log && logged !== undefined && databaseHeader(await log.read(logged, HEADER_BYTES));
    const header = newest || inFile;
    if (header === undefined) return undefined;
    const { pageSizeBytes, bytes } = header;
    return new SqlitePages(source, pageSizeBytes, bytes, log && pages && { source: log, pages });
  }

  /** The highest row id that interior pages of tables read so far speak of; leaves may hold higher ones. */
  get rowIdMax(): bigint {
    return this.#rowIdMax;
  }

  /**
   * Rows of the table whose tree begins at `rootPage`, in order of row id, some of a page at a time. Pages and rows that
   * are damaged are told to `onDamage`, behind the rows in front of them, and left out.
   */
  async *rows(rootPage: number, onDamage: (what: string) => void): AsyncGenerator<readonly SqliteRow[]> {
    const seen = new Set<number>();
    const pending = [{ page: rootPage, depth: 0 }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { page, depth } = next;
      if (seen.has(page) || depth > DEPTH_MAX) {
        onDamage(`page ${page} is linked twice`);
        continue;
      }
      seen.add(page);
      try {
        const tree = await this.#treePage(page);
        if (tree.type === PageType.interiorTable) {
          this.#noteKeys(tree);
          for (const child of childPages(tree).reverse()) pending.push({ page: child, depth: depth + 1 });
        } else if (tree.type === PageType.leafTable) {
          yield* this.#leafRows(tree, page, onDamage);
        } else {
          onDamage(`page ${page} is no page of a table`);
        }
      } catch (error) {
        if (!(error instanceof SqlitePageError)) throw error;
        onDamage(error.message);
      }
    }
  }

  /** The values of the first or last entry of an index; undefined where the index is empty or damaged. */
  async indexEdge(rootPage: number, edge: 'first' | 'last'): Promise<readonly SqliteValue[] | undefined> {
    try {
      let page = rootPage;
      for (let depth = 0; depth <= DEPTH_MAX; depth += 1) {
        const tree = await this.#treePage(page);
        const cell = edge === 'first' ? tree.cells[0] : tree.cells.at(-1);
        if (tree.type === PageType.leafIndex) {
          return cell === undefined ? undefined : await this.#indexEntry(tree, cell);
        }
        if (tree.type !== PageType.interiorIndex || cell === undefined) return undefined;
        page = edge === 'first' ? viewOf(sliceOf(tree.bytes, cell, 4)).getUint32(0) : tree.rightmost;
      }
    } catch (error) {
      if (!(error instanceof SqlitePageError)) throw error;
    }
    return undefined;
  }

  async #indexEntry({ bytes }: TreePage, cell: number): Promise<readonly SqliteValue[]> {
    const reader = new VarintReader(bytes.subarray(0, this.#usableBytes), cell);
    const payloadBytes = reader.number();
    // Index entries of rosbag2 are two integers; longer ones are none of its.
    return recordValues(sliceOf(bytes, reader.at, Math.min(payloadBytes, this.#usableBytes)));
  }

  async *#leafRows(
    tree: TreePage,
    page: number,
    onDamage: (what: string) => void,
  ): AsyncGenerator<readonly SqliteRow[]> {
    const bytes = tree.bytes.subarray(0, this.#usableBytes);
    let rows: SqliteRow[] = [];
    for (const cell of tree.cells) {
      try {
        const row = this.#row(bytes, cell);
        const isLong = row instanceof Promise;
        rows.push(isLong ? await row : row);
        // Long rows are as long as a message can be: not many of them at once.
        if (!isLong) continue;
        yield rows;
        rows = [];
      } catch (error) {
        if (!(error instanceof SqlitePageError)) throw error;
        if (rows.length > 0) yield rows;
        rows = [];
        onDamage(`a row on page ${page}: ${error.message}`);
      }
    }
    if (rows.length > 0) yield rows;
  }

  async #treePage(page: number): Promise<TreePage> {
    const bytes = await this.#page(page);
    const start = page === 1 ? HEADER_BYTES : 0;
    const view = viewOf(bytes);
    const type = bytes[start]!;
    const isInterior = type === PageType.interiorTable || type === PageType.interiorIndex;
    if (!isInterior && type !== PageType.leafTable && type !== PageType.leafIndex) {
      throw new SqlitePageError(`page ${page} is no page of a table`);
    }
    const headerBytes = isInterior ? 12 : 8;
    const cellCount = view.getUint16(start + 3);
    const pointersAt = start + headerBytes;
    if (pointersAt + 2 * cellCount > this.#usableBytes) {
      throw new SqlitePageError(`page ${page} claims ${cellCount} rows`);
    }
    const cells = Array.from({ length: cellCount }, (_, i) => view.getUint16(pointersAt + 2 * i));
    const rightmost = isInterior ? view.getUint32(start + 8) : 0;
    return { bytes, view, type, cells, rightmost };
  }

  /** Keys of interior pages tell which rows there must be, even where their pages are gone. */
  #noteKeys({ bytes, cells }: TreePage): void {
    const cell = cells.at(-1);
    if (cell === undefined) return;
    try {
      const key = BigInt.asIntN(64, new VarintReader(bytes, cell + 4).varint());
      if (key > this.#rowIdMax) this.#rowIdMax = key;
    } catch (error) {
      // A key that cannot be read says nothing; its page may still hold children.
      if (!(error instanceof SqlitePageError)) throw error;
    }
  }

  /** Waits only for rows that go on in further pages. */
  #row(bytes: Uint8Array, cell: number): SqliteRow | Promise<SqliteRow> {
    const reader = new VarintReader(bytes, cell);
    const payloadBytes = reader.number();
    const rowId = BigInt.asIntN(64, reader.varint());
    if (payloadBytes > PAYLOAD_BYTES_MAX || payloadBytes > this.pageCount * this.pageSizeBytes) {
      throw new SqlitePageError(`it claims ${payloadBytes} bytes`);
    }
    if (payloadBytes <= this.#usableBytes - 35) {
      return { rowId, values: recordValues(sliceOf(bytes, reader.at, payloadBytes)) };
    }
    return this.#longPayload(bytes, reader.at, payloadBytes).then((payload) => ({
      rowId,
      values: recordValues(payload),
    }));
  }

  /** A payload that does not fit its page and goes on in overflow pages (section 1.6). */
  async #longPayload(bytes: Uint8Array, at: number, payloadBytes: number): Promise<Uint8Array> {
    const usable = this.#usableBytes;
    const localMax = usable - 35;
    const localMin = Math.floor(((usable - 12) * 32) / 255) - 23;
    const spread = localMin + ((payloadBytes - localMin) % (usable - 4));
    const localBytes = spread <= localMax ? spread : localMin;
    const local = sliceOf(bytes, at, localBytes + 4);
    const payload = new Uint8Array(payloadBytes);
    payload.set(local.subarray(0, localBytes));
    let next = viewOf(local).getUint32(localBytes);
    for (let filled = localBytes; filled < payloadBytes; ) {
      const page = await this.#page(next);
      const part = page.subarray(4, Math.min(usable, 4 + payloadBytes - filled));
      payload.set(part, filled);
      filled += part.length;
      next = viewOf(page).getUint32(0);
    }
    return payload;
  }

  async #page(page: number): Promise<Uint8Array> {
    if (page < 1 || page > this.pageCount) throw new SqlitePageError(`page ${page} is not in the file`);
    const logged = this.#log?.pages.offsets.get(page);
    if (this.#log !== undefined && logged !== undefined) {
      return this.#log.source.read(logged, this.pageSizeBytes);
    }
    const offset = (page - 1) * this.pageSizeBytes;
    if (offset + this.pageSizeBytes > this.#source.sizeBytes) {
      throw new SqlitePageError(`page ${page} is not in the file`);
    }
    const window = Math.floor(offset / WINDOW_BYTES);
    const start = offset - window * WINDOW_BYTES;
    return (await this.#window(window)).subarray(start, start + this.pageSizeBytes);
  }

  async #window(window: number): Promise<Uint8Array> {
    const known = this.#windows.get(window);
    this.#windows.delete(window);
    const offset = window * WINDOW_BYTES;
    const lengthBytes = Math.min(WINDOW_BYTES, this.#source.sizeBytes - offset);
    const bytes = known ?? (await this.#source.read(offset, lengthBytes));
    this.#windows.set(window, bytes);
    const [oldest] = this.#windows.keys();
    if (this.#windows.size > WINDOWS_MAX && oldest !== undefined) this.#windows.delete(oldest);
    return bytes;
  }
}

/** The first 100 bytes (section 1.3); undefined where they are not those of a database in UTF-8. */
function databaseHeader(bytes: Uint8Array): { bytes: Uint8Array; pageSizeBytes: number } | undefined {
  const view = viewOf(bytes);
  const declared = view.getUint16(16);
  const pageSizeBytes = declared === 1 ? 65_536 : declared;
  const isDatabase = new TextDecoder('latin1').decode(bytes.subarray(0, 16)) === SQLITE_MAGIC;
  const isUtf8 = view.getUint32(56) <= 1;
  return isDatabase && isUtf8 && isPageSize(pageSizeBytes) ? { bytes, pageSizeBytes } : undefined;
}

interface TreePage {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly type: number;
  readonly cells: readonly number[];
  readonly rightmost: number;
}

function childPages({ bytes, view, cells, rightmost }: TreePage): number[] {
  const inside = cells.filter((cell) => cell + 4 <= bytes.length);
  return [...inside.map((cell) => view.getUint32(cell)), rightmost];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function sliceOf(bytes: Uint8Array, at: number, lengthBytes: number): Uint8Array {
  if (at + lengthBytes > bytes.length) throw new SqlitePageError('it does not fit its page');
  return bytes.subarray(at, at + lengthBytes);
}

const SHORT_VARINT_BYTES = 7;

class VarintReader {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** As a number, without a BigInt for the usual short ones; exact up to 2^53. */
  number(): number {
    const start = this.at;
    let value = 0;
    for (let i = 0; i < SHORT_VARINT_BYTES; i += 1) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw new SqlitePageError('a number does not fit its page');
      this.at += 1;
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    this.at = start;
    return Number(this.varint());
  }

  /** Big-endian groups of 7 bits, at most 9 bytes, of which the last gives 8 bits. */
  varint(): bigint {
    let value = 0n;
    for (let i = 0; i < 9; i += 1) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw new SqlitePageError('a number does not fit its page');
      this.at += 1;
      if (i === 8) return (value << 8n) | BigInt(byte);
      value = (value << 7n) | BigInt(byte & 0x7f);
      if (byte < 0x80) return value;
    }
    return value;
  }
}

const utf8 = new TextDecoder();
const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8];

/** The values of a record: a header of serial types, then the values (section 2.1). */
function recordValues(payload: Uint8Array): SqliteValue[] {
  const header = new VarintReader(payload, 0);
  const headerBytes = header.number();
  if (headerBytes > payload.length) throw new SqlitePageError('its header is longer than the row');
  const values: SqliteValue[] = [];
  let at = headerBytes;
  while (header.at < headerBytes) {
    const serialType = header.number();
    const lengthBytes = lengthOf(serialType);
    const bytes = sliceOf(payload, at, lengthBytes);
    values.push(decodedValue(serialType, bytes));
    at += lengthBytes;
  }
  return values;
}

function lengthOf(serialType: number): number {
  if (serialType >= 12) return Math.floor((serialType - 12) / 2);
  return serialType === 7 ? 8 : (INTEGER_BYTES[serialType] ?? 0);
}

function decodedValue(serialType: number, bytes: Uint8Array): SqliteValue {
  if (serialType >= 12) return serialType % 2 === 0 ? bytes : utf8.decode(bytes);
  if (serialType === 0 || serialType >= 10) return null;
  if (serialType === 7) return viewOf(bytes).getFloat64(0);
  if (serialType >= 8) return serialType - 8;
  if (serialType === 6) return viewOf(bytes).getBigInt64(0);
  let value = (bytes[0]! << 24) >> 24;
  for (let i = 1; i < bytes.length; i += 1) value = value * 256 + bytes[i]!;
  return value;
}
