import type { VariableValues } from '../recording-reader.ts';
import { type DraftBlock, fields, layOut, linkedList, textBlock, textOrNil } from './draft-blocks.ts';
import type { NumberValues } from './field-values.ts';
import { ChannelType, DataType, SYNC_TIME } from './model.ts';

/** A recording to be written as MDF 4.11. */
export interface WrittenRecording {
  readonly startTimeNs: bigint;
  readonly timeZoneMinutes?: number;
  readonly daylightSavingMinutes?: number;
  readonly comment?: string;
  /** Common properties of the header, such as `author`, `VIN`. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly groups: readonly WrittenGroup[];
  readonly attachments?: readonly {
    readonly name: string;
    readonly mediaType: string;
    readonly bytes: Uint8Array;
  }[];
}

export interface WrittenGroup {
  readonly name: string;
  readonly comment?: string;
  /** UTC nanoseconds of each row, not before the recording's start. */
  readonly timestampsNs: BigInt64Array;
  readonly channels: readonly WrittenChannel[];
  /** The bus and structure of a group of frames: `{ name: 'CAN1', structure: 'CAN_DataFrame' }`. */
  readonly bus?: { readonly name: string; readonly structure: string };
}

export interface WrittenChannel {
  readonly name: string;
  readonly unit?: string;
  readonly description?: string;
  /** As many values as the group has rows; bytes and texts are stored with their own length each. */
  readonly values: NumberValues | VariableValues;
  /** What variable values are; absent for numbers. */
  readonly kind?: 'bytes' | 'string';
  /** physical = raw * factor + offset. */
  readonly linear?: { readonly factor: number; readonly offset: number };
  /** Raw value to text. */
  readonly choices?: Readonly<Record<number, string>>;
}

export interface WriteOptions {
  /** Data is compressed with this (zlib stream), transposed, in blocks of at most 4 MiB; absent = plain. */
  readonly deflate?: (bytes: Uint8Array) => Uint8Array;
}

const ID_BYTES = 64;
const VERSION = 411;
const BLOCK_DATA_BYTES_MAX = 1 << 22;
const NOTHING_FINISHED = 0x01 | 0x04 | 0x20;

/** A finalized, sorted file: one data group per channel group. The bytes come in the order of the file. */
export function* writeMdf4(recording: WrittenRecording, options: WriteOptions = {}): Generator<Uint8Array> {
  const dataGroups = linkedList(recording.groups, (group, next) => {
    const layout = recordLayout(group, 0);
    const signalData = new Map(layout.apart.map((place) => [place, signalDataOf(place, options)]));
    const channelGroup = channelGroupOf(group, layout, {
      recordId: 0,
      cycleCount: group.timestampsNs.length,
      next: undefined,
      dataOf: (place) => signalData.get(place),
    });
    const records = new Uint8Array(layout.sizeBytes * group.timestampsNs.length);
    const offsets = layout.apart.map(() => 0);
    for (let row = 0; row < group.timestampsNs.length; row++) {
      writeRecord(layout, recording.startTimeNs, row, offsets, records, row * layout.sizeBytes);
    }
    return dataGroupOf(next, channelGroup, dataBlocks('DT', records, layout.sizeBytes, options), 0);
  });
  yield identification(true, 0);
  yield* layOut(headerOf(recording, dataGroups), ID_BYTES);
}

/**
 * What a logger leaves behind when its power is cut: unfinalized, all groups mixed in one data group in the order of
 * time, values of variable length in groups of their own, no counters, and data to the end of the file.
 */
export function* writeUnfinalizedMdf4(recording: WrittenRecording): Generator<Uint8Array> {
  let recordId = 0;
  const groups = recording.groups.map((group) => {
    const layout = recordLayout(group, 1);
    recordId += 1;
    const own = recordId;
    const variable = layout.apart.map((place) => {
      recordId += 1;
      return { place, recordId, block: variableGroupOf(recordId) };
    });
    return { group, layout, recordId: own, variable };
  });
  let next: DraftBlock | undefined;
  for (const { group, layout, recordId: id, variable } of groups.toReversed()) {
    for (const { block } of variable.toReversed()) {
      next = { ...block, links: [next, ...block.links.slice(1)] };
      variable.find((entry) => entry.block === block)!.block = next;
    }
    const blockOf = (place: ApartPlace) => variable.find((entry) => entry.place === place)?.block;
    next = channelGroupOf(group, layout, { recordId: id, cycleCount: 0, next, dataOf: blockOf });
  }
  const data: DraftBlock = {
    id: 'DT',
    links: [],
    data: mixedRecords(recording, groups),
    claimedDataBytes: 0,
  };
  yield identification(false, NOTHING_FINISHED);
  yield* layOut(headerOf(recording, dataGroupOf(undefined, next, data, 1)), ID_BYTES, data);
}

interface MixedGroup {
  readonly group: WrittenGroup;
  readonly layout: RecordLayout;
  readonly recordId: number;
  readonly variable: { readonly place: ApartPlace; readonly recordId: number; block: DraftBlock }[];
}

function mixedRecords(recording: WrittenRecording, groups: readonly MixedGroup[]): Uint8Array {
  const rows = groups.flatMap((group) =>
    Array.from(group.group.timestampsNs, (timeNs, row) => ({ group, row, timeNs })),
  );
  rows.sort((a, b) => (a.timeNs < b.timeNs ? -1 : Number(a.timeNs > b.timeNs)));
  const sizes = rows.map(({ group, row }) =>
    group.variable.reduce((sum, { place }) => sum + 5 + valueAt(place, row).length, group.layout.sizeBytes),
  );
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  const offsets = new Map(groups.map((group) => [group, group.variable.map(() => 0)]));
  let at = 0;
  for (const { group, row } of rows) {
    for (const { place, recordId } of group.variable) {
      const value = valueAt(place, row);
      view.setUint8(at, recordId);
      view.setUint32(at + 1, value.length, true);
      bytes.set(value, at + 5);
      at += 5 + value.length;
    }
    view.setUint8(at, group.recordId);
    writeRecord(group.layout, recording.startTimeNs, row, offsets.get(group)!, bytes, at);
    at += group.layout.sizeBytes;
  }
  return bytes;
}

interface ApartPlace {
  readonly channel: WrittenChannel;
  readonly values: VariableValues;
  readonly byteOffset: number;
}

interface NumberPlace {
  readonly channel: WrittenChannel;
  readonly values: NumberValues;
  readonly byteOffset: number;
}

interface RecordLayout {
  readonly group: WrittenGroup;
  /** Record id, if any, and data. */
  readonly sizeBytes: number;
  readonly recordIdBytes: number;
  readonly numbers: readonly NumberPlace[];
  readonly apart: readonly ApartPlace[];
}

const MASTER_BYTES = 8;
const PLACE_BYTES = 8;

/** Master first, then the channels in their order. Offsets count behind the record id. */
function recordLayout(group: WrittenGroup, recordIdBytes: number): RecordLayout {
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

function writeRecord(
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

function valueAt({ values }: ApartPlace, row: number): Uint8Array {
  return values.bytes.subarray(values.offsets[row], values.offsets[row + 1]);
}

function signalDataOf(place: ApartPlace, options: WriteOptions): DraftBlock | undefined {
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
function dataBlocks(id: 'DT' | 'SD', data: Uint8Array, recordBytes: number, { deflate }: WriteOptions) {
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

function identification(finalized: boolean, unfinishedFlags: number): Uint8Array {
  const bytes = new Uint8Array(ID_BYTES);
  bytes.set(new TextEncoder().encode(`${finalized ? 'MDF     ' : 'UnFinMF '}4.11    Landfall`));
  const view = new DataView(bytes.buffer);
  view.setUint16(28, VERSION, true);
  view.setUint16(60, unfinishedFlags, true);
  return bytes;
}

function headerOf(recording: WrittenRecording, firstDataGroup: DraftBlock | undefined): DraftBlock {
  const time: (view: DataView) => void = (view) => {
    view.setBigUint64(0, recording.startTimeNs, true);
    view.setInt16(8, recording.timeZoneMinutes ?? 0, true);
    view.setInt16(10, recording.daylightSavingMinutes ?? 0, true);
    view.setUint8(12, 2);
  };
  const history: DraftBlock = {
    id: 'FH',
    links: [undefined, textBlock(HISTORY_COMMENT, 'MD')],
    data: fields(16, time),
  };
  const attachments = linkedList(recording.attachments ?? [], ({ name, mediaType, bytes }, next) => ({
    id: 'AT',
    links: [next, textBlock(name), textBlock(mediaType), undefined],
    data: fields(40 + bytes.length, (view) => {
      view.setUint16(0, 1, true);
      view.setBigUint64(24, BigInt(bytes.length), true);
      view.setBigUint64(32, BigInt(bytes.length), true);
      new Uint8Array(view.buffer).set(bytes, 40);
    }),
  }));
  const comment = textBlock(headerComment(recording), 'MD');
  return {
    id: 'HD',
    links: [firstDataGroup, history, undefined, attachments, undefined, comment],
    data: fields(32, time),
  };
}

const HISTORY_COMMENT =
  '<FHcomment><TX>written</TX><tool_id>Landfall</tool_id><tool_vendor>Landfall</tool_vendor>' +
  '<tool_version>1</tool_version></FHcomment>';

function headerComment({ comment = '', properties = {} }: WrittenRecording): string {
  const entries = Object.entries(properties).map(
    ([name, value]) => `<e name="${escapeXml(name)}">${escapeXml(value)}</e>`,
  );
  const common = entries.length === 0 ? '' : `<common_properties>${entries.join('')}</common_properties>`;
  return `<HDcomment><TX>${escapeXml(comment)}</TX>${common}</HDcomment>`;
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function dataGroupOf(
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

function channelGroupOf(group: WrittenGroup, layout: RecordLayout, facts: GroupFacts): DraftBlock {
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

function variableGroupOf(recordId: number): DraftBlock {
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
