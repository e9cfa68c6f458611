import { rm } from 'node:fs/promises';
import { type DuckDBConnection, type DuckDBDataChunk, DuckDBInstance } from '@duckdb/node-api';
import { z } from 'zod';
import { TerminalFailure } from '#domain/failures.ts';
import type { StoredRows, StoredTable, TableReader } from '#domain/ports/table-reader.ts';
import type { TableColumnType, TableScalarType } from '#domain/ports/table-writer.ts';
import {
  COLUMNS_KEY,
  quoteName,
  quoteText,
  type StoredColumn,
  scalarOf,
  TABLE_KEY,
} from './column-layout.ts';
import { columnOf } from './vector-reading.ts';

const BATCH_ROWS_MAX = 65_536;
/** Wide rows make smaller batches, down to what DuckDB hands out at once. */
const BATCH_CELLS_MAX = 131_072;
const CHUNK_ROWS = 2048;
/** A sort that needs more than this goes on in files. */
const SORT_MEMORY = '256MB';

const OFFLINE = { threads: '1', autoinstall_known_extensions: 'false' } as const;

const SCALAR_OF_DUCKDB: Readonly<Record<string, TableScalarType>> = {
  BOOLEAN: 'bool',
  TINYINT: 'int8',
  UTINYINT: 'uint8',
  SMALLINT: 'int16',
  USMALLINT: 'uint16',
  INTEGER: 'int32',
  UINTEGER: 'uint32',
  BIGINT: 'int64',
  UBIGINT: 'uint64',
  FLOAT: 'float32',
  DOUBLE: 'float64',
  TIMESTAMP: 'timestamp',
  TIMESTAMP_S: 'timestamp',
  TIMESTAMP_MS: 'timestamp',
  TIMESTAMP_NS: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
  VARCHAR: 'string',
  BLOB: 'bytes',
};

const StoredColumnsText = z.string().transform((text) => JSON.parse(text) as readonly StoredColumn[]);
const TableFactsText = z
  .string()
  .transform((text) => z.record(z.string(), z.string()).parse(JSON.parse(text)));

interface Footer {
  readonly table: StoredTable;
  readonly columns: readonly StoredColumn[];
}

/** Reads Parquet files with DuckDB, streaming: memory is bounded by a row group. */
export class ParquetTableReader implements TableReader {
  #instance: Promise<DuckDBInstance> | undefined;

  async describe(localPath: string): Promise<StoredTable> {
    return this.#withConnection(
      localPath,
      async (connection) => (await readFooter(connection, localPath)).table,
    );
  }

  async *read(
    localPath: string,
    columns?: readonly string[],
    options: { readonly orderedBy?: string } = {},
  ): AsyncGenerator<StoredRows> {
    const { orderedBy } = options;
    if (orderedBy === undefined) {
      yield* readRows(await this.#connect(), localPath, columns);
      return;
    }
    const spillFolder = `${localPath}.sorting`;
    const instance = await DuckDBInstance.create(':memory:', {
      ...OFFLINE,
      memory_limit: SORT_MEMORY,
      temp_directory: spillFolder,
    });
    try {
      yield* readRows(await instance.connect(), localPath, columns, orderedBy);
    } finally {
      instance.closeSync();
      await rm(spillFolder, { recursive: true, force: true });
    }
  }

  async #withConnection<T>(
    localPath: string,
    work: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T> {
    const connection = await this.#connect();
    try {
      return await unreadableOnFailure(localPath, work(connection));
    } finally {
      connection.closeSync();
    }
  }

  async #connect(): Promise<DuckDBConnection> {
    this.#instance ??= DuckDBInstance.create(':memory:', {
      ...OFFLINE,
      memory_limit: '512MB',
      temp_directory: '',
    });
    return (await this.#instance).connect();
  }
}

async function* readRows(
  connection: DuckDBConnection,
  localPath: string,
  columns: readonly string[] | undefined,
  orderedBy?: string,
): AsyncGenerator<StoredRows> {
  try {
    const { table, columns: stored } = await unreadableOnFailure(
      localPath,
      readFooter(connection, localPath),
    );
    const selected =
      columns === undefined ? stored : columns.map((name) => columnNamed(localPath, stored, name));
    const definition = {
      columns: selected.map(({ storedAs, nanosecondsIn, ...column }) => column),
      metadata: table.definition.metadata,
    };
    const expressions = selected.map(expressionOf);
    const listed = expressions.length === 0 ? '1' : expressions.join(', ');
    const query =
      orderedBy === undefined
        ? `SELECT ${listed} FROM ${fileOf(localPath)}`
        : `SELECT ${listed} FROM ${fileOf(localPath, 'file_row_number = true')}
         ORDER BY ${expressionOf(columnNamed(localPath, stored, orderedBy))}, file_row_number`;
    const chunksMax = chunksPerBatch(selected.length);
    const result = await unreadableOnFailure(localPath, connection.stream(query));
    let chunks: DuckDBDataChunk[] = [];
    const take = (): StoredRows => {
      const rowCount = chunks.reduce((sum, chunk) => sum + chunk.rowCount, 0);
      const values = selected.map((column, index) => columnOf(chunks, index, column.type));
      chunks = [];
      return { rowCount, columns: values, definition };
    };
    for (;;) {
      const chunk = await unreadableOnFailure(localPath, result.fetchChunk());
      if (chunk === null || chunk.rowCount === 0) break;
      chunks.push(chunk);
      if (chunks.length === chunksMax) yield take();
    }
    if (chunks.length > 0) yield take();
  } finally {
    connection.closeSync();
  }
}

function chunksPerBatch(columnCount: number): number {
  const rows = Math.min(BATCH_ROWS_MAX, BATCH_CELLS_MAX / Math.max(1, columnCount));
  return Math.max(1, Math.floor(rows / CHUNK_ROWS));
}

async function unreadableOnFailure<T>(localPath: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new TerminalFailure(
      'file-unreadable',
      `${localPath} cannot be read as Parquet: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

async function readFooter(connection: DuckDBConnection, localPath: string): Promise<Footer> {
  const pairs = await connection.runAndReadAll(
    `SELECT decode(key) AS key, decode(value) AS value FROM parquet_kv_metadata(${quoteText(localPath)})
     WHERE decode(key) IN (${quoteText(TABLE_KEY)}, ${quoteText(COLUMNS_KEY)})`,
  );
  const footer = new Map(pairs.getRowObjects().map((row) => [String(row['key']), row['value']]));
  const counted = await connection.runAndReadAll(
    `SELECT num_rows AS count FROM parquet_file_metadata(${quoteText(localPath)})`,
  );
  const columns = footer.has(COLUMNS_KEY)
    ? StoredColumnsText.parse(footer.get(COLUMNS_KEY))
    : await foreignColumns(connection, localPath);
  const metadata = footer.has(TABLE_KEY) ? TableFactsText.parse(footer.get(TABLE_KEY)) : {};
  const definition = { columns: columns.map(({ storedAs, nanosecondsIn, ...column }) => column), metadata };
  return { table: { definition, rowCount: Number(counted.getRowObjects()[0]?.['count'] ?? 0) }, columns };
}

async function foreignColumns(
  connection: DuckDBConnection,
  localPath: string,
): Promise<readonly StoredColumn[]> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${fileOf(localPath)}`);
  return described.getRowObjects().flatMap((row) => {
    const name = String(row['column_name']);
    const type = typeOfDuckdb(String(row['column_type']));
    return type === undefined ? [] : [{ name, type, storedAs: name }];
  });
}

function typeOfDuckdb(text: string): TableColumnType | undefined {
  if (!text.endsWith('[]')) return SCALAR_OF_DUCKDB[text];
  const item = typeOfDuckdb(text.slice(0, -2));
  return item === undefined ? undefined : { list: item };
}

function fileOf(localPath: string, ...options: readonly string[]): string {
  return `read_parquet(${[quoteText(localPath), ...options].join(', ')})`;
}

function columnNamed(localPath: string, columns: readonly StoredColumn[], name: string): StoredColumn {
  const column = columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  const known = columns.map((candidate) => candidate.name).join(', ');
  throw new TerminalFailure('not-found', `${localPath} has no column ${name}. It has: ${known}.`);
}

/** Texts as their bytes and times as nanoseconds, which is what the arrays hold. */
function expressionOf(column: StoredColumn): string {
  if (column.nanosecondsIn !== undefined) return quoteName(column.nanosecondsIn);
  const scalar = scalarOf(column.type);
  const convert = (value: string): string => {
    if (scalar === 'string') return `encode(${value})`;
    if (scalar === 'timestamp') return `epoch_ns(${value})`;
    return value;
  };
  return converted(quoteName(column.storedAs), column.type, convert, 0);
}

function converted(
  value: string,
  type: TableColumnType,
  convert: (value: string) => string,
  depth: number,
): string {
  if (typeof type !== 'object' || convert('x') === 'x')
    return typeof type === 'object' ? value : convert(value);
  const item = `item${depth}`;
  return `list_transform(${value}, lambda ${item}: ${converted(item, type.list, convert, depth + 1)})`;
}
