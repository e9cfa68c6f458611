import type {
  TableColumn,
  TableColumnType,
  TableDefinition,
  TableScalarType,
} from '#domain/ports/table-writer.ts';

/** How the columns of a table lie in Parquet. Pure: names, SQL and metadata, no files. */

export function scalarOf(type: TableColumnType): TableScalarType {
  return typeof type === 'object' ? scalarOf(type.list) : type;
}

/** Keys in the Parquet footer. Their values are JSON. */
export const TABLE_KEY = 'landfall.table';
export const COLUMNS_KEY = 'landfall.columns';

/** What the footer keeps of each column of the definition. */
export interface StoredColumn extends TableColumn {
  /** The Parquet column. Differs from `name` only where two names are equal but for their case. */
  readonly storedAs: string;
  /** The int64 column with the nanoseconds, for times. */
  readonly nanosecondsIn?: string;
}

/**
 * Parquet names for the columns. Spark and DuckDB do not tell `Speed` from `speed`: the second of two such names
 * gets a number behind it, always the same one for the same definition.
 */
export function layOut(definition: TableDefinition): readonly StoredColumn[] {
  if (definition.columns.length === 0) {
    throw new TypeError('A table without columns cannot be stored; leave it out, or give it its times.');
  }
  const taken = new Set<string>();
  const claim = (wanted: string): string => {
    let name = wanted;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${wanted}_${number}`;
    taken.add(name.toLowerCase());
    return name;
  };
  return definition.columns
    .map((column) => ({ ...column, storedAs: claim(column.name) }))
    .map((column) =>
      scalarOf(column.type) === 'timestamp'
        ? { ...column, nanosecondsIn: claim(`${column.storedAs}_ns`) }
        : column,
    );
}

/** The SELECT over `rows()`, whose columns are c0, c1, … in the order of the definition. */
export function selectionOf(columns: readonly StoredColumn[]): string {
  const expressions = columns.flatMap((column, index) => {
    const fed = `c${index}`;
    if (column.nanosecondsIn === undefined) return [`${fed} AS ${quoteName(column.storedAs)}`];
    return [
      `${microsecondsOf(fed, column.type, 0)} AS ${quoteName(column.storedAs)}`,
      `${fed} AS ${quoteName(column.nanosecondsIn)}`,
    ];
  });
  return `SELECT ${expressions.join(', ')} FROM rows()`;
}

/** Rounds down, also before 1970, so that a microsecond never lies after its nanoseconds. */
function microsecondsOf(value: string, type: TableColumnType, depth: number): string {
  if (typeof type === 'object') {
    const item = `item${depth}`;
    return `list_transform(${value}, lambda ${item}: ${microsecondsOf(item, type.list, depth + 1)})`;
  }
  return `make_timestamptz(${value} // 1000 - (CASE WHEN ${value} % 1000 < 0 THEN 1 ELSE 0 END))`;
}

/** The footer's key-value pairs, as an option of COPY. */
export function footerOf(definition: TableDefinition, columns: readonly StoredColumn[]): string {
  return `{${quoteText(TABLE_KEY)}: ${quoteText(JSON.stringify(definition.metadata))}, ${quoteText(
    COLUMNS_KEY,
  )}: ${quoteText(JSON.stringify(columns))}}`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
