import type { TableColumn } from '#domain/ports/table-writer.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { nestedNumbersColumn, numberColumn, numberListColumn, textListColumn } from './batch-columns.ts';
import {
  LASER_COLUMNS,
  type LoseScan,
  type PointRows,
  type PointScan,
  SCAN_COLUMNS,
  scanRows,
} from './point-clouds.ts';
import { pointColumnOf } from './point-fields.ts';

/**
 * The points of `sensor_msgs/PointCloud`, the older message in which points are a list and each further value of
 * them (`channels`) a list beside it; runs of scans with the same channels.
 * @param firstScan number of the batch's first scan.
 * @throws {RangeError} when the batch does not have the columns of such a cloud.
 */
export function listedPointRows(batch: TableBatch, firstScan: number, lose: LoseScan): readonly PointRows[] {
  const axes = ['x', 'y', 'z'].map((axis) => numberListColumn(batch, `points.${axis}`));
  const names = textListColumn(batch, 'channels.name');
  const channels = nestedNumbersColumn(batch, 'channels.values');
  const [x, y, z] = axes;
  if (x === undefined || y === undefined || z === undefined || names === undefined || channels === undefined)
    throw new RangeError(`${batch.table.name} is no point cloud: fields are missing`);
  const runs: { readonly names: readonly string[]; readonly scans: ListedScan[] }[] = [];
  for (let row = 0; row < batch.rowCount; row++) {
    const values = [x(row), y(row), z(row), ...channels(row)];
    const pointCount = values[0]!.length;
    const odd = values.findIndex((of) => of.length !== pointCount);
    if (odd !== -1) {
      const what = names(row)[odd - 3] ?? 'xyz'[odd];
      lose(firstScan + row, `it has ${pointCount} points and ${values[odd]!.length} values of ${what}`);
      continue;
    }
    const run = runs.at(-1);
    const scan = { row, values };
    if (run !== undefined && run.names.join('\0') === names(row).join('\0')) run.scans.push(scan);
    else runs.push({ names: names(row), scans: [scan] });
  }
  return runs.map((run) => runOf(batch, firstScan, run.names, run.scans));
}

interface ListedScan {
  readonly row: number;
  /** x, y, z, then the channels: as many numbers each as there are points. */
  readonly values: readonly Float64Array[];
}

function runOf(
  batch: TableBatch,
  firstScan: number,
  names: readonly string[],
  listed: readonly ListedScan[],
): PointRows {
  const pointCount = listed.reduce((sum, { values }) => sum + values[0]!.length, 0);
  const columns = ['x', 'y', 'z', ...distinct(names)];
  const filled = columns.map(() => new Float32Array(pointCount));
  const scans: PointScan[] = [];
  let firstRow = 0;
  for (const { row, values } of listed) {
    for (const [index, column] of filled.entries()) column.set(values[index]!, firstRow);
    const count = values[0]!.length;
    scans.push(scanOf(batch, row, firstScan, firstRow, count));
    firstRow += count;
  }
  const schemas = columns.map((name) => pointColumnOf(name, 'float32'));
  return { columns: [...SCAN_COLUMNS, ...schemas], rows: scanRows(scans, filled), scans };
}

/** Channels may have any name, also none, that of an axis, or one another's. */
function distinct(names: readonly string[]): string[] {
  const taken = new Set(['x', 'y', 'z', ...SCAN_COLUMNS.map(({ name }) => name)]);
  return names.map((name, index) => {
    const own = name !== '' && !taken.has(name) ? name : `${name === '' ? 'channel' : name}_${index + 1}`;
    taken.add(own);
    return own;
  });
}

function scanOf(
  batch: TableBatch,
  row: number,
  firstScan: number,
  firstRow: number,
  pointCount: number,
): PointScan {
  return { timestampNs: batch.timestampsNs[row]!, scanNumber: firstScan + row, firstRow, pointCount };
}

const ECHO_COLUMN: TableColumn = { name: 'echo', type: 'int32', description: 'counts from 0 on each ray' };

/**
 * The measured points of `sensor_msgs/MultiEchoLaserScan`: several echoes on each ray. Ranges outside the sensor's
 * limits are no points (message definition).
 * @throws {RangeError} when the batch does not have the columns of such a scan.
 */
export function multiEchoRows(batch: TableBatch, firstScan: number): PointRows {
  const ranges = nestedNumbersColumn(batch, 'ranges.echoes');
  const intensities = nestedNumbersColumn(batch, 'intensities.echoes');
  const number = (name: string) => numberColumn(batch, name);
  const [firstAngles, steps] = [number('angle_min'), number('angle_increment')];
  const [least, most] = [number('range_min'), number('range_max')];
  if (ranges === undefined || firstAngles === undefined || steps === undefined)
    throw new RangeError(`${batch.table.name} is no laser scan: fields are missing`);
  const points: number[][] = [[], [], [], [], []];
  const echoes: number[] = [];
  const scans: PointScan[] = [];
  for (let row = 0; row < batch.rowCount; row++) {
    const [from, to] = [Number(least?.[row] ?? 0), Number(most?.[row] ?? Number.POSITIVE_INFINITY)];
    const firstRow = echoes.length;
    const strengths = intensities?.(row);
    for (const [ray, ofRay] of ranges(row).entries()) {
      const angle = Number(firstAngles[row]) + ray * Number(steps[row]);
      for (const [echo, range] of ofRay.entries()) {
        if (!Number.isFinite(range) || range < from || range > to) continue;
        const point = [angle, range, range * Math.cos(angle), range * Math.sin(angle)];
        const intensity = strengths?.[ray]?.[echo] ?? Number.NaN;
        for (const [column, value] of [...point, intensity].entries()) points[column]!.push(value);
        echoes.push(echo);
      }
    }
    scans.push(scanOf(batch, row, firstScan, firstRow, echoes.length - firstRow));
  }
  const values = [...points.map((column) => Float32Array.from(column)), Int32Array.from(echoes)];
  return { columns: [...LASER_COLUMNS, ECHO_COLUMN], rows: scanRows(scans, values), scans };
}
