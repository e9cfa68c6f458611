import { type Block, linkOf, Mdf4Damage, requireData, uint64 } from './blocks.ts';
import type { ChannelGroup, DataGroup, ElementGroups } from './model.ts';

/** A CA block (ASAM MDF 4.1.0, 4.18), its links not yet followed. */
export interface ArrayBlock {
  readonly compositionLink: number;
  readonly sizes: readonly number[];
  /** Between neighbours in each dimension; only of elements that lie in the record. */
  readonly strideBytes: readonly number[];
  /** Channels with the size of each dimension; empty where the sizes are always the same. */
  readonly sizeLinks: readonly { readonly groupLink: number; readonly channelLink: number }[];
  /** Values of fixed axes, by dimension; empty without them. */
  readonly axes: readonly (readonly number[])[];
  /** Where elements lie in groups of their own. */
  readonly elementGroups?: ElementGroups;
}

const Storage = { inRecord: 0, channelGroups: 1, dataGroups: 2 } as const;
const Flag = {
  dynamicSize: 0x01,
  inputQuantity: 0x02,
  outputQuantity: 0x04,
  comparisonQuantity: 0x08,
  axis: 0x10,
  fixedAxis: 0x20,
  firstDimensionFastest: 0x40,
} as const;
const FIXED_BYTES = 16;
const DIMENSIONS_MAX = 64;
const ELEMENT_GROUPS_MAX = 4096;

/** @throws {Mdf4Damage} where the block is too short for what it says. */
export function parseArrayBlock(block: Block): ArrayBlock {
  const data = requireData(block, FIXED_BYTES);
  const storage = data.getUint8(1);
  const dimensions = data.getUint16(2, true);
  const flags = data.getUint32(4, true);
  if (dimensions > DIMENSIONS_MAX)
    throw new Mdf4Damage(`the array at ${block.offset} has ${dimensions} dimensions`);
  requireData(block, FIXED_BYTES + dimensions * 8);
  const sizes = Array.from({ length: dimensions }, (_, index) => uint64(data, FIXED_BYTES + index * 8));
  const isFirstFastest = (flags & Flag.firstDimensionFastest) !== 0;
  const hasAxes = (flags & Flag.fixedAxis) !== 0;
  const axesBytes = hasAxes ? sizes.reduce((sum, size) => sum + size, 0) * 8 : 0;
  const elementCount = sizes.reduce((product, size) => product * size, 1);
  const dataLinkCount = storage === Storage.dataGroups ? elementCount : 0;
  return {
    compositionLink: linkOf(block, 0),
    sizes,
    strideBytes: stridesOf(sizes, data.getInt32(8, true), isFirstFastest),
    sizeLinks: (flags & Flag.dynamicSize) === 0 ? [] : sizeLinks(block, 1 + dataLinkCount, dimensions),
    axes: hasAxes ? axesOf(requireData(block, FIXED_BYTES + dimensions * 8 + axesBytes), sizes) : [],
    ...(storage === Storage.inRecord
      ? {}
      : {
          elementGroups: elementGroups(
            block,
            storage,
            sizes,
            isFirstFastest,
            FIXED_BYTES + dimensions * 8 + axesBytes,
          ),
        }),
  };
}

function stridesOf(sizes: readonly number[], elementStrideBytes: number, isFirstFastest: boolean): number[] {
  const strideBytes = new Array<number>(sizes.length).fill(0);
  let stride = elementStrideBytes;
  for (let step = 0; step < sizes.length; step++) {
    const dimension = isFirstFastest ? step : sizes.length - 1 - step;
    strideBytes[dimension] = stride;
    stride *= sizes[dimension]!;
  }
  return strideBytes;
}

/** Three links for each dimension: data group, channel group, channel. */
function sizeLinks(block: Block, first: number, dimensions: number): ArrayBlock['sizeLinks'] {
  return Array.from({ length: dimensions }, (_, index) => ({
    groupLink: linkOf(block, first + index * 3 + 1),
    channelLink: linkOf(block, first + index * 3 + 2),
  }));
}

function axesOf(data: DataView, sizes: readonly number[]): number[][] {
  let start = FIXED_BYTES + sizes.length * 8;
  return sizes.map((size) => {
    const first = start;
    start += size * 8;
    return Array.from({ length: size }, (_, index) => data.getFloat64(first + index * 8, true));
  });
}

function elementGroups(
  block: Block,
  storage: number,
  sizes: readonly number[],
  isFirstFastest: boolean,
  cycleCountsAt: number,
): ElementGroups {
  const count = sizes.reduce((product, size) => product * size, 1);
  if (storage > Storage.dataGroups || count < 1 || count > ELEMENT_GROUPS_MAX) {
    throw new Mdf4Damage(`the array at ${block.offset} keeps ${count} elements in storage ${storage}`);
  }
  const data = requireData(block, cycleCountsAt + count * 8);
  const each = <T>(of: (element: number) => T) => Array.from({ length: count }, (_, element) => of(element));
  return {
    storage: storage === Storage.channelGroups ? 'record ids' : 'data links',
    labels: each((element) => labelOf(element, sizes, isFirstFastest)),
    cycleCounts: each((element) => uint64(data, cycleCountsAt + element * 8)),
    dataLinks: storage === Storage.dataGroups ? each((element) => linkOf(block, 1 + element)) : [],
  };
}

/** `[row][column]` of an element by its number. */
function labelOf(element: number, sizes: readonly number[], isFirstFastest: boolean): string {
  const indexes = new Array<number>(sizes.length).fill(0);
  let rest = element;
  for (let step = 0; step < sizes.length; step++) {
    const dimension = isFirstFastest ? step : sizes.length - 1 - step;
    indexes[dimension] = rest % sizes[dimension]!;
    rest = Math.floor(rest / sizes[dimension]!);
  }
  return indexes.map((index) => `[${index}]`).join('');
}

/** The data group, and those that the elements of its arrays lie in. */
export function withElementGroups(dataGroup: DataGroup): DataGroup[] {
  const channelGroups: ChannelGroup[] = [];
  const others: DataGroup[] = [];
  for (const group of dataGroup.channelGroups) {
    const elements = group.channels.find((channel) => channel.elementGroups !== undefined)?.elementGroups;
    for (const [index, label] of (elements?.labels ?? ['']).entries()) {
      const own = index === 0 ? { ...group, element: label } : elementGroup(group, elements!, index);
      if (index === 0 || elements?.storage === 'record ids') channelGroups.push(own);
      else {
        const dataLink = elements?.dataLinks[index] ?? 0;
        others.push({ ...dataGroup, offset: Number.NaN, dataLink, channelGroups: [own] });
      }
    }
  }
  return [{ ...dataGroup, channelGroups }, ...others];
}

/** No block stands for the group of a further element, so it has no offset that anything could name. */
function elementGroup(group: ChannelGroup, elements: ElementGroups, index: number): ChannelGroup {
  const recordId = group.recordId + (elements.storage === 'record ids' ? index : 0);
  const cycleCount = elements.cycleCounts[index] ?? 0;
  return { ...group, offset: Number.NaN, element: elements.labels[index] ?? '', recordId, cycleCount };
}
