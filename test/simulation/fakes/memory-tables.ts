import { createHash } from 'node:crypto';
import { serialize } from 'node:v8';
import { TerminalFailure } from '#domain/failures.ts';
import type { StoredRows, StoredTable, TableReader } from '#domain/ports/table-reader.ts';
import type {
  OpenTable,
  TableColumnType,
  TableDefinition,
  TableRows,
  TableScalarType,
  TableValues,
  TableWriter,
  WrittenTable,
} from '#domain/ports/table-writer.ts';

/** One value of a column; absent is null. Flags are 0 and 1, texts their bytes. */
type Cell = number | bigint | Uint8Array | readonly Cell[] | undefined;
type Row = readonly Cell[];

interface HeldTable {
  readonly definition: TableDefinition;
  readonly rows: readonly Row[];
}

const BATCH_ROWS_MAX = 65_536;

const ARRAY_OF = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  timestamp: BigInt64Array,
  duration: BigInt64Array,
} as const satisfies Readonly<Record<Exclude<TableScalarType, 'string' | 'bytes'>, unknown>>;

/** Tables as rows of values. What one has written is there for the others that are given the same instance. */
export class MemoryTables implements TableWriter, TableReader {
  readonly #tables = new Map<string, HeldTable>();

  async open(localPath: string, definition: TableDefinition): Promise<OpenTable> {
    if (definition.columns.length === 0) throw new TypeError('A table without columns cannot be stored.');
    const rows: Row[] = [];
    let open = true;
    const end = () => {
      if (!open) throw new Error(`${localPath} is closed already.`);
      open = false;
    };
    return {
      append: async (added) => {
        if (!open) throw new Error(`${localPath} is closed; open it again.`);
        rows.push(...rowsOf(definition, added));
      },
      close: async () => {
        end();
        this.#tables.set(localPath, { definition, rows });
        return written(localPath, definition, rows);
      },
      abort: async () => {
        open = false;
      },
    };
  }

  async describe(localPath: string): Promise<StoredTable> {
    const { definition, rows } = this.#table(localPath);
    return { definition, rowCount: rows.length };
  }

  async *read(
    localPath: string,
    columns?: readonly string[],
    options: { readonly orderedBy?: string } = {},
  ): AsyncGenerator<StoredRows> {
    const { definition, rows } = this.#table(localPath);
    const indexOf = (name: string): number => {
      const index = definition.columns.findIndex((column) => column.name === name);
      if (index !== -1) return index;
      const known = definition.columns.map((column) => column.name).join(', ');
      throw new TerminalFailure('not-found', `${localPath} has no column ${name}. It has: ${known}.`);
    };
    const selected = (columns ?? definition.columns.map(({ name }) => name)).map(indexOf);
    const read = {
      columns: selected.map((index) => definition.columns[index]!),
      metadata: definition.metadata,
    };
    const ordered = options.orderedBy === undefined ? rows : sorted(rows, indexOf(options.orderedBy));
    for (let start = 0; start < ordered.length; start += BATCH_ROWS_MAX) {
      const batch = ordered.slice(start, start + BATCH_ROWS_MAX);
      const cells = selected.map((index) => batch.map((row) => row[index]));
      const values = cells.map((of, index) => columnOf(of, read.columns[index]!.type));
      yield { rowCount: batch.length, columns: values, definition: read };
    }
  }

  #table(localPath: string): HeldTable {
    const table = this.#tables.get(localPath);
    if (table !== undefined) return table;
    throw new TerminalFailure('file-unreadable', `${localPath} cannot be read: no table was written there.`);
  }
}

function written(localPath: string, definition: TableDefinition, rows: readonly Row[]): WrittenTable {
  const content = serialize({ definition, rows });
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { localPath, rowCount: rows.length, sizeBytes: content.length, sha256 };
}

/** Ascending, nulls last; `toSorted` leaves equal rows in their order. */
function sorted(rows: readonly Row[], index: number): readonly Row[] {
  return rows.toSorted(({ [index]: a }, { [index]: b }) => {
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
    if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array);
    return a < b ? -1 : Number(a > b);
  });
}

/** @throws {TypeError} naming the column whose values do not fit it. */
function rowsOf({ columns }: TableDefinition, { rowCount, columns: given }: TableRows): Row[] {
  if (given.length !== columns.length)
    throw new TypeError(`The table has ${columns.length} columns, the rows have ${given.length}.`);
  const cells = columns.map(({ name, type }, index) => {
    const { values, validity } = given[index]!;
    const all = cellsOf(name, type, values, rowCount);
    return validity === undefined ? all : all.map((cell, row) => (validity[row] === 1 ? cell : undefined));
  });
  return Array.from({ length: rowCount }, (_, row) => cells.map((column) => column[row]));
}

function cellsOf(name: string, type: TableColumnType, values: TableValues, count: number): Cell[] {
  if (typeof type === 'string' && type !== 'string' && type !== 'bytes') {
    const ofType = ARRAY_OF[type];
    if (!(values instanceof ofType)) throw new TypeError(`Column ${name}: ${type} needs a ${ofType.name}.`);
    if (values.length < count)
      throw new TypeError(`Column ${name}: ${values.length} values for ${count} rows.`);
    const cells = [...values.subarray(0, count)];
    return type === 'bool' ? cells.map((cell) => Number(cell !== 0)) : cells;
  }
  const kind = typeof type === 'object' ? 'list' : 'variable';
  if (!('kind' in values) || values.kind !== kind)
    throw new TypeError(`Column ${name}: a ${kind} is expected.`);
  const end = values.offsets[count];
  const held = values.kind === 'list' ? lengthOf(values.items) : values.bytes.length;
  if (end === undefined || end > held)
    throw new TypeError(`Column ${name}: ${held} values for ${end ?? 'too few offsets'}.`);
  const parts: Cell[] | Uint8Array =
    typeof type === 'object' && values.kind === 'list'
      ? cellsOf(name, type.list, values.items, end)
      : (values as { readonly bytes: Uint8Array }).bytes;
  return Array.from({ length: count }, (_, row) =>
    parts.slice(values.offsets[row]!, values.offsets[row + 1]!),
  );
}

function lengthOf(values: TableValues): number {
  return 'kind' in values ? values.offsets.length - 1 : values.length;
}

function columnOf(cells: readonly Cell[], type: TableColumnType): StoredRows['columns'][number] {
  const values = valuesOf(cells, type);
  if (!cells.includes(undefined)) return { values };
  return { values, validity: Uint8Array.from(cells, (cell) => Number(cell !== undefined)) };
}

function valuesOf(cells: readonly Cell[], type: TableColumnType): TableValues {
  if (typeof type === 'string' && type !== 'string' && type !== 'bytes') {
    const values = new ARRAY_OF[type](cells.length);
    for (const [row, cell] of cells.entries()) if (cell !== undefined) values[row] = cell as never;
    return values;
  }
  const parts = cells.map((cell) => (cell ?? []) as Uint8Array | readonly Cell[]);
  const offsets = new Uint32Array(cells.length + 1);
  for (const [row, part] of parts.entries()) offsets[row + 1] = offsets[row]! + part.length;
  if (typeof type === 'object')
    return { kind: 'list', offsets, items: valuesOf((parts as Cell[][]).flat(), type.list) };
  return {
    kind: 'variable',
    offsets,
    bytes: Uint8Array.from((parts as Uint8Array[]).flatMap((part) => [...part])),
  };
}
