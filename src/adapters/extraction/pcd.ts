import type { PointRows, PointScan } from './point-clouds.ts';
import { type PointScalar, type PointValues, SCALARS } from './point-fields.ts';

/** One scan as a PCD file, version 0.7, binary (pointclouds.org, "The PCD file format"). */

const TYPE_LETTERS: Readonly<Record<PointScalar, 'I' | 'U' | 'F'>> = {
  int8: 'I',
  uint8: 'U',
  int16: 'I',
  uint16: 'U',
  int32: 'I',
  uint32: 'U',
  float32: 'F',
  float64: 'F',
};

interface PcdField {
  readonly name: string;
  readonly type: PointScalar;
  /** Absent: zero for every point. */
  readonly values?: PointValues;
}

/** Points of a plane get a z of 0: readers of PCD expect three coordinates. */
export function pcdOf(points: PointRows, scan: PointScan): Uint8Array {
  const fields: PcdField[] = points.columns.flatMap((column, index): PcdField[] =>
    typeof column.type === 'string' && column.type in SCALARS
      ? [
          {
            name: column.name.replaceAll(/\s/g, '_'),
            type: column.type as PointScalar,
            values: points.rows.columns[index]!.values as PointValues,
          },
        ]
      : [],
  );
  const hasPlane = fields.some(({ name }) => name === 'x') && !fields.some(({ name }) => name === 'z');
  if (hasPlane) fields.push({ name: 'z', type: 'float32' });
  const header = new TextEncoder().encode(headerOf(fields, scan.pointCount));
  const strideBytes = fields.reduce((sum, { type }) => sum + SCALARS[type].sizeBytes, 0);
  const file = new Uint8Array(header.length + strideBytes * scan.pointCount);
  file.set(header);
  const view = new DataView(file.buffer, header.length);
  let offset = 0;
  for (const { type, values } of fields) {
    if (values !== undefined) write(view, type, values, scan, offset, strideBytes);
    offset += SCALARS[type].sizeBytes;
  }
  return file;
}

function headerOf(fields: readonly PcdField[], pointCount: number): string {
  const line = (word: string, values: readonly (string | number)[]) => `${word} ${values.join(' ')}`;
  return [
    '# .PCD v0.7 - Point Cloud Data file format',
    'VERSION 0.7',
    line(
      'FIELDS',
      fields.map(({ name }) => name),
    ),
    line(
      'SIZE',
      fields.map(({ type }) => SCALARS[type].sizeBytes),
    ),
    line(
      'TYPE',
      fields.map(({ type }) => TYPE_LETTERS[type]),
    ),
    line(
      'COUNT',
      fields.map(() => 1),
    ),
    `WIDTH ${pointCount}`,
    'HEIGHT 1',
    'VIEWPOINT 0 0 0 1 0 0 0',
    `POINTS ${pointCount}`,
    'DATA binary\n',
  ].join('\n');
}

function write(
  view: DataView,
  type: PointScalar,
  values: PointValues,
  { firstRow, pointCount }: PointScan,
  offset: number,
  strideBytes: number,
): void {
  for (let point = 0; point < pointCount; point++) {
    const at = point * strideBytes + offset;
    const value = values[firstRow + point]!;
    switch (type) {
      case 'int8':
        view.setInt8(at, value);
        break;
      case 'uint8':
        view.setUint8(at, value);
        break;
      case 'int16':
        view.setInt16(at, value, true);
        break;
      case 'uint16':
        view.setUint16(at, value, true);
        break;
      case 'int32':
        view.setInt32(at, value, true);
        break;
      case 'uint32':
        view.setUint32(at, value, true);
        break;
      case 'float32':
        view.setFloat32(at, value, true);
        break;
      case 'float64':
        view.setFloat64(at, value, true);
        break;
    }
  }
}
