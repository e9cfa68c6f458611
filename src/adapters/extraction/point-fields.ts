import type { TableColumn, TableScalarType } from '#domain/ports/table-writer.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { numberColumn, numberListColumn, textListColumn } from './batch-columns.ts';

/** How the bytes of a point cloud lie: which fields a point has, where, of what type. */

export type PointScalar = Extract<
  TableScalarType,
  'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'float32' | 'float64'
>;

export type PointValues =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

interface Scalar {
  readonly sizeBytes: number;
  readonly array: new (length: number) => PointValues;
  read(view: DataView, offset: number, little: boolean): number;
}

export const SCALARS: Readonly<Record<PointScalar, Scalar>> = {
  int8: { sizeBytes: 1, array: Int8Array, read: (view, offset) => view.getInt8(offset) },
  uint8: { sizeBytes: 1, array: Uint8Array, read: (view, offset) => view.getUint8(offset) },
  int16: { sizeBytes: 2, array: Int16Array, read: (view, offset, little) => view.getInt16(offset, little) },
  uint16: {
    sizeBytes: 2,
    array: Uint16Array,
    read: (view, offset, little) => view.getUint16(offset, little),
  },
  int32: { sizeBytes: 4, array: Int32Array, read: (view, offset, little) => view.getInt32(offset, little) },
  uint32: {
    sizeBytes: 4,
    array: Uint32Array,
    read: (view, offset, little) => view.getUint32(offset, little),
  },
  float32: {
    sizeBytes: 4,
    array: Float32Array,
    read: (view, offset, little) => view.getFloat32(offset, little),
  },
  float64: {
    sizeBytes: 8,
    array: Float64Array,
    read: (view, offset, little) => view.getFloat64(offset, little),
  },
};

/** Datatypes of sensor_msgs/PointField, from 1 on. */
const ROS_TYPES: readonly PointScalar[] = [
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'float32',
  'float64',
];
/** foxglove.PackedElementField.NumericType, from 1 on. */
const FOXGLOVE_TYPES: readonly PointScalar[] = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'float64',
];

export interface PointField {
  readonly name: string;
  readonly offset: number;
  readonly type: PointScalar;
}

/** One scan's layout; scans of one topic normally share it. */
export interface CloudLayout {
  readonly fields: readonly PointField[];
  /** Equal layouts have equal keys. */
  readonly key: string;
}

export type CloudKind = 'ros' | 'foxglove';

/** The layout of each row, or undefined where the batch does not have the columns of a point cloud. */
export function layoutsOf(batch: TableBatch, kind: CloudKind): ((row: number) => CloudLayout) | undefined {
  const types = kind === 'ros' ? ROS_TYPES : FOXGLOVE_TYPES;
  const names = textListColumn(batch, 'fields.name');
  const offsets = numberListColumn(batch, 'fields.offset');
  const typeNumbers = numberListColumn(batch, kind === 'ros' ? 'fields.datatype' : 'fields.type');
  const counts = numberListColumn(batch, 'fields.count');
  if (names === undefined || offsets === undefined || typeNumbers === undefined) return undefined;
  return (row) => {
    const [rowOffsets, rowTypes, rowCounts] = [offsets(row), typeNumbers(row), counts?.(row)];
    const fields = names(row).flatMap((name, index) => {
      const type = types[rowTypes[index]! - 1];
      if (type === undefined || name === '') return [];
      const count = Math.max(1, rowCounts?.[index] ?? 1);
      return Array.from({ length: Math.min(count, ELEMENTS_MAX) }, (_, element) => ({
        name: count === 1 ? columnNameOf(name) : `${columnNameOf(name)}.${element}`,
        offset: rowOffsets[index]! + element * SCALARS[type].sizeBytes,
        type,
      }));
    });
    return { fields: firstOfEachName(fields), key: JSON.stringify(fields) };
  };
}

/** More elements in one field would be columns nobody can use; the table of messages has them all. */
const ELEMENTS_MAX = 64;

function firstOfEachName(fields: readonly PointField[]): readonly PointField[] {
  const names = new Set<string>();
  return fields.filter(({ name }) => !names.has(name) && names.add(name));
}

/** A point's own time must not hide the time of the scan. */
function columnNameOf(name: string): string {
  return name === 'timestamp' || name === 'scan_number' ? `point.${name}` : name;
}

/** Number of points of a row and how they are spaced. */
export interface CloudShape {
  readonly widthPoints: number;
  readonly heightPoints: number;
  readonly pointStepBytes: number;
  readonly rowStepBytes: number;
}

export function shapesOf(
  batch: TableBatch,
  kind: CloudKind,
  sizeBytesOf: (row: number) => number,
): ((row: number) => CloudShape) | undefined {
  const column = (name: string) => numberColumn(batch, name);
  if (kind === 'foxglove') {
    const strides = column('point_stride');
    if (strides === undefined) return undefined;
    return (row) => {
      const pointStepBytes = Number(strides[row]);
      const widthPoints = pointStepBytes === 0 ? 0 : Math.floor(sizeBytesOf(row) / pointStepBytes);
      const rowStepBytes = widthPoints * pointStepBytes;
      return { widthPoints, heightPoints: 1, pointStepBytes, rowStepBytes };
    };
  }
  const [heights, widths, steps, rowSteps] = [
    column('height'),
    column('width'),
    column('point_step'),
    column('row_step'),
  ];
  if (heights === undefined || widths === undefined || steps === undefined) return undefined;
  return (row) => {
    const [widthPoints, pointStepBytes] = [Number(widths[row]), Number(steps[row])];
    // Some drivers leave the row's length at 0, or count it wrong for clouds of one row.
    const rowStepBytes = Math.max(Number(rowSteps?.[row] ?? 0), widthPoints * pointStepBytes);
    return { widthPoints, heightPoints: Number(heights[row]), pointStepBytes, rowStepBytes };
  };
}

/** Units are by convention metres (REP 103). */
export function pointColumnOf(name: string, type: PointScalar): TableColumn {
  return { name, type, ...(['x', 'y', 'z', 'range'].includes(name) ? { unit: 'm' } : {}) };
}
