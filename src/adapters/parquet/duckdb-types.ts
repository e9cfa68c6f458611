import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DOUBLE,
  type DuckDBType,
  FLOAT,
  INTEGER,
  LIST,
  SMALLINT,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
} from '@duckdb/node-api';
import type { TableColumnType, TableScalarType } from '#domain/ports/table-writer.ts';

/** DuckDB's type of a column as DuckDB is fed with it: times are nanoseconds until SQL makes them times. */
const FED_AS: Readonly<Record<TableScalarType, DuckDBType>> = {
  bool: BOOLEAN,
  int8: TINYINT,
  uint8: UTINYINT,
  int16: SMALLINT,
  uint16: USMALLINT,
  int32: INTEGER,
  uint32: UINTEGER,
  int64: BIGINT,
  uint64: UBIGINT,
  float32: FLOAT,
  float64: DOUBLE,
  timestamp: BIGINT,
  duration: BIGINT,
  string: VARCHAR,
  bytes: BLOB,
};

export function duckdbTypeOf(type: TableColumnType): DuckDBType {
  return typeof type === 'object' ? LIST(duckdbTypeOf(type.list)) : FED_AS[type];
}
