import { z } from 'zod';
import { TerminalFailure } from '#domain/failures.ts';
import { PARTITION_COLUMNS } from '#domain/fleet-tables.ts';
import type { TableColumn, TableColumnType, TableScalarType } from '#domain/ports/table-writer.ts';

/** A column as it lies in the Parquet file: its name there, and the int64 column with a time's nanoseconds. */
export interface StoredColumn extends TableColumn {
  readonly storedAs: string;
  readonly nanosecondsIn?: string;
}

const DeltaType = z.union([
  z.string(),
  z.object({ type: z.literal('array'), elementType: z.unknown(), containsNull: z.boolean() }),
]);
const DeltaField = z.object({
  name: z.string(),
  type: DeltaType,
  nullable: z.boolean(),
  metadata: z.record(z.string(), z.unknown()),
});
export type DeltaField = z.infer<typeof DeltaField>;
const DeltaSchema = z.object({ type: z.literal('struct'), fields: z.array(DeltaField) });

/**
 * Delta types by ours ("Primitive Types" of the protocol). Delta has no unsigned integers: they become the next
 * wider type, as Spark reads them from Parquet.
 */
const TYPES: Readonly<Record<TableScalarType, string>> = {
  bool: 'boolean',
  int8: 'byte',
  uint8: 'short',
  int16: 'short',
  uint16: 'integer',
  int32: 'integer',
  uint32: 'long',
  int64: 'long',
  uint64: 'decimal(20,0)',
  float32: 'float',
  float64: 'double',
  timestamp: 'timestamp',
  duration: 'long',
  string: 'string',
  bytes: 'binary',
};

/** Delta takes these in names only with column mapping ("Column Mapping" of the protocol). */
const UNUSUAL = /[ ,;{}()\n\t=]/;

export interface DeltaColumns {
  readonly fields: readonly DeltaField[];
  /** Columns whose values stand in the log instead of in the files. */
  readonly partitionColumns: readonly string[];
  /** Names are mapped: `Engine Speed (rpm)` is a legal name then, and the table asks for newer readers. */
  readonly mapped: boolean;
}

/** What a table is whose files hold these columns. */
export function deltaColumnsOf(columns: readonly StoredColumn[]): DeltaColumns {
  const data = columns.flatMap(fieldsOfColumn);
  const taken = new Set(data.map(({ name }) => name.toLowerCase()));
  const partition = PARTITION_COLUMNS.map(({ name, type, description }) => {
    let free: string = name;
    for (let number = 2; taken.has(free); number++) free = `${name}_${number}`;
    return { name: free, type, nullable: true, metadata: { comment: description } };
  });
  const fields = [...data, ...partition];
  const mapped = fields.some(({ name }) => UNUSUAL.test(name));
  return {
    fields: mapped ? fields.map(mappedField) : fields,
    partitionColumns: partition.map(({ name }) => name),
    mapped,
  };
}

/** Mapped to itself: the files were written before anybody thought of a mapping. */
function mappedField(field: DeltaField, index: number): DeltaField {
  const mapping = { 'delta.columnMapping.id': index + 1, 'delta.columnMapping.physicalName': field.name };
  return { ...field, metadata: { ...field.metadata, ...mapping } };
}

function fieldsOfColumn({
  storedAs,
  nanosecondsIn,
  type,
  unit,
  description,
}: StoredColumn): readonly DeltaField[] {
  const comment = [description, unit === undefined ? undefined : `in ${unit}`].filter(Boolean).join(', ');
  const metadata = {
    ...(comment === '' ? {} : { comment }),
    ...(unit === undefined ? {} : { unit }),
  };
  const field = { name: storedAs, type: typeOf(type), nullable: true, metadata };
  if (nanosecondsIn === undefined) return [field];
  const exact = { comment: `${storedAs} in nanoseconds since 1970`, unit: 'ns' };
  return [field, { ...field, name: nanosecondsIn, type: typeOf(asNanoseconds(type)), metadata: exact }];
}

function asNanoseconds(type: TableColumnType): TableColumnType {
  return typeof type === 'object' ? { list: asNanoseconds(type.list) } : 'int64';
}

function typeOf(type: TableColumnType): DeltaField['type'] {
  if (typeof type !== 'object') return TYPES[type];
  return { type: 'array', elementType: typeOf(type.list), containsNull: true };
}

export function schemaStringOf(fields: readonly DeltaField[]): string {
  return JSON.stringify({ type: 'struct', fields });
}

/**
 * The table's schema with the fields it does not have yet: older files are null there. Undefined when it has them all.
 * @throws {TerminalFailure} `not-allowed` when a field has another type.
 */
export function extendedSchema(
  table: string,
  schemaString: string,
  fields: readonly DeltaField[],
): string | undefined {
  const known = DeltaSchema.parse(JSON.parse(schemaString)).fields;
  const byName = new Map(known.map((field) => [field.name.toLowerCase(), field]));
  for (const { name, type } of fields) {
    const old = byName.get(name.toLowerCase());
    if (old !== undefined && JSON.stringify(old.type) !== JSON.stringify(type))
      throw new TerminalFailure(
        'not-allowed',
        `column ${name} of table ${table} is ${JSON.stringify(old.type)} and cannot take ${JSON.stringify(type)}; give the column another name`,
      );
  }
  const added = fields.filter(({ name }) => !byName.has(name.toLowerCase()));
  return added.length === 0 ? undefined : schemaStringOf([...known, ...added]);
}
