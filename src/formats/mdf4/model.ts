import type { Conversion } from './conversion.ts';

/** What the metadata blocks of a file say, links followed. Numbers keep the names of the format. */
export interface DataGroup {
  readonly offset: number;
  /** 0 = sorted: one channel group, records without id. Else 1, 2, 4 or 8. */
  readonly recordIdBytes: number;
  readonly dataLink: number;
  readonly channelGroups: readonly ChannelGroup[];
}

export interface ChannelGroup {
  readonly offset: number;
  readonly recordId: number;
  readonly flags: number;
  /** Records written, as the file claims. */
  readonly cycleCount: number;
  /** Without record id and invalidation bytes. */
  readonly dataBytes: number;
  readonly invalidationBytes: number;
  readonly acquisitionName: string;
  /** Which element of a channel array its records are, such as `[2]`; '' where they are no element. */
  readonly element: string;
  /** Sample reductions (SR blocks); they repeat what the records say, more coarsely, and are not read. */
  readonly reductionCount: number;
  readonly source: { readonly name: string; readonly path: string };
  readonly comment: string;
  /** Offset of the channel group whose master is this group's, or 0. */
  readonly masterGroupLink: number;
  /** Leaves only: members of structures stand alone, with their full name. */
  readonly channels: readonly Channel[];
}

export interface Channel {
  readonly name: string;
  readonly type: number;
  readonly syncType: number;
  readonly dataType: number;
  readonly bitOffset: number;
  readonly byteOffset: number;
  readonly bitCount: number;
  readonly allInvalid: boolean;
  /** Position among the invalidation bits, where the channel has one. */
  readonly invalidationBit?: number;
  readonly unit: string;
  readonly description: string;
  readonly conversion?: Conversion;
  /** Signal data, VLSD channel group, or attachment. */
  readonly dataLink: number;
  /** For values stored inline or apart with their size in another channel of the record. */
  readonly sizeChannel?: Channel;
  readonly array?: ArrayShape;
  /** For arrays whose elements lie in groups of their own; the channel itself is then one element. */
  readonly elementGroups?: ElementGroups;
  /** Top member of the structure it lies in, such as `CAN_DataFrame`; '' outside of one. */
  readonly structure: string;
}

/** Elements of a channel array inside the record, first dimension slowest; `strideBytes` for each dimension. */
export interface ArrayShape {
  readonly sizes: readonly number[];
  readonly strideBytes: readonly number[];
  /** Channels of the same record with the size that each dimension has in this row, at most `sizes`. */
  readonly sizeChannels: readonly (Channel | undefined)[];
  /** Values of fixed axes, by dimension. */
  readonly axes: readonly (readonly number[])[];
}

/**
 * The group of the channel is a template: each element has records of its own, laid out as the template's. Elements
 * are numbered with the last dimension fastest, or the first where the array says so.
 */
export interface ElementGroups {
  /** In the template's data group, under the record ids that follow its own; or each behind a data link of its own. */
  readonly storage: 'record ids' | 'data links';
  readonly labels: readonly string[];
  readonly cycleCounts: readonly number[];
  readonly dataLinks: readonly number[];
}

/** `cg_flags` (ASAM MDF 4.1.0, 4.14.3; bit 3 from 4.2). */
export const GROUP_IS_VLSD = 0x01;
export const GROUP_IS_BUS_EVENT = 0x02;
export const GROUP_HAS_REMOTE_MASTER = 0x08;

/** `cn_type` (ASAM MDF 4.1.0, 4.16; 7 from 4.3). */
export const ChannelType = {
  fixedLength: 0,
  variableLength: 1,
  master: 2,
  virtualMaster: 3,
  synchronization: 4,
  maximumLength: 5,
  virtualData: 6,
  variableLengthCompact: 7,
} as const;

/** `cn_sync_type`. */
export const SYNC_TIME = 1;

/** `cn_data_type`. */
export const DataType = {
  unsignedLittle: 0,
  unsignedBig: 1,
  signedLittle: 2,
  signedBig: 3,
  floatLittle: 4,
  floatBig: 5,
  latin1: 6,
  utf8: 7,
  utf16Little: 8,
  utf16Big: 9,
  bytes: 10,
  mimeSample: 11,
  mimeStream: 12,
  canOpenDate: 13,
  canOpenTime: 14,
  complexLittle: 15,
  complexBig: 16,
  utfWithMark: 17,
} as const;

export function isInteger(channel: { readonly dataType: number }): boolean {
  return channel.dataType <= DataType.signedBig;
}

export function isSigned(channel: { readonly dataType: number }): boolean {
  return channel.dataType === DataType.signedLittle || channel.dataType === DataType.signedBig;
}

export function isText(channel: { readonly dataType: number }): boolean {
  const { dataType } = channel;
  return (dataType >= DataType.latin1 && dataType <= DataType.utf16Big) || dataType === DataType.utfWithMark;
}

export function isBytes(channel: { readonly dataType: number }): boolean {
  return channel.dataType >= DataType.bytes && channel.dataType <= DataType.mimeStream;
}

/** Integers, floats and complex numbers: what an array of becomes a list. */
export function isNumeric(channel: { readonly dataType: number }): boolean {
  return channel.dataType <= DataType.floatBig || isComplex(channel);
}

export function isComplex(channel: { readonly dataType: number }): boolean {
  return channel.dataType === DataType.complexLittle || channel.dataType === DataType.complexBig;
}

/** Values that lie outside of the record; the record holds their offset. */
export function isStoredApart(channel: { readonly type: number }): boolean {
  return channel.type === ChannelType.variableLength || channel.type === ChannelType.variableLengthCompact;
}

export function isVirtual(channel: { readonly type: number }): boolean {
  return channel.type === ChannelType.virtualMaster || channel.type === ChannelType.virtualData;
}
