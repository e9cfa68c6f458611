import type { VariableValues } from '../recording-reader.ts';
import { type DraftBlock, fields } from './draft-blocks.ts';
import type { NumberValues } from './field-values.ts';
import type { WriteOptions, WrittenChannel, WrittenGroup } from './written-recording.ts';

const BLOCK_DATA_BYTES_MAX = 1 << 22;

export interface ApartPlace {
  readonly channel: WrittenChannel;
  readonly values: VariableValues;
  readonly byteOffset: number;
}

interface NumberPlace {
  readonly channel: WrittenChannel;
  readonly values: NumberValues;
  readonly byteOffset: number;
}

export interface RecordLayout {
  readonly group: WrittenGroup;
  /** Record id, if any, and data. */
  readonly sizeBytes: number;
  readonly recordIdBytes: number;
  readonly numbers: readonly NumberPlace[];
  readonly apart: readonly ApartPlace[];
}

export const MASTER_BYTES = 8;
export const PLACE_BYTES = 8;

/** Master first, then the channels in their order. Offsets count behind the record id. */
export function recordLayout(group: WrittenGroup, recordIdBytes: number): RecordLayout {
  const numbers: NumberPlace[] = [];
  const apart: ApartPlace[] = [];
  let byteOffset = MASTER_BYTES;
  for (const channel of group.channels) {
    const { values } = channel;
    if ('kind' in values) {
      apart.push({ channel, values, byteOffset });
      byteOffset += PLACE_BYTES;
    } else {
      numbers.push({ channel, values, byteOffset });
      byteOffset += values.BYTES_PER_ELEMENT;
    }
  }
  return { group, sizeBytes: recordIdBytes + byteOffset, recordIdBytes, numbers, apart };
}

export function writeRecord(
  layout: RecordLayout,
  startTimeNs: bigint,
  row: number,
  offsets: number[],
  to: Uint8Array,
  at: number,
): void {
  const view = new DataView(to.buffer, at + layout.recordIdBytes);
  view.setFloat64(0, Number(layout.group.timestampsNs[row]! - startTimeNs) / 1e9, true);
  for (const { values, byteOffset } of layout.numbers) {
    const size = values.BYTES_PER_ELEMENT;
    const value = new Uint8Array(values.buffer, values.byteOffset + row * size, size);
    to.set(value, at + layout.recordIdBytes + byteOffset);
  }
  layout.apart.forEach((place, index) => {
    view.setBigUint64(place.byteOffset, BigInt(offsets[index]!), true);
    offsets[index]! += 4 + valueAt(place, row).length;
  });
}

export function valueAt({ values }: ApartPlace, row: number): Uint8Array {
  return values.bytes.subarray(values.offsets[row], values.offsets[row + 1]);
}

export function signalDataOf(place: ApartPlace, options: WriteOptions): DraftBlock | undefined {
  const { offsets, bytes } = place.values;
  const rowCount = offsets.length - 1;
  const data = new Uint8Array(rowCount * 4 + bytes.length);
  const view = new DataView(data.buffer);
  let at = 0;
  for (let row = 0; row < rowCount; row++) {
    const value = valueAt(place, row);
    view.setUint32(at, value.length, true);
    data.set(value, at + 4);
    at += 4 + value.length;
  }
  return dataBlocks('SD', data.subarray(0, at), 0, options);
}

/** One block, or a list of blocks where there is too much for one; compressed where asked for. */
export function dataBlocks(
  id: 'DT' | 'SD',
  data: Uint8Array,
  recordBytes: number,
  { deflate }: WriteOptions,
) {
  const step =
    recordBytes === 0
      ? BLOCK_DATA_BYTES_MAX
      : Math.max(1, Math.floor(BLOCK_DATA_BYTES_MAX / recordBytes)) * recordBytes;
  if (data.length === 0) return undefined;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += step) parts.push(data.subarray(at, at + step));
  const blocks = parts.map((part) =>
    deflate === undefined ? { id, links: [], data: part } : compressedBlock(id, part, recordBytes, deflate),
  );
  if (blocks.length === 1 && deflate === undefined) return blocks[0];
  const list: DraftBlock = {
    id: 'DL',
    links: [undefined, ...blocks],
    data: fields(16, (view) => {
      view.setUint8(0, 1);
      view.setUint32(4, blocks.length, true);
      view.setBigUint64(8, BigInt(step), true);
    }),
  };
  if (deflate === undefined) return list;
  const zipType = recordBytes > 1 ? 1 : 0;
  return {
    id: 'HL',
    links: [list],
    data: fields(8, (view) => [view.setUint16(0, 1, true), view.setUint8(2, zipType)]),
  };
}

function compressedBlock(
  id: string,
  part: Uint8Array,
  recordBytes: number,
  deflate: (bytes: Uint8Array) => Uint8Array,
) {
  const isTransposed = recordBytes > 1;
  const compressed = deflate(isTransposed ? transpose(part, recordBytes) : part);
  const data = new Uint8Array(24 + compressed.length);
  const view = new DataView(data.buffer);
  data.set([id.charCodeAt(0), id.charCodeAt(1), isTransposed ? 1 : 0]);
  view.setUint32(4, isTransposed ? recordBytes : 0, true);
  view.setBigUint64(8, BigInt(part.length), true);
  view.setBigUint64(16, BigInt(compressed.length), true);
  data.set(compressed, 24);
  return { id: 'DZ', links: [], data };
}

function transpose(bytes: Uint8Array, recordBytes: number): Uint8Array {
  const count = Math.floor(bytes.length / recordBytes);
  const columns = new Uint8Array(bytes.length);
  for (let record = 0, from = 0; record < count; record++) {
    for (let byte = 0; byte < recordBytes; byte++) columns[byte * count + record] = bytes[from++]!;
  }
  columns.set(bytes.subarray(count * recordBytes), count * recordBytes);
  return columns;
}
