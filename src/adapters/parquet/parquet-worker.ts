// The thread that writes Parquet. DuckDB pulls rows through a synchronous callback; here it may wait for them.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  DuckDBTableFunction,
  type DuckDBTableFunctionInfo,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import type { TableColumn } from '#domain/ports/table-writer.ts';
import { quoteText } from './column-layout.ts';
import { duckdbTypeOf } from './duckdb-types.ts';
import { releasePiece, type TablePiece } from './table-piece.ts';
import { fillValidity, fillVector } from './vector-filling.ts';

/** Main to worker: write this table. Its rows come through `rows`, counted up in `signal` after each message. */
export interface WriteOrder {
  readonly partialPath: string;
  readonly localPath: string;
  readonly columns: readonly Pick<TableColumn, 'type'>[];
  readonly selection: string;
  readonly footer: string;
  readonly rows: MessagePort;
  readonly signal: Int32Array<SharedArrayBuffer>;
}
export type RowMessage =
  | { readonly kind: 'rows'; readonly piece: TablePiece }
  | { readonly kind: 'end' }
  | { readonly kind: 'abort' };
/** Worker to main. */
export type WriteReport =
  | { readonly kind: 'took' }
  | {
      readonly kind: 'written';
      readonly rowCount: number;
      readonly sizeBytes: number;
      readonly sha256: string;
    }
  | { readonly kind: 'failed'; readonly message: string };

const CHUNK_ROWS_MAX = duckdb.vector_size();
/** A row group ends at whichever comes first; 32 MB bounds the memory of tables with wide rows. */
const ROW_GROUP_ROWS = 122_880;
const ROW_GROUP_BYTES = 32 * 1024 * 1024;
/**
 * Values in a dictionary, at most. DuckDB's own limit, a fifth of the row group, makes it look up measured numbers for
 * long before it gives up: a quarter of the processor time, for files that are no smaller.
 */
const DICTIONARY_VALUES_MAX = 4096;

/** The rows of the order that is being written, handed out in chunks. */
class RowSource {
  readonly #order: WriteOrder;
  #piece: TablePiece | undefined;
  #position = 0;
  rowCount = 0;

  constructor(order: WriteOrder) {
    this.#order = order;
  }

  get columns(): WriteOrder['columns'] {
    return this.#order.columns;
  }

  fill(chunk: DuckDBDataChunk, info: DuckDBTableFunctionInfo): void {
    while (this.#piece === undefined || this.#position === this.#piece.rowCount) {
      if (this.#piece !== undefined) releasePiece(this.#piece);
      this.#piece = undefined;
      const message = this.#next();
      if (message.kind === 'abort') info.setError('The table was given up.');
      if (message.kind !== 'rows') {
        chunk.rowCount = 0;
        return;
      }
      this.#piece = message.piece;
      this.#position = 0;
      report({ kind: 'took' });
    }
    const start = this.#position;
    const end = Math.min(this.#piece.rowCount, start + CHUNK_ROWS_MAX);
    chunk.rowCount = end - start;
    for (const [index, { values, validity }] of this.#piece.columns.entries()) {
      const vector = duckdb.data_chunk_get_vector(chunk.chunk, index);
      fillVector(vector, this.#order.columns[index]!.type, values, start, end);
      if (validity !== undefined) fillValidity(vector, validity, start, end);
    }
    this.#position = end;
    this.rowCount += end - start;
  }

  /** Sleeps until there is a message. The count is read before looking, so that no signal is missed. */
  #next(): RowMessage {
    for (;;) {
      const seen = Atomics.load(this.#order.signal, 0);
      const received = receiveMessageOnPort(this.#order.rows);
      if (received !== undefined) return received.message as RowMessage;
      Atomics.wait(this.#order.signal, 0, seen);
    }
  }
}

let current: RowSource | undefined;

async function connect(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: '512MB',
    temp_directory: '',
    autoinstall_known_extensions: 'false',
    // With one thread the order is kept all the same; this only allows a row group to be bounded by bytes.
    preserve_insertion_order: 'false',
  });
  const connection = await instance.connect();
  connection.registerTableFunction(
    DuckDBTableFunction.create({
      name: 'rows',
      bindFunction: (info) => {
        for (const [index, column] of current!.columns.entries())
          info.addResultColumn(`c${index}`, duckdbTypeOf(column.type));
      },
      initFunction: () => undefined,
      mainFunction: (info, chunk) => current!.fill(chunk, info),
    }),
  );
  return connection;
}

async function write(connection: DuckDBConnection, order: WriteOrder): Promise<WriteReport> {
  current = new RowSource(order);
  const options = [
    'FORMAT parquet, COMPRESSION zstd',
    `ROW_GROUP_SIZE ${ROW_GROUP_ROWS}, ROW_GROUP_SIZE_BYTES ${ROW_GROUP_BYTES}`,
    `DICTIONARY_SIZE_LIMIT ${DICTIONARY_VALUES_MAX}`,
    `USE_TMP_FILE false, KV_METADATA ${order.footer}`,
  ].join(', ');
  try {
    await connection.run(`COPY (${order.selection}) TO ${quoteText(order.partialPath)} (${options})`);
    const { sizeBytes, sha256 } = seal(order.partialPath);
    fs.renameSync(order.partialPath, order.localPath);
    return { kind: 'written', rowCount: current.rowCount, sizeBytes, sha256 };
  } catch (error) {
    // Whatever it was, the caller hears it as the failure of this table; a partial file helps nobody.
    fs.rmSync(order.partialPath, { force: true });
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
  } finally {
    order.rows.close();
    current = undefined;
  }
}

/** Hash of the finished file, which is also forced to the disk before it gets its name. */
function seal(path: string): { sizeBytes: number; sha256: string } {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  const file = fs.openSync(path, 'r+');
  try {
    let sizeBytes = 0;
    for (let read = fs.readSync(file, buffer); read > 0; read = fs.readSync(file, buffer)) {
      hash.update(buffer.subarray(0, read));
      sizeBytes += read;
    }
    fs.fsyncSync(file);
    return { sizeBytes, sha256: hash.digest('hex') };
  } finally {
    fs.closeSync(file);
  }
}

function report(message: WriteReport): void {
  parentPort!.postMessage(message);
}

const connected = connect();
parentPort!.on('message', async (order: WriteOrder) => {
  report(await write(await connected, order));
});
