import { rm } from 'node:fs/promises';
import type {
  OpenTable,
  TableDefinition,
  TableRows,
  TableWriter,
  WrittenTable,
} from '#domain/ports/table-writer.ts';
import { footerOf, layOut, selectionOf } from './column-layout.ts';
import { type CopyOrder, CopyThread, type RunningCopy, type WrittenFile } from './copy-thread.ts';
import { PieceBuilder } from './piece-builder.ts';
import { PieceSpool } from './piece-spool.ts';
import { assertRowsFit, type TablePiece } from './table-piece.ts';

/** A table below this size is written in one go when it is closed. */
const HELD_BYTES_MAX = 4 * 1024 * 1024;
/** What all open tables hold together; above, a table holds no more than its share of it. */
const HELD_TOGETHER_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Writes Parquet with DuckDB's COPY, outside the main thread. A recording has few large tables and a hundred small
 * ones, all open at once: up to `streamsMax` tables that grow beyond 4 MB stream into a thread of their own;
 * further large ones wait in a file; what is held or waits is written by one more thread when it is closed. Where many
 * tables are held, they get large earlier. So memory depends neither on the length of a table nor on their number.
 */
export class ParquetTableWriter implements TableWriter {
  readonly #streamsMax: number;
  readonly #idle: CopyThread[] = [];
  readonly #threads: CopyThread[] = [];
  #closing: CopyThread | undefined;
  /** Tables that hold rows, all of theirs or those of a piece that is not full, and how many bytes of them. */
  readonly #held = new Map<object, number>();
  #heldBytes = 0;
  /** Tables that are written at closing take turns. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: { readonly streamsMax?: number } = {}) {
    this.#streamsMax = options.streamsMax ?? 2;
  }

  async open(localPath: string, definition: TableDefinition): Promise<OpenTable> {
    const columns = layOut(definition);
    const order: CopyOrder = {
      localPath,
      partialPath: `${localPath}.partial`,
      columns: columns.map(({ type }) => ({ type })),
      selection: selectionOf(columns),
      footer: footerOf(definition, columns),
    };
    return new ParquetTable(this, order, definition);
  }

  /** Tells what a table holds now; whether it may. */
  holds(table: object, sizeBytes: number): boolean {
    this.#heldBytes += sizeBytes - (this.#held.get(table) ?? 0);
    if (sizeBytes === 0) this.#held.delete(table);
    else this.#held.set(table, sizeBytes);
    if (sizeBytes > HELD_BYTES_MAX) return false;
    return (
      this.#heldBytes <= HELD_TOGETHER_BYTES_MAX || sizeBytes <= HELD_TOGETHER_BYTES_MAX / this.#held.size
    );
  }

  /** Ends the threads. Tables that are still open fail. */
  async dispose(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  /** A thread for a table that grows, if one is free. To be given back. */
  takeStream(): CopyThread | undefined {
    const idle = this.#idle.pop();
    const streaming = this.#threads.length - (this.#closing === undefined ? 0 : 1);
    return idle ?? (streaming < this.#streamsMax ? this.#newThread() : undefined);
  }

  giveBack(thread: CopyThread): void {
    this.#idle.push(thread);
  }

  /** Writes a table whose rows are all there, after those that were closed before it. */
  writeWhole(
    order: CopyOrder,
    pieces: AsyncIterable<TablePiece> | Iterable<TablePiece>,
  ): Promise<WrittenFile> {
    const write = async (): Promise<WrittenFile> => {
      this.#closing ??= this.#newThread();
      const copy = this.#closing.start(order);
      for await (const piece of pieces) await copy.push(piece);
      return copy.finish();
    };
    const written = this.#turn.then(write, write);
    this.#turn = written.catch(() => undefined);
    return written;
  }

  #newThread(): CopyThread {
    const thread = new CopyThread();
    this.#threads.push(thread);
    return thread;
  }
}

/** Where the rows of an open table are. */
type Holding =
  | { readonly kind: 'held'; readonly pieces: TablePiece[]; sizeBytes: number }
  | { readonly kind: 'waiting'; readonly spool: PieceSpool }
  | { readonly kind: 'streaming'; readonly thread: CopyThread; readonly copy: RunningCopy }
  | { readonly kind: 'closed' };

class ParquetTable implements OpenTable {
  readonly #writer: ParquetTableWriter;
  readonly #order: CopyOrder;
  readonly #definition: TableDefinition;
  readonly #builder: PieceBuilder;
  #holding: Holding = { kind: 'held', pieces: [], sizeBytes: 0 };

  constructor(writer: ParquetTableWriter, order: CopyOrder, definition: TableDefinition) {
    this.#writer = writer;
    this.#order = order;
    this.#definition = definition;
    this.#builder = new PieceBuilder(definition.columns);
  }

  async append(rows: TableRows): Promise<void> {
    assertRowsFit(this.#definition.columns, rows);
    this.#refuseClosed();
    for (const piece of this.#builder.add(rows)) await this.#add(piece);
    const heldBytes = this.#holding.kind === 'held' ? this.#holding.sizeBytes : 0;
    if (this.#writer.holds(this, heldBytes + this.#builder.sizeBytes)) return;
    if (this.#builder.sizeBytes > 0) await this.#add(this.#builder.take());
    if (this.#holding.kind === 'held') await this.#letGo(this.#holding.pieces);
    else this.#writer.holds(this, 0);
  }

  async close(): Promise<WrittenTable> {
    this.#refuseClosed();
    if (this.#builder.sizeBytes > 0) await this.#add(this.#builder.take());
    const holding = this.#takeHolding();
    const { rowCount, sizeBytes, sha256 } = await this.#finish(holding);
    return { localPath: this.#order.localPath, rowCount, sizeBytes, sha256 };
  }

  async abort(): Promise<void> {
    if (this.#holding.kind === 'closed') return;
    const holding = this.#takeHolding();
    if (holding.kind === 'waiting') await holding.spool.remove();
    if (holding.kind === 'streaming') {
      await holding.copy.abort();
      this.#writer.giveBack(holding.thread);
    }
    await rm(this.#order.partialPath, { force: true });
  }

  async #add(piece: TablePiece): Promise<void> {
    const holding = this.#holding;
    if (holding.kind === 'streaming') return holding.copy.push(piece);
    if (holding.kind === 'waiting') return holding.spool.add(piece);
    if (holding.kind === 'closed') return;
    holding.pieces.push(piece);
    holding.sizeBytes += piece.sizeBytes;
    if (holding.sizeBytes > HELD_BYTES_MAX) await this.#letGo(holding.pieces);
  }

  /** The table is a large one: into a thread, or into a file until it is closed. */
  async #letGo(pieces: readonly TablePiece[]): Promise<void> {
    this.#writer.holds(this, 0);
    const thread = this.#writer.takeStream();
    if (thread !== undefined) {
      const copy = thread.start(this.#order);
      this.#holding = { kind: 'streaming', thread, copy };
      for (const piece of pieces) await copy.push(piece);
      return;
    }
    const spool = await PieceSpool.create(`${this.#order.localPath}.waiting`);
    this.#holding = { kind: 'waiting', spool };
    for (const piece of pieces) await spool.add(piece);
  }

  async #finish(holding: Exclude<Holding, { kind: 'closed' }>): Promise<WrittenFile> {
    if (holding.kind === 'held') return this.#writer.writeWhole(this.#order, holding.pieces);
    if (holding.kind === 'waiting') {
      try {
        return await this.#writer.writeWhole(this.#order, holding.spool.pieces());
      } finally {
        await holding.spool.remove();
      }
    }
    try {
      return await holding.copy.finish();
    } finally {
      this.#writer.giveBack(holding.thread);
    }
  }

  #takeHolding(): Exclude<Holding, { kind: 'closed' }> {
    const holding = this.#holding;
    if (holding.kind === 'closed') throw new Error(`${this.#order.localPath} is closed already.`);
    this.#holding = { kind: 'closed' };
    this.#writer.holds(this, 0);
    return holding;
  }

  #refuseClosed(): void {
    if (this.#holding.kind === 'closed')
      throw new Error(`${this.#order.localPath} is closed; open it again.`);
  }
}
