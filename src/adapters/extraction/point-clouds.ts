import type { TableColumn, TableRows, TableValues } from '#domain/ports/table-writer.ts';
import { TIME_COLUMN } from '#domain/table-columns.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { bytesColumn, numberColumn, numberListColumn } from './batch-columns.ts';
import {
  type CloudKind,
  type CloudLayout,
  type CloudShape,
  layoutsOf,
  type PointField,
  type PointValues,
  pointColumnOf,
  SCALARS,
  shapesOf,
} from './point-fields.ts';

/** Points of several scans, one row each: the time and number of the scan, then the point's own fields. */
export interface PointRows {
  readonly columns: readonly TableColumn[];
  readonly rows: TableRows;
  /** Which rows are of which scan, in order. */
  readonly scans: readonly PointScan[];
}

export interface PointScan {
  readonly timestampNs: bigint;
  readonly scanNumber: number;
  readonly firstRow: number;
  readonly pointCount: number;
}

/** What is told of a scan that cannot be taken apart. */
export type LoseScan = (scanNumber: number, what: string) => void;

/** Columns in front of the point's own. */
export const SCAN_COLUMNS: readonly TableColumn[] = [
  TIME_COLUMN,
  { name: 'scan_number', type: 'int64', description: 'counts from 0 in the topic' },
];

interface Scan {
  readonly row: number;
  readonly layout: CloudLayout;
  readonly shape: CloudShape;
  readonly bytes: Uint8Array;
}

/**
 * The points of a batch of `sensor_msgs/PointCloud2` or `foxglove.PointCloud`, in runs of scans with the same fields.
 * @param firstScan number of the batch's first scan.
 * @throws {RangeError} when the batch does not have the columns of a point cloud.
 */
export function pointCloudRows(
  batch: TableBatch,
  kind: CloudKind,
  firstScan: number,
  lose: LoseScan,
): readonly PointRows[] {
  const data = bytesColumn(batch, 'data');
  const layouts = layoutsOf(batch, kind);
  const shapes = data && shapesOf(batch, kind, (row) => data(row).length);
  if (data === undefined || layouts === undefined || shapes === undefined)
    throw new RangeError(`${batch.table.name} is no point cloud: fields are missing`);
  const bigEndian = numberColumn(batch, 'is_bigendian');
  const runs: Scan[][] = [];
  for (let row = 0; row < batch.rowCount; row++) {
    const scan: Scan = { row, layout: layouts(row), shape: shapes(row), bytes: data(row) };
    const problem = problemOf(scan);
    if (problem !== undefined) {
      lose(firstScan + row, problem);
      continue;
    }
    const run = runs.at(-1);
    if (run?.[0]?.layout.key === scan.layout.key) run.push(scan);
    else runs.push([scan]);
  }
  return runs.map((run) => runRows(run, batch, firstScan, (row) => Number(bigEndian?.[row] ?? 0) === 0));
}

/** Why the points of a scan cannot be read; every length is checked before it is used. */
function problemOf({ layout, shape, bytes }: Scan): string | undefined {
  const { widthPoints, heightPoints, pointStepBytes, rowStepBytes } = shape;
  const outside = layout.fields.find(({ offset, type }) => offset + SCALARS[type].sizeBytes > pointStepBytes);
  if (outside !== undefined && widthPoints * heightPoints > 0)
    return `its field ${outside.name} lies outside its points of ${pointStepBytes} bytes`;
  const needed =
    widthPoints * heightPoints === 0 ? 0 : (heightPoints - 1) * rowStepBytes + widthPoints * pointStepBytes;
  if (needed > bytes.length || (needed === 0 && widthPoints * heightPoints > 0))
    return `it has ${bytes.length} bytes for ${widthPoints} x ${heightPoints} points of ${pointStepBytes}`;
  return undefined;
}

function runRows(
  run: readonly Scan[],
  batch: TableBatch,
  firstScan: number,
  isLittle: (row: number) => boolean,
): PointRows {
  const { fields } = run[0]!.layout;
  const pointCount = run.reduce((sum, { shape }) => sum + shape.widthPoints * shape.heightPoints, 0);
  const columns = fields.map(({ type }) => new SCALARS[type].array(pointCount));
  const scans: PointScan[] = [];
  let firstRow = 0;
  for (const { row, shape, bytes } of run) {
    const count = shape.widthPoints * shape.heightPoints;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    fields.forEach((field, index) => {
      gather(view, field, shape, isLittle(row), columns[index]!, firstRow);
    });
    scans.push({
      timestampNs: batch.timestampsNs[row]!,
      scanNumber: firstScan + row,
      firstRow,
      pointCount: count,
    });
    firstRow += count;
  }
  return {
    columns: [...SCAN_COLUMNS, ...fields.map(({ name, type }) => pointColumnOf(name, type))],
    rows: scanRows(scans, columns),
    scans,
  };
}

function gather(
  view: DataView,
  { type, offset }: PointField,
  { widthPoints, heightPoints, pointStepBytes, rowStepBytes }: CloudShape,
  little: boolean,
  target: PointValues,
  firstRow: number,
): void {
  const { read } = SCALARS[type];
  let at = firstRow;
  for (let line = 0; line < heightPoints; line++) {
    let from = line * rowStepBytes + offset;
    for (let point = 0; point < widthPoints; point++) {
      target[at++] = read(view, from, little);
      from += pointStepBytes;
    }
  }
}

/** Point columns with the time and number of their scan in front. */
export function scanRows(scans: readonly PointScan[], columns: readonly TableValues[]): TableRows {
  const rowCount = scans.reduce((sum, scan) => sum + scan.pointCount, 0);
  const times = new BigInt64Array(rowCount);
  const numbers = new BigInt64Array(rowCount);
  for (const { timestampNs, scanNumber, firstRow, pointCount } of scans) {
    times.fill(timestampNs, firstRow, firstRow + pointCount);
    numbers.fill(BigInt(scanNumber), firstRow, firstRow + pointCount);
  }
  return { rowCount, columns: [times, numbers, ...columns].map((values) => ({ values })) };
}

export const LASER_COLUMNS: readonly TableColumn[] = [
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

/**
 * The measured points of `sensor_msgs/LaserScan` or `foxglove.LaserScan`: ranges outside the sensor's limits are no
 * points (message definition).
 */
export function laserScanRows(batch: TableBatch, firstScan: number): PointRows {
  const ranges = numberListColumn(batch, 'ranges');
  const intensities = numberListColumn(batch, 'intensities');
  const number = (...names: readonly string[]) =>
    names.map((name) => numberColumn(batch, name)).find((column) => column !== undefined);
  const firstAngles = number('angle_min', 'start_angle');
  const lastAngles = number('end_angle');
  const increments = number('angle_increment');
  const [least, most] = [number('range_min'), number('range_max')];
  if (ranges === undefined || firstAngles === undefined || (increments ?? lastAngles) === undefined)
    throw new RangeError(`${batch.table.name} is no laser scan: fields are missing`);
  const columns: number[][] = [[], [], [], [], []];
  const scans: PointScan[] = [];
  for (let row = 0; row < batch.rowCount; row++) {
    const strengths = intensities?.(row);
    const scan = ranges(row);
    const first = Number(firstAngles[row]);
    const step =
      increments === undefined
        ? (Number(lastAngles?.[row]) - first) / Math.max(1, scan.length - 1)
        : Number(increments[row]);
    const firstRow = columns[0]!.length;
    scan.forEach((range, index) => {
      const isMeasured =
        Number.isFinite(range) &&
        range >= Number(least?.[row] ?? 0) &&
        range <= Number(most?.[row] ?? Number.POSITIVE_INFINITY);
      if (!isMeasured) return;
      const angle = first + index * step;
      const point = [angle, range, range * Math.cos(angle), range * Math.sin(angle)];
      [...point, strengths?.[index] ?? Number.NaN].forEach((value, column) => {
        columns[column]!.push(value);
      });
    });
    const pointCount = columns[0]!.length - firstRow;
    scans.push({
      timestampNs: batch.timestampsNs[row]!,
      scanNumber: firstScan + row,
      firstRow,
      pointCount,
    });
  }
  const values = columns.map((column) => Float32Array.from(column));
  return { columns: LASER_COLUMNS, rows: scanRows(scans, values), scans };
}
