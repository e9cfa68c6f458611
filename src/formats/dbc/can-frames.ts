import type { ColumnBatch, TableBatch } from '../recording-reader.ts';

/**
 * CAN data frames as columns, whatever recorded them. Frame i carries
 * `payload[payloadOffsets[i] … payloadOffsets[i + 1])`, 0 to 64 bytes.
 */
export interface CanFrames {
  readonly count: number;
  /** UTC nanoseconds since 1970. */
  readonly timestampsNs: BigInt64Array;
  /** 11 or 29 bits, no flag bits. */
  readonly ids: Uint32Array;
  /** 1 = 29-bit id. */
  readonly extended: Uint8Array;
  /** Number of the bus as the recorder counts; 0 where it does not say. */
  readonly bus: Uint8Array;
  /** `count + 1` long. */
  readonly payloadOffsets: Uint32Array;
  readonly payload: Uint8Array;
}

/**
 * Last part of the column names, lower case: ASAM MDF bus logging first, then ROS `can_msgs/Frame` and
 * `autoware_can_msgs/CANPacket`.
 */
const NAMES = {
  id: ['id'],
  extended: ['ide', 'is_extended'],
  bus: ['buschannel', 'bus', 'channel'],
  lengthBytes: ['datalength', 'len'],
  lengthCode: ['dlc'],
  data: ['databytes', 'data', 'dat'],
  notData: ['is_rtr', 'is_error'],
};

const ID_MASK = 0x1fff_ffff;
const EXTENDED_FLAG = 0x8000_0000;

/** Payload bytes by data length code (ISO 11898-1, 8.4.2.4): above 8 only in CAN FD. */
const BYTES_BY_LENGTH_CODE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64];

/**
 * The data frames of a batch that holds frames: a `CAN_DataFrame` group of MDF 4 bus logging (ASAM MDF Bus Logging
 * 1.0) or a `can_msgs/Frame` topic. Undefined where the batch holds anything else, frames of other buses included. Remote and error frames,
 * which carry no signals, are left out.
 */
export function canFramesOf(batch: TableBatch): CanFrames | undefined {
  if (!holdsCanFrames(batch)) return undefined;
  const find = (names: readonly string[]) => columnNamed(batch, names);
  const id = numbersOf(find(NAMES.id));
  const payload = payloadOf(find(NAMES.data));
  if (id === undefined || payload === undefined) return undefined;
  const extended = numbersOf(find(NAMES.extended));
  const bus = numbersOf(find(NAMES.bus));
  const lengthBytes = numbersOf(find(NAMES.lengthBytes));
  const lengthCode = lengthBytes === undefined ? numbersOf(find(NAMES.lengthCode)) : undefined;
  const notData = NAMES.notData.flatMap((name) => numbersOf(find([name])) ?? []);

  const { rowCount } = batch;
  const timestampsNs = notData.length === 0 ? batch.timestampsNs : batch.timestampsNs.slice();
  const ids = new Uint32Array(rowCount);
  const extendedFlags = new Uint8Array(rowCount);
  const buses = new Uint8Array(rowCount);
  const payloadOffsets = new Uint32Array(rowCount + 1);
  const bytes = new Uint8Array(payload.bytes.length);
  let count = 0;
  let end = 0;
  for (let row = 0; row < rowCount; row++) {
    if (notData.some((flags) => flags[row] !== 0)) continue;
    if (count !== row) timestampsNs[count] = timestampsNs[row]!;
    const start = payload.offsets[row]!;
    let size = payload.offsets[row + 1]! - start;
    if (lengthBytes !== undefined) size = Math.min(size, lengthBytes[row]!);
    else if (lengthCode !== undefined) size = Math.min(size, BYTES_BY_LENGTH_CODE[lengthCode[row]!] ?? size);
    ids[count] = id[row]! & ID_MASK;
    extendedFlags[count] = isExtended(id[row]!, extended?.[row]) ? 1 : 0;
    buses[count] = bus?.[row] ?? 0;
    for (let at = start; at < start + size; at++) bytes[end++] = payload.bytes[at]!;
    count += 1;
    payloadOffsets[count] = end;
  }
  return { count, timestampsNs, ids, extended: extendedFlags, bus: buses, payloadOffsets, payload: bytes };
}

/** LIN and FlexRay frames have ids and bytes too, and so have many messages: it takes what only CAN frames have. */
function holdsCanFrames({ table, columnSchemas }: TableBatch): boolean {
  if (table.schemaName === 'CAN_DataFrame') return true;
  return columnSchemas.some(({ name }) => {
    const isOfDataFrame = name.startsWith('CAN_DataFrame.');
    return isOfDataFrame || /^(.*\.)?(is_extended|is_rtr|dlc|len)$/i.test(name);
  });
}

/** A 29-bit id may be small enough to look like an 11-bit one: the flag decides wherever there is one. */
function isExtended(writtenId: number, flag: number | undefined): boolean {
  if (flag !== undefined && flag !== 0) return true;
  return writtenId >= EXTENDED_FLAG || (flag === undefined && writtenId > 0x7ff);
}

function columnNamed(batch: TableBatch, names: readonly string[]): ColumnBatch | undefined {
  for (const name of names) {
    const index = batch.columnSchemas.findIndex(
      (schema) => schema.name.slice(schema.name.lastIndexOf('.') + 1).toLowerCase() === name,
    );
    if (index !== -1) return batch.columns[index];
  }
  return undefined;
}

/** As float64, so that one loop serves every recorder's choice of types. */
function numbersOf(column: ColumnBatch | undefined): Float64Array | undefined {
  if (column === undefined || 'kind' in column.values) return undefined;
  const { values } = column;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    return Float64Array.from(values as Iterable<bigint>, Number);
  }
  return new Float64Array(values);
}

function payloadOf(column: ColumnBatch | undefined) {
  if (column === undefined || !('kind' in column.values)) return undefined;
  const { values } = column;
  if (values.kind === 'variable') return { offsets: values.offsets, bytes: values.bytes };
  return values.items instanceof Uint8Array ? { offsets: values.offsets, bytes: values.items } : undefined;
}
