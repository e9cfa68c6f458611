import { type ByteSource, GrowingBytes } from '../byte-source.ts';
import { SourceWindows } from './source-windows.ts';
import { RecordPlaces, SqlitePageError, type SqliteValue } from './sqlite-record.ts';
import { type PagePlace, RowFront, TreePage, uint16, uint32 } from './sqlite-tree-page.ts';
import { isPageSize, readWriteAheadLog, type WriteAheadLog } from './write-ahead-log.ts';

/**
 * Reads tables of an SQLite database by range, as rosbag2 needs it: row after row, without a copy of the file and
 * without memory for more than some megabytes of it. Source: sqlite.org/fileformat2.html (sections 1.3, 1.6, 2.1).
 * Pages that a write-ahead log beside the file holds newer are taken from there.
 */
const SQLITE_MAGIC = 'SQLite format 3\0';

export interface SqliteRow {
  readonly rowId: number;
  readonly values: readonly SqliteValue[];
}

/** A write-ahead log and what it holds. */
interface LogBeside {
  readonly windows: SourceWindows;
  readonly pages: WriteAheadLog;
}

const HEADER_BYTES = 100;
/** The file format version of databases with a write-ahead log. */
const WRITE_AHEAD_VERSION = 2;
const DEPTH_MAX = 40;
const ROW_BYTES_MIN = 8;
/** The largest blob SQLite itself allows. */
const PAYLOAD_BYTES_MAX = 2 ** 31;

export class SqlitePages {
  readonly pageSizeBytes: number;
  readonly pageCount: number;
  /** No whole file of this database had more rows: each takes some bytes. */
  readonly rowsMax: number;
  /** Whether its writer keeps a write-ahead log, and whether one lies beside it. */
  readonly writeAheadLog: 'none' | 'read' | 'missing';
  /** Bytes of a transaction that the writer began and did not commit. */
  readonly uncommittedBytes: number;
  readonly #sizeBytes: number;
  readonly #windows: SourceWindows;
  readonly #log: LogBeside | undefined;
  readonly #usableBytes: number;
  #rowIdMax = 0;

  private constructor(
    source: ByteSource,
    pageSizeBytes: number,
    header: Uint8Array,
    log: LogBeside | undefined,
  ) {
    this.#sizeBytes = source.sizeBytes;
    this.#windows = new SourceWindows(source, 0);
    this.#log = log;
    const isLogged = header[19] === WRITE_AHEAD_VERSION;
    this.writeAheadLog = log !== undefined ? 'read' : isLogged ? 'missing' : 'none';
    this.uncommittedBytes = log?.pages.uncommittedBytes ?? 0;
    this.pageSizeBytes = pageSizeBytes;
    const filePages = Math.floor(source.sizeBytes / pageSizeBytes);
    const inLog = log?.pages;
    // Pages behind the end of the file are in the log, whatever it claims.
    this.pageCount = Math.max(
      filePages,
      Math.min(inLog?.pageCount ?? 0, filePages + (inLog?.offsets.size ?? 0)),
    );
    this.#usableBytes = pageSizeBytes - header[20]!;
    const declaredPages = uint32(header, 28);
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
    // Frames of the log have headers, so that pages lie across the borders of its windows.
    const beside = log && pages && { windows: new SourceWindows(log, pageSizeBytes), pages };
    return new SqlitePages(source, pageSizeBytes, bytes, beside);
  }

  /** The highest row id that interior pages of tables read so far speak of; leaves may hold higher ones. */
  get rowIdMax(): number {
    return this.#rowIdMax;
  }

  /**
   * The pages that hold the rows of the table whose tree begins at `rootPage`, in order of row id. Those that are
   * damaged are told to `onDamage`, behind the pages in front of them, and left out.
   */
  async *leaves(rootPage: number, onDamage: (what: string) => void): AsyncGenerator<TreePage> {
    const seen = new Uint8Array(Math.ceil((this.pageCount + 1) / 8));
    const pending = [{ page: rootPage, depth: 0 }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { page, depth } = next;
      const bit = 1 << (page & 7);
      if ((seen[page >>> 3]! & bit) !== 0 || depth > DEPTH_MAX) {
        onDamage(`page ${page} is linked twice`);
        continue;
      }
      seen[page >>> 3]! |= bit;
      let tree: TreePage;
      try {
        tree = this.#heldTree(page) ?? (await this.#tree(page));
      } catch (error) {
        if (!(error instanceof SqlitePageError)) throw error;
        onDamage(error.message);
        continue;
      }
      if (!tree.isTable) {
        onDamage(`page ${page} is no page of a table`);
      } else if (tree.isLeaf) {
        yield tree;
      } else {
        // Keys of interior pages tell which rows there must be, even where their pages are gone.
        this.#rowIdMax = Math.max(this.#rowIdMax, tree.lastKey() ?? 0);
        pending.push({ page: tree.rightmost, depth: depth + 1 });
        for (let index = tree.cellCount - 1; index >= 0; index -= 1) {
          const child = tree.child(index);
          if (child !== undefined) pending.push({ page: child, depth: depth + 1 });
        }
      }
    }
  }

  /** Rows of a small table, as values. Pages and rows that are damaged are told to `onDamage` and left out. */
  async *rows(rootPage: number, onDamage: (what: string) => void): AsyncGenerator<SqliteRow> {
    const front = new RowFront();
    const record = new RecordPlaces();
    for await (const leaf of this.leaves(rootPage, onDamage)) {
      for (let index = 0; index < leaf.cellCount; index += 1) {
        try {
          front.read(leaf, index);
          if (this.fitsItsPage(leaf, front)) {
            record.read(leaf.bytes, front.payloadStart, front.payloadStart + front.payloadBytes);
          } else {
            const payload = new GrowingBytes(this.pageSizeBytes);
            await this.appendLongPayload(leaf, front, payload);
            record.read(payload.bytes(), 0, payload.sizeBytes);
          }
        } catch (error) {
          if (!(error instanceof SqlitePageError)) throw error;
          onDamage(`a row on page ${leaf.page}: ${error.message}`);
          continue;
        }
        yield { rowId: front.rowId, values: record.values() };
      }
    }
  }

  /**
   * Whether the record of a row lies in its page; otherwise it goes on in overflow pages.
   * @throws {SqlitePageError} when it cannot be as long as it claims.
   */
  fitsItsPage(leaf: TreePage, { payloadBytes, payloadStart }: RowFront): boolean {
    if (payloadBytes > PAYLOAD_BYTES_MAX || payloadBytes > this.pageCount * this.pageSizeBytes) {
      throw new SqlitePageError(`it claims ${payloadBytes} bytes`);
    }
    if (payloadBytes > this.#usableBytes - 35) return false;
    if (payloadStart + payloadBytes > leaf.end) throw new SqlitePageError('it does not fit its page');
    return true;
  }

  /**
   * Appends a record that does not fit its page and goes on in overflow pages (section 1.6).
   * @throws {SqlitePageError} when they end too early; what they hold up to there was appended.
   */
  async appendLongPayload(
    leaf: TreePage,
    { payloadBytes, payloadStart }: RowFront,
    target: { append(part: Uint8Array): void },
  ): Promise<void> {
    const usable = this.#usableBytes;
    const localMax = usable - 35;
    const localMin = Math.floor(((usable - 12) * 32) / 255) - 23;
    const spread = localMin + ((payloadBytes - localMin) % (usable - 4));
    const localEnd = payloadStart + (spread <= localMax ? spread : localMin);
    if (localEnd + 4 > leaf.end) throw new SqlitePageError('it does not fit its page');
    target.append(leaf.bytes.subarray(payloadStart, localEnd));
    let next = uint32(leaf.bytes, localEnd);
    for (let left = payloadBytes - (localEnd - payloadStart); left > 0; ) {
      const { bytes, start } = this.#held(next) ?? (await this.#page(next));
      const partBytes = Math.min(usable - 4, left);
      target.append(bytes.subarray(start + 4, start + 4 + partBytes));
      left -= partBytes;
      next = uint32(bytes, start);
    }
  }

  /** The values of the first or last entry of an index; undefined where the index is empty or damaged. */
  async indexEdge(rootPage: number, edge: 'first' | 'last'): Promise<readonly SqliteValue[] | undefined> {
    try {
      let page = rootPage;
      for (let depth = 0; depth <= DEPTH_MAX; depth += 1) {
        const tree = await this.#tree(page);
        if (tree.isTable || tree.cellCount === 0) return undefined;
        if (tree.isLeaf) return tree.indexEntry(edge === 'first' ? 0 : tree.cellCount - 1);
        const next = edge === 'first' ? tree.child(0) : tree.rightmost;
        if (next === undefined) return undefined;
        page = next;
      }
    } catch (error) {
      if (!(error instanceof SqlitePageError)) throw error;
    }
    return undefined;
  }

  #heldTree(page: number): TreePage | undefined {
    const place = this.#held(page);
    return place && new TreePage(page, place, this.#usableBytes);
  }

  async #tree(page: number): Promise<TreePage> {
    return new TreePage(page, await this.#page(page), this.#usableBytes);
  }

  /** A page that is in memory: waiting for what is there already would cost more than what is done with it. */
  #held(page: number): PagePlace | undefined {
    const { windows, offset } = this.#placeOf(page);
    const bytes = windows.held(offset);
    return bytes && { bytes, start: windows.startOf(offset) };
  }

  async #page(page: number): Promise<PagePlace> {
    const { windows, offset } = this.#placeOf(page);
    const bytes = windows.held(offset) ?? (await windows.load(offset));
    return { bytes, start: windows.startOf(offset) };
  }

  #placeOf(page: number): { readonly windows: SourceWindows; readonly offset: number } {
    if (page < 1 || page > this.pageCount) throw new SqlitePageError(`page ${page} is not in the file`);
    const logged = this.#log?.pages.offsets.get(page);
    if (this.#log !== undefined && logged !== undefined)
      return { windows: this.#log.windows, offset: logged };
    const offset = (page - 1) * this.pageSizeBytes;
    if (offset + this.pageSizeBytes > this.#sizeBytes) {
      throw new SqlitePageError(`page ${page} is not in the file`);
    }
    return { windows: this.#windows, offset };
  }
}

/** The first 100 bytes (section 1.3); undefined where they are not those of a database in UTF-8. */
function databaseHeader(bytes: Uint8Array): { bytes: Uint8Array; pageSizeBytes: number } | undefined {
  const declared = uint16(bytes, 16);
  const pageSizeBytes = declared === 1 ? 65_536 : declared;
  const isDatabase = new TextDecoder('latin1').decode(bytes.subarray(0, 16)) === SQLITE_MAGIC;
  const isUtf8 = uint32(bytes, 56) <= 1;
  return isDatabase && isUtf8 && isPageSize(pageSizeBytes) ? { bytes, pageSizeBytes } : undefined;
}
