import type {
  ColumnBatch,
  ColumnSchema,
  ColumnValues,
  LossCounter,
  ScalarType,
  VariableValues,
} from '../recording-reader.ts';
import { arrayText, elementChannels, elementFields, evenOffsets, sizeCutter } from './array-values.ts';
import { Mdf4Damage } from './blocks.ts';
import type { Conversion } from './conversion.ts';
import {
  emptyValues,
  type Field,
  fieldOf,
  gather,
  type NumberValues,
  type Records,
  rawValues,
} from './field-values.ts';
import {
  type Channel,
  type ChannelGroup,
  DataType,
  isBytes,
  isComplex,
  isNumeric,
  isStoredApart,
  isText,
  isVirtual,
} from './model.ts';
import { applyNumeric } from './physical-values.ts';
import { stringValues, textsOf, toUtf8, VariableBuilder } from './text-values.ts';

/** Rows of one channel group, ready to be decoded. */
export interface Rows {
  readonly records: Records;
  /** Index of the first row in its group. */
  readonly firstRow: number;
  /** Values that do not lie in the records, by channel. */
  readonly apart: ReadonlyMap<Channel, ColumnBatch & { readonly values: VariableValues }>;
}

/** One column of a table and how to get it out of rows. */
export interface ColumnPlan {
  readonly schema: ColumnSchema;
  readonly channel: Channel;
  readonly decode: (rows: Rows) => ColumnBatch;
}

/**
 * The columns of a channel: mostly one, physical where the conversion is numeric, raw with `choices` where it only names
 * values. Where a conversion gives text for some values and numbers for others, a second column `<name>.text` holds
 * the texts; complex numbers become `<name>.re` and `<name>.im`.
 * @throws {Mdf4Damage} where the channel does not lie inside of its records
 */
function columnPlansOf(channel: Channel, group: ChannelGroup): ColumnPlan[] {
  const bare = bareColumns(channel, group);
  const validity = validityReader(channel, group);
  if (validity === undefined) return bare;
  return bare.map((plan) => ({
    ...plan,
    decode: (rows) => {
      const column = plan.decode(rows);
      return { values: column.values, validity: bothValid(column.validity, validity(rows.records)) };
    },
  }));
}

function bareColumns(channel: Channel, group: ChannelGroup): ColumnPlan[] {
  if (isVirtual(channel)) return virtualColumns(channel);
  if (channel.array !== undefined && !isStoredApart(channel) && !isNumeric(channel)) {
    return elementChannels(channel, group).flatMap((element) => bareColumns(element, group));
  }
  if (isStoredApart(channel)) {
    fieldOf({ ...channel, dataType: DataType.unsignedLittle }, channel, group.dataBytes);
    return variableColumns(channel, (rows) => rows.apart.get(channel));
  }
  if (isText(channel) || isBytes(channel)) {
    const inline = inlineReader(channel, group);
    return variableColumns(channel, (rows) => ({ values: inline(rows.records) }));
  }
  if (channel.dataType === DataType.canOpenDate || channel.dataType === DataType.canOpenTime) {
    return [canOpenColumn(channel, group)];
  }
  if (isComplex(channel)) return complexColumns(channel, group);
  return numericColumns(channel, fieldOf(channel, channel, group.dataBytes), group);
}

function schemaOf(channel: Channel, type: ColumnSchema['type'], suffix = ''): ColumnSchema {
  const { unit, description, conversion } = channel;
  const shape = channel.array === undefined ? '' : arrayText(channel.array);
  const source = [shape, conversion?.description ?? ''].filter((part) => part !== '').join(', ');
  return {
    name: channel.name + suffix,
    type,
    ...(unit === '' || suffix === '.text' ? {} : { unit }),
    ...(description === '' ? {} : { description }),
    ...(conversion?.choices === undefined || suffix !== '' ? {} : { choices: conversion.choices }),
    ...(source === '' ? {} : { source }),
  };
}

function numericColumns(channel: Channel, field: Field, group: ChannelGroup): ColumnPlan[] {
  const { conversion, array } = channel;
  const elements = array === undefined ? undefined : elementFields(field, channel, group);
  const cut =
    elements === undefined || array === undefined ? undefined : sizeCutter(array, elements.length, group);
  const raw = (rows: Rows): NumberValues => {
    if (elements === undefined) return rawValues(field, rows.records);
    const values = emptyValues(field.kind, rows.records.count * elements.length);
    elements.forEach((element, index) => {
      gather(element, rows.records, { values, start: index, step: elements.length });
    });
    return values;
  };
  const asColumn = (rows: Rows, values: NumberValues): ColumnValues => {
    if (elements === undefined) return values;
    if (cut !== undefined) return cut(rows.records, values);
    return { kind: 'list', offsets: evenOffsets(rows.records.count, elements.length), items: values };
  };
  const listed = (type: ScalarType) => (elements === undefined ? type : { list: type });
  return convertedColumns(channel, conversion, {
    type: field.kind,
    listed,
    values: (rows) => raw(rows),
    asColumn,
    // Validity is per row: a list whose items are partly text keeps NaN for those.
    perRow: elements === undefined,
  });
}

interface NumericSource {
  readonly type: ScalarType;
  readonly listed: (type: ScalarType) => ColumnSchema['type'];
  readonly values: (rows: Rows) => NumberValues;
  readonly asColumn: (rows: Rows, values: NumberValues) => ColumnValues;
  readonly perRow: boolean;
}

function convertedColumns(
  channel: Channel,
  conversion: Conversion | undefined,
  source: NumericSource,
): ColumnPlan[] {
  const { asColumn, listed, values } = source;
  const toText = conversion?.toText;
  if (conversion?.toNumber === undefined) {
    const plain: ColumnPlan = {
      schema: schemaOf(channel, listed(source.type)),
      channel,
      decode: (rows) => ({ values: asColumn(rows, values(rows)) }),
    };
    const needsText = toText !== undefined && conversion?.choices === undefined && source.perRow;
    return needsText ? [plain, textColumn(channel, values, toText)] : [plain];
  }
  const physical: ColumnPlan = {
    schema: schemaOf(channel, listed('float64')),
    channel,
    decode: (rows) => {
      const raw = values(rows);
      if (toText === undefined || !source.perRow)
        return { values: asColumn(rows, applyNumeric(raw, conversion)) };
      // Before the conversion, which may work in place.
      const validity = new Uint8Array(raw.length);
      raw.forEach((value: number | bigint, row: number) => {
        validity[row] = toText(Number(value)) === undefined ? 1 : 0;
      });
      return { values: asColumn(rows, applyNumeric(raw, conversion)), validity };
    },
  };
  return toText !== undefined && source.perRow ? [physical, textColumn(channel, values, toText)] : [physical];
}

function textColumn(
  channel: Channel,
  values: (rows: Rows) => NumberValues,
  toText: (raw: number) => string | undefined,
): ColumnPlan {
  return {
    schema: schemaOf(channel, 'string', '.text'),
    channel,
    decode: (rows) => {
      const texts = Array.from<number | bigint, string | undefined>(
        values(rows) as ArrayLike<number | bigint>,
        (value) => toText(Number(value)),
      );
      return {
        values: stringValues(texts.map((text) => text ?? '')),
        validity: Uint8Array.from(texts, (text) => (text === undefined ? 0 : 1)),
      };
    },
  };
}

function virtualColumns(channel: Channel): ColumnPlan[] {
  const indexes = ({ records, firstRow }: Rows) => {
    const values = new Float64Array(records.count);
    for (let row = 0; row < records.count; row++) values[row] = firstRow + row;
    return values;
  };
  return convertedColumns(channel, channel.conversion, {
    type: 'float64',
    listed: (type) => type,
    values: indexes,
    asColumn: (_, values) => values,
    perRow: true,
  });
}

/** Real and imaginary parts; what a conversion of complex numbers would be is nowhere said. */
function complexColumns(channel: Channel, group: ChannelGroup): ColumnPlan[] {
  const { conversion: _, ...plain } = channel;
  const bitCount = channel.bitCount / 2;
  return ['.re', '.im'].flatMap((suffix, index) => {
    const byteOffset = channel.byteOffset + (index * bitCount) / 8;
    const part = { ...plain, name: channel.name + suffix, byteOffset, bitCount };
    return numericColumns(part, fieldOf(channel, part, group.dataBytes), group);
  });
}

type VariableColumn = ColumnBatch & { readonly values: VariableValues };

function variableColumns(channel: Channel, raw: (rows: Rows) => VariableColumn | undefined): ColumnPlan[] {
  const { conversion } = channel;
  const asText = isText(channel);
  const toNumber = asText ? conversion?.textToNumber : undefined;
  const toText = asText ? conversion?.textToText : undefined;
  const decode = (rows: Rows): ColumnBatch => {
    const column = raw(rows) ?? nothing(rows.records.count);
    if (!asText) return column;
    const values = toUtf8(column.values, channel.dataType);
    const validity = column.validity === undefined ? {} : { validity: column.validity };
    if (toNumber !== undefined) return { values: Float64Array.from(textsOf(values), toNumber), ...validity };
    if (toText !== undefined) return { values: stringValues(textsOf(values).map(toText)), ...validity };
    return { values, ...validity };
  };
  const type = toNumber === undefined ? (asText ? 'string' : 'bytes') : 'float64';
  return [{ schema: schemaOf(channel, type), channel, decode }];
}

function nothing(rowCount: number): VariableColumn {
  return {
    values: { kind: 'variable', offsets: new Uint32Array(rowCount + 1), bytes: new Uint8Array(0) },
    validity: new Uint8Array(rowCount),
  };
}

/** Text and bytes inside of the record: always the same length, or as long as the size channel says (MLSD). */
function inlineReader(channel: Channel, group: ChannelGroup): (records: Records) => VariableValues {
  const { byteOffset, sizeChannel } = channel;
  const sizeBytes = channel.bitCount >> 3;
  if (byteOffset + sizeBytes > group.dataBytes) {
    throw new Mdf4Damage(
      `channel ${channel.name} ends at byte ${byteOffset + sizeBytes} of a record of ${group.dataBytes}`,
    );
  }
  if (sizeChannel === undefined) return (records) => evenValues(records, byteOffset, sizeBytes);
  const sizeField = fieldOf(sizeChannel, sizeChannel, group.dataBytes);
  return (records) => {
    const sizes = applyNumeric(rawValues(sizeField, records), sizeChannel.conversion);
    const builder = new VariableBuilder(records.count, records.count * sizeBytes);
    for (let row = 0; row < records.count; row++) {
      const start = row * records.strideBytes + byteOffset;
      builder.add(records.bytes.subarray(start, start + Math.max(0, Math.min(sizeBytes, sizes[row]!))));
    }
    return builder.done();
  };
}

function evenValues(
  { bytes, strideBytes, count }: Records,
  byteOffset: number,
  sizeBytes: number,
): VariableValues {
  const values = new Uint8Array(count * sizeBytes);
  let to = 0;
  for (let row = 0, start = byteOffset; row < count; row++, start += strideBytes) {
    for (let at = start; at < start + sizeBytes; at++) values[to++] = bytes[at]!;
  }
  return { kind: 'variable', offsets: evenOffsets(count, sizeBytes), bytes: values };
}

const CANOPEN_EPOCH_MS = Date.UTC(1984, 0, 1);
const NS_PER_MS = 1_000_000n;

/** CANopen date (7 bytes) and time (6 bytes) as UTC nanoseconds (ASAM MDF 4.1.0, 4.16.5; CiA 301). */
function canOpenColumn(channel: Channel, group: ChannelGroup): ColumnPlan {
  const isDate = channel.dataType === DataType.canOpenDate;
  const { byteOffset } = channel;
  if (channel.bitCount !== (isDate ? 56 : 48) || byteOffset + (isDate ? 7 : 6) > group.dataBytes) {
    throw new Mdf4Damage(`channel ${channel.name} ends outside of its record of ${group.dataBytes} bytes`);
  }
  const milliseconds = (view: DataView, at: number) => {
    if (!isDate)
      return (
        CANOPEN_EPOCH_MS +
        (view.getUint32(at, true) & 0x0fff_ffff) +
        view.getUint16(at + 4, true) * 86_400_000
      );
    const year = view.getUint8(at + 6) & 0x7f;
    return Date.UTC(
      year < 84 ? 2000 + year : 1900 + year,
      (view.getUint8(at + 5) & 0x3f) - 1,
      view.getUint8(at + 4) & 0x1f,
      view.getUint8(at + 3) & 0x1f,
      view.getUint8(at + 2) & 0x3f,
      0,
      view.getUint16(at, true),
    );
  };
  return {
    schema: schemaOf(channel, 'timestamp'),
    channel,
    decode: ({ records }) => {
      const view = new DataView(records.bytes.buffer, records.bytes.byteOffset, records.bytes.length);
      const values = BigInt64Array.from(
        { length: records.count },
        (_, row) => BigInt(milliseconds(view, row * records.strideBytes + byteOffset)) * NS_PER_MS,
      );
      return { values };
    },
  };
}

/** Undefined where every row of the channel is valid. */
function validityReader(
  channel: Channel,
  group: ChannelGroup,
): ((records: Records) => Uint8Array) | undefined {
  if (channel.allInvalid) return (records) => new Uint8Array(records.count);
  const bit = channel.invalidationBit;
  if (bit === undefined || bit >> 3 >= group.invalidationBytes) return undefined;
  return (records) => {
    const validity = new Uint8Array(records.count);
    let at = group.dataBytes + (bit >> 3);
    for (let row = 0; row < records.count; row++, at += records.strideBytes) {
      validity[row] = ((records.bytes[at]! >> (bit & 7)) & 1) ^ 1;
    }
    return validity;
  };
}

function bothValid(first: Uint8Array | undefined, second: Uint8Array): Uint8Array {
  if (first === undefined) return second;
  return second.map((valid, row) => valid & first[row]!);
}

/** Columns of all channels of a group; one that is damaged is counted and left out. Names become unique. */
export function groupColumns(
  group: ChannelGroup,
  channels: readonly Channel[],
  loss: LossCounter,
): ColumnPlan[] {
  return channels.flatMap((channel) => {
    try {
      return columnPlansOf(channel, group);
    } catch (error) {
      if (!(error instanceof Mdf4Damage)) throw error;
      loss.add(0, 0, `${group.acquisitionName}: ${error.message}; the channel is left out`);
      return [];
    }
  });
}
