/** Writes one table; structurally fed with the batches of src/formats (recording-reader.ts). */
export interface TableColumn {
  readonly name: string;
  readonly type: TableColumnType;
  readonly unit?: string;
  readonly description?: string;
  readonly choices?: Readonly<Record<string, string>>;
  readonly source?: string;
}

export type TableScalarType =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float32'
  | 'float64'
  | 'timestamp'
  | 'duration'
  | 'string'
  | 'bytes';
export type TableColumnType = TableScalarType | { readonly list: TableColumnType };

/** As it stands in manifests and in `--json`: `float64`, `list<uint8>`. */
export function columnTypeText(type: TableColumnType): string {
  return typeof type === 'string' ? type : `list<${columnTypeText(type.list)}>`;
}

export type TableValues =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | { readonly kind: 'variable'; readonly offsets: Uint32Array; readonly bytes: Uint8Array }
  | { readonly kind: 'list'; readonly offsets: Uint32Array; readonly items: TableValues };

export interface TableRows {
  readonly rowCount: number;
  readonly columns: readonly { readonly values: TableValues; readonly validity?: Uint8Array }[];
}

export interface TableDefinition {
  readonly columns: readonly TableColumn[];
  /** Facts for the table's own metadata: source file, topic, schema name, clock. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface WrittenTable {
  readonly localPath: string;
  readonly rowCount: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * One Parquet file. `timestamp` columns become TIMESTAMP(MICROS, UTC) plus an int64 `<name>_ns` column, so that
 * Spark reads the first and nobody loses the second. Memory is bounded by a row group.
 */
export interface TableWriter {
  open(localPath: string, definition: TableDefinition): Promise<OpenTable>;
}

export interface OpenTable {
  /** Resolves when the writer can take more. The arrays may not be changed before. */
  append(rows: TableRows): Promise<void>;
  close(): Promise<WrittenTable>;
  /** Gives up; removes what was written. */
  abort(): Promise<void>;
}
