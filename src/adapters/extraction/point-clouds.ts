import type { TableColumn, TableRows, TableValues } from '#domain/ports/table-writer.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { bytesColumn, numberColumn, numberListColumn, textListColumn } from './batch-columns.ts';

/** Points of a batch of scans, one row each: the time and number of the scan, then the point's own fields. */
export interface PointRows {
  readonly columns: readonly TableColumn[];
  readonly rows: TableRows;
}

/** Datatypes of sensor_msgs/PointField. */
const DATATYPES = {
  1: { type: 'int8', sizeBytes: 1, array: Int8Array },
  2: { type: 'uint8', sizeBytes: 1, array: Uint8Array },
  3: { type: 'int16', sizeBytes: 2, array: Int16Array },
  4: { type: 'uint16', sizeBytes: 2, array: Uint16Array },
  5: { type: 'int32', sizeBytes: 4, array: Int32Array },
  6: { type: 'uint32', sizeBytes: 4, array: Uint32Array },
  7: { type: 'float32', sizeBytes: 4, array: Float32Array },
  8: { type: 'float64', sizeBytes: 8, array: Float64Array },
} as const;

type Datatype = keyof typeof DATATYPES;

interface PointField {
  readonly name: string;
  readonly offset: number;
  readonly datatype: Datatype;
}

const SCAN_COLUMNS: readonly TableColumn[] = [
  TIME_COLUMN,
  { name: 'scan_number', type: 'int64', description: 'counts from 0 in the topic' },
];

/** One scan's layout; scans of one topic normally share it. */
interface CloudLayout {
  readonly fields: readonly PointField[];
  readonly key: string;
}

/**
 * The points of a batch of `sensor_msgs/PointCloud2`, in runs of scans with the same fields.
 * @param firstScan number of the batch's first scan.
 * @throws {RangeError} naming the scan whose data is shorter than its size says.
 */
export function pointCloud2Rows(batch: TableBatch, firstScan: number): readonly PointRows[] {
  const data = bytesColumn(batch, 'data');
  const [heights, widths, steps] = ['height', 'width', 'point_step'].map((name) => numberColumn(batch, name));
  const bigEndian = numberColumn(batch, 'is_bigendian');
  const layouts = layoutsOf(batch);
  if (
    data === undefined ||
    heights === undefined ||
    widths === undefined ||
    steps === undefined ||
    layouts === undefined
  ) {
    throw new RangeError(`${batch.table.name} is not a PointCloud2: fields are missing`);
  }
  const runs: { layout: CloudLayout; rows: number[] }[] = [];
  for (let row = 0; row < batch.rowCount; row++) {
    const layout = layouts(row);
    const run = runs.at(-1);
    if (run?.layout.key === layout.key) run.rows.push(row);
    else runs.push({ layout, rows: [row] });
  }
  return runs.map(({ layout, rows }) => {
    const counts = rows.map((row) => Number(heights[row]) * Number(widths[row]));
    const pointCount = counts.reduce((sum, count) => sum + count, 0);
    const times = new BigInt64Array(pointCount);
    const scans = new BigInt64Array(pointCount);
    const columns = layout.fields.map(({ datatype }) => new DATATYPES[datatype].array(pointCount));
    let at = 0;
    rows.forEach((row, index) => {
      const count = counts[index]!;
      const step = Number(steps[row]);
      const bytes = data(row);
      if (bytes.length < count * step) {
        throw new RangeError(
          `scan ${firstScan + row} of ${batch.table.name} has ${bytes.length} bytes for ${count} points of ${step}`,
        );
      }
      times.fill(batch.timestampsNs[row]!, at, at + count);
      scans.fill(BigInt(firstScan + row), at, at + count);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const little = Number(bigEndian?.[row] ?? 0) === 0;
      layout.fields.forEach((field, column) => {
        gather(view, field, step, count, little, columns[column]!, at);
      });
      at += count;
    });
    return {
      columns: [
        ...SCAN_COLUMNS,
        ...layout.fields.map(({ name, datatype }): TableColumn => ({ name, type: DATATYPES[datatype].type })),
      ],
      rows: {
        rowCount: pointCount,
        columns: [
          { values: times },
          { values: scans },
          ...columns.map((values) => ({ values: values as TableValues })),
        ],
      },
    };
  });
}

function layoutsOf(batch: TableBatch): ((row: number) => CloudLayout) | undefined {
  const names = textListColumn(batch, 'fields.name');
  const offsets = numberListColumn(batch, 'fields.offset');
  const datatypes = numberListColumn(batch, 'fields.datatype');
  const counts = numberListColumn(batch, 'fields.count');
  if (names === undefined || offsets === undefined || datatypes === undefined) return undefined;
  return (row) => {
    const fields = names(row).flatMap((name, index) => {
      const datatype = datatypes(row)[index] as Datatype;
      if (!(datatype in DATATYPES) || name === '') return [];
      const count = Math.max(1, counts?.(row)[index] ?? 1);
      return Array.from({ length: count }, (_, element) => ({
        name: count === 1 ? columnNameOf(name) : `${columnNameOf(name)}.${element}`,
        offset: offsets(row)[index]! + element * DATATYPES[datatype].sizeBytes,
        datatype,
      }));
    });
    return { fields, key: JSON.stringify(fields) };
  };
}

/** A point's own time must not hide the time of the scan. */
function columnNameOf(name: string): string {
  return SCAN_COLUMNS.some((column) => column.name === name) ? `point.${name}` : name;
}

function gather(
  view: DataView,
  field: PointField,
  step: number,
  count: number,
  little: boolean,
  target: { [index: number]: number },
  at: number,
): void {
  const read = readerOf(view, field.datatype, little);
  for (let point = 0; point < count; point++) target[at + point] = read(point * step + field.offset);
}

function readerOf(view: DataView, datatype: Datatype, little: boolean): (offset: number) => number {
  switch (datatype) {
    case 1:
      return (offset) => view.getInt8(offset);
    case 2:
      return (offset) => view.getUint8(offset);
    case 3:
      return (offset) => view.getInt16(offset, little);
    case 4:
      return (offset) => view.getUint16(offset, little);
    case 5:
      return (offset) => view.getInt32(offset, little);
    case 6:
      return (offset) => view.getUint32(offset, little);
    case 7:
      return (offset) => view.getFloat32(offset, little);
    case 8:
      return (offset) => view.getFloat64(offset, little);
  }
}

const LASER_COLUMNS: readonly TableColumn[] = [
  ...SCAN_COLUMNS,
  {
    name: 'angle',
    type: 'float32',
    unit: 'rad',
    description: 'around the sensor, counter-clockwise from its x axis',
  },
  { name: 'range', type: 'float32', unit: 'm' },
  { name: 'x', type: 'float32', unit: 'm' },
  { name: 'y', type: 'float32', unit: 'm' },
  { name: 'intensity', type: 'float32', description: 'NaN where the sensor gives none' },
];

/** The measured points of `sensor_msgs/LaserScan`: ranges outside the sensor's limits are no points (message definition). */
export function laserScanRows(batch: TableBatch, firstScan: number): PointRows {
  const ranges = numberListColumn(batch, 'ranges');
  const intensities = numberListColumn(batch, 'intensities');
  const number = (name: string) => numberColumn(batch, name);
  const [first, increment, least, most] = ['angle_min', 'angle_increment', 'range_min', 'range_max'].map(
    number,
  );
  if (ranges === undefined || first === undefined || increment === undefined) {
    throw new RangeError(`${batch.table.name} is not a LaserScan: fields are missing`);
  }
  const points: { time: bigint; scan: number; angle: number; range: number; intensity: number }[] = [];
  for (let row = 0; row < batch.rowCount; row++) {
    const strengths = intensities?.(row);
    ranges(row).forEach((range, index) => {
      if (
        !Number.isFinite(range) ||
        range < Number(least?.[row] ?? 0) ||
        range > Number(most?.[row] ?? Infinity)
      )
        return;
      points.push({
        time: batch.timestampsNs[row]!,
        scan: firstScan + row,
        angle: Number(first[row]) + index * Number(increment[row]),
        range,
        intensity: strengths?.[index] ?? Number.NaN,
      });
    });
  }
  return {
    columns: LASER_COLUMNS,
    rows: {
      rowCount: points.length,
      columns: [
        { values: BigInt64Array.from(points, (point) => point.time) },
        { values: BigInt64Array.from(points, (point) => BigInt(point.scan)) },
        { values: Float32Array.from(points, (point) => point.angle) },
        { values: Float32Array.from(points, (point) => point.range) },
        { values: Float32Array.from(points, (point) => point.range * Math.cos(point.angle)) },
        { values: Float32Array.from(points, (point) => point.range * Math.sin(point.angle)) },
        { values: Float32Array.from(points, (point) => point.intensity) },
      ],
    },
  };
}
