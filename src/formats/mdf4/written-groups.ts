import { type DraftBlock, fields, linkedList, textBlock, textOrNil } from './draft-blocks.ts';
import type { NumberValues } from './field-values.ts';
import { ChannelType, DataType, SYNC_TIME } from './model.ts';
import type { WrittenChannel, WrittenGroup } from './written-recording.ts';
import { type ApartPlace, MASTER_BYTES, PLACE_BYTES, type RecordLayout } from './written-records.ts';

export function dataGroupOf(
  next: DraftBlock | undefined,
  channelGroup: DraftBlock | undefined,
  data: DraftBlock | undefined,
  recordIdBytes: number,
): DraftBlock {
  return {
    id: 'DG',
    links: [next, channelGroup, data, undefined],
    data: fields(8, (view) => view.setUint8(0, recordIdBytes)),
  };
}

interface GroupFacts {
  readonly recordId: number;
  readonly cycleCount: number;
  readonly next: DraftBlock | undefined;
  readonly dataOf: (place: ApartPlace) => DraftBlock | undefined;
}

export function channelGroupOf(group: WrittenGroup, layout: RecordLayout, facts: GroupFacts): DraftBlock {
  const { bus } = group;
  const source: DraftBlock | undefined = bus && {
    id: 'SI',
    links: [textBlock(bus.name), textBlock(bus.name), undefined],
    // Source type bus, bus type CAN.
    data: Uint8Array.of(2, 2, 0, 0, 0, 0, 0, 0),
  };
  const dataBytes = layout.sizeBytes - layout.recordIdBytes;
  const members = linkedList([...group.channels], (channel, next) => memberOf(channel, layout, facts, next));
  const frame = bus && {
    ...channelBlock({
      name: bus.structure,
      dataType: DataType.bytes,
      byteOffset: MASTER_BYTES,
      bitCount: (dataBytes - MASTER_BYTES) * 8,
    }),
  };
  const structure: DraftBlock | undefined = frame && {
    ...frame,
    links: [undefined, members, ...frame.links.slice(2)],
  };
  const master = channelBlock({
    name: 'time',
    type: ChannelType.master,
    dataType: DataType.floatLittle,
    byteOffset: 0,
    bitCount: 64,
    unit: 's',
  });
  return {
    id: 'CG',
    links: [
      facts.next,
      { ...master, links: [structure ?? members, ...master.links.slice(1)] },
      textOrNil(group.name),
      source,
      undefined,
      textOrNil(group.comment),
    ],
    data: fields(32, (view) => {
      view.setBigUint64(0, BigInt(facts.recordId), true);
      view.setBigUint64(8, BigInt(facts.cycleCount), true);
      view.setUint16(16, bus === undefined ? 0 : 6, true);
      view.setUint16(18, bus === undefined ? 0 : '.'.charCodeAt(0), true);
      view.setUint32(24, dataBytes, true);
    }),
  };
}

export function variableGroupOf(recordId: number): DraftBlock {
  return {
    id: 'CG',
    links: [undefined, undefined, undefined, undefined, undefined, undefined],
    data: fields(32, (view) => {
      view.setBigUint64(0, BigInt(recordId), true);
      view.setUint16(16, 1, true);
    }),
  };
}

function memberOf(
  channel: WrittenChannel,
  layout: RecordLayout,
  facts: GroupFacts,
  next: DraftBlock | undefined,
): DraftBlock {
  const apart = layout.apart.find((place) => place.channel === channel);
  const number = layout.numbers.find((place) => place.channel === channel);
  const block = channelBlock({
    ...channel,
    type: apart === undefined ? ChannelType.fixedLength : ChannelType.variableLength,
    dataType:
      number === undefined
        ? channel.kind === 'string'
          ? DataType.utf8
          : DataType.bytes
        : dataTypeOf(number.values),
    byteOffset: (apart ?? number)?.byteOffset ?? 0,
    bitCount: number === undefined ? PLACE_BYTES * 8 : number.values.BYTES_PER_ELEMENT * 8,
    data: apart && facts.dataOf(apart),
  });
  return { ...block, links: [next, ...block.links.slice(1)] };
}

interface ChannelFields {
  readonly name: string;
  readonly unit?: string;
  readonly description?: string;
  readonly linear?: WrittenChannel['linear'];
  readonly choices?: WrittenChannel['choices'];
  readonly type?: number;
  readonly dataType: number;
  readonly byteOffset: number;
  readonly bitCount: number;
  readonly data?: DraftBlock | undefined;
}

function channelBlock(channel: ChannelFields): DraftBlock {
  const { type = ChannelType.fixedLength, name, unit, description, data } = channel;
  return {
    id: 'CN',
    links: [
      undefined,
      undefined,
      textBlock(name),
      undefined,
      conversionBlock(channel),
      data,
      textOrNil(unit),
      textOrNil(description),
    ],
    data: fields(72, (view) => {
      view.setUint8(0, type);
      view.setUint8(1, type === ChannelType.master ? SYNC_TIME : 0);
      view.setUint8(2, channel.dataType);
      view.setUint32(4, channel.byteOffset, true);
      view.setUint32(8, channel.bitCount, true);
    }),
  };
}

function conversionBlock({ linear, choices }: ChannelFields): DraftBlock | undefined {
  if (linear !== undefined) return conversion(1, [], [linear.offset, linear.factor]);
  if (choices === undefined) return undefined;
  const entries = Object.entries(choices);
  const texts = entries.map(([, text]) => textBlock(text));
  return conversion(
    7,
    [...texts, undefined],
    entries.map(([value]) => Number(value)),
  );
}

function conversion(
  type: number,
  references: readonly (DraftBlock | undefined)[],
  values: readonly number[],
): DraftBlock {
  return {
    id: 'CC',
    links: [undefined, undefined, undefined, undefined, ...references],
    data: fields(24 + values.length * 8, (view) => {
      view.setUint8(0, type);
      view.setUint16(4, references.length, true);
      view.setUint16(6, values.length, true);
      values.forEach((value, index) => {
        view.setFloat64(24 + index * 8, value, true);
      });
    }),
  };
}

function dataTypeOf(values: NumberValues): number {
  if (values instanceof Float32Array || values instanceof Float64Array) return DataType.floatLittle;
  const isSigned =
    values instanceof Int8Array ||
    values instanceof Int16Array ||
    values instanceof Int32Array ||
    values instanceof BigInt64Array;
  return isSigned ? DataType.signedLittle : DataType.unsignedLittle;
}
