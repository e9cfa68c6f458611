import type { MeasurementRows } from '#domain/ports/fleet-tables.ts';
import type { AddFile } from './delta-actions.ts';

/** A measurement's file in a Delta table: its folder, its partition values, its statistics. Pure. */

/** Values of the partition columns, in the order of `PARTITION_COLUMNS`. */
export function partitionValuesOf(
  rows: Pick<MeasurementRows, 'date' | 'vin' | 'measurementId' | 'generation'>,
  columns: readonly string[],
): Readonly<Record<string, string>> {
  const values = [rows.date, rows.vin, rows.measurementId, String(rows.generation)];
  return Object.fromEntries(columns.map((column, index) => [column, values[index] ?? '']));
}

/**
 * `date=…/vin=…/measurement_id=…/generation=…/<hash>.parquet`, in the table's folder: readers of Parquet alone find
 * the partition values in it. The hash of the content makes a second copy the same file.
 */
export function dataPathOf(values: Readonly<Record<string, string>>, sha256: string): string {
  const folders = Object.entries(values).map(([column, value]) => `${column}=${escaped(value)}`);
  return `${folders.join('/')}/${sha256.slice(0, 16)}.parquet`;
}

/** As Hive escapes partition values in paths. */
function escaped(value: string): string {
  return Array.from(value, (character) =>
    /[A-Za-z0-9._-]/.test(character) ? character : percentOf(character),
  ).join('');
}

function percentOf(character: string): string {
  const bytes = new TextEncoder().encode(character);
  return Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

export function addOf(
  table: NonNullable<MeasurementRows['table']>,
  dataPath: string,
  partitionValues: Readonly<Record<string, string>>,
  timeColumns: { readonly start: string; readonly end: string },
  now: Date,
): AddFile {
  return {
    // The log holds paths as URIs: what is percent-encoded in the name is so once more here.
    path: dataPath.split('/').map(encodeURI).join('/'),
    partitionValues: { ...partitionValues },
    size: table.file.sizeBytes,
    modificationTime: now.getTime(),
    dataChange: true,
    stats: JSON.stringify(statsOf(table, timeColumns)),
  };
}

/** Statistics of times have milliseconds: rounded outwards, so that no row lies outside ("Per-file Statistics"). */
function statsOf(
  { rowCount, startTime, endTime }: NonNullable<MeasurementRows['table']>,
  columns: { readonly start: string; readonly end: string },
): object {
  if (startTime === undefined || endTime === undefined) return { numRecords: rowCount };
  return {
    numRecords: rowCount,
    minValues: { [columns.start]: new Date(startTime).toISOString() },
    maxValues: { [columns.end]: new Date(Date.parse(endTime) + 1).toISOString() },
  };
}
