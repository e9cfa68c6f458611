import type { LossCounter } from '../recording-reader.ts';
import {
  type Block,
  type BlockHeader,
  type BlockReader,
  linkOf,
  Mdf4Damage,
  requireData,
  uint64,
} from './blocks.ts';
import { type ArrayBlock, parseArrayBlock, withElementGroups } from './channel-array.ts';
import { ConversionReader } from './conversion-block.ts';
import {
  type ArrayShape,
  type Channel,
  type ChannelGroup,
  ChannelType,
  type DataGroup,
  DataType,
  type ElementGroups,
  GROUP_HAS_REMOTE_MASTER,
  isInteger,
} from './model.ts';
import { readSource, readText } from './text.ts';

const STRUCTURE_DEPTH_MAX = 32;
const ELEMENT_GROUPS_MAX = 1 << 16;
const REDUCTIONS_MAX = 1 << 10;
const CHANNEL_ALL_INVALID = 0x01;
const CHANNEL_HAS_INVALIDATION_BIT = 0x02;

/**
 * Compositions of ASAM MDF 4.3. Where their parts begin in a record or stream is not described in public, and no
 * file that has them was at hand: a guess could give wrong numbers, bytes cannot.
 */
const UNREAD_COMPOSITIONS: Readonly<Record<string, string>> = {
  CU: 'a union',
  CV: 'a variant',
  CL: 'a list of changing length',
  DS: 'a data stream',
};

/**
 * Follows the links HD → DG → CG → CN (ASAM MDF 4.1.0, 4.13 to 4.18). Every block is visited once, so that lists in
 * circles end; what is damaged is counted as lost, and the lists go on without it as far as they can be followed.
 */
export class StructureReader {
  readonly #reader: BlockReader;
  readonly #loss: LossCounter;
  readonly #conversions: ConversionReader;
  readonly #visited = new Set<number>();
  #elementGroupsLeft = ELEMENT_GROUPS_MAX;

  constructor(reader: BlockReader, loss: LossCounter) {
    this.#reader = reader;
    this.#loss = loss;
    this.#conversions = new ConversionReader(reader);
  }

  async dataGroups(firstLink: number): Promise<DataGroup[]> {
    const groups: DataGroup[] = [];
    await this.#list(firstLink, 'DG', 0, async (block) => {
      const recordIdBytes = requireData(block, 1).getUint8(0);
      if (![0, 1, 2, 4, 8].includes(recordIdBytes)) {
        throw new Mdf4Damage(`the data group at ${block.offset} has record ids of ${recordIdBytes} bytes`);
      }
      const channelGroups = await this.#channelGroups(linkOf(block, 1));
      const group = { offset: block.offset, recordIdBytes, dataLink: linkOf(block, 2), channelGroups };
      const withElements = withElementGroups(group);
      this.#elementGroupsLeft -= elementCount(withElements) - channelGroups.length;
      if (this.#elementGroupsLeft < 0) throw new Mdf4Damage('its channel arrays claim too many groups');
      groups.push(...withElements);
    });
    return groups;
  }

  async #channelGroups(firstLink: number): Promise<ChannelGroup[]> {
    const groups: ChannelGroup[] = [];
    await this.#list(firstLink, 'CG', 0, async (block) => {
      const data = requireData(block, 32);
      const flags = data.getUint16(16, true);
      groups.push({
        offset: block.offset,
        recordId: uint64(data, 0),
        cycleCount: uint64(data, 8),
        flags,
        dataBytes: data.getUint32(24, true),
        invalidationBytes: data.getUint32(28, true),
        acquisitionName: await readText(this.#reader, linkOf(block, 2)),
        element: '',
        reductionCount: await this.#reductionCount(linkOf(block, 4)),
        source: await this.#source(linkOf(block, 3)),
        comment: await readText(this.#reader, linkOf(block, 5)),
        masterGroupLink: (flags & GROUP_HAS_REMOTE_MASTER) === 0 ? 0 : linkOf(block, 6),
        channels: await this.#channels(linkOf(block, 1), {
          groupOffset: block.offset,
          prefix: '',
          structure: '',
          depth: 0,
        }),
      });
    });
    return groups;
  }

  async #source(link: number): Promise<{ name: string; path: string }> {
    try {
      return await readSource(this.#reader, link);
    } catch (error) {
      if (error instanceof Mdf4Damage) return { name: '', path: '' };
      throw error;
    }
  }

  async #channels(firstLink: number, place: Place): Promise<Channel[]> {
    const channels: Channel[] = [];
    await this.#list(firstLink, 'CN', 0, async (block) => {
      channels.push(...(await this.#channel(block, place)));
    });
    return channels;
  }

  /** The channel, or in its stead the members of its structure. */
  async #channel(block: Block, place: Place): Promise<Channel[]> {
    const ownName = (await readText(this.#reader, linkOf(block, 2))) || `channel at ${block.offset}`;
    const isNamedWhole = place.prefix === '' || ownName.startsWith(`${place.prefix}.`);
    const name = isNamedWhole ? ownName : `${place.prefix}.${ownName}`;
    const { array, elementGroups, membersLink, unread } = await this.#composition(linkOf(block, 1), place);
    if (membersLink !== 0) {
      const inside: Place = {
        groupOffset: place.groupOffset,
        prefix: name,
        structure: place.structure || name,
        depth: place.depth + 1,
        ...(array === undefined ? {} : { array }),
      };
      if (inside.depth > STRUCTURE_DEPTH_MAX) {
        throw new Mdf4Damage(`the structure of channel ${name} is more than ${STRUCTURE_DEPTH_MAX} deep`);
      }
      const members = await this.#channels(membersLink, inside);
      const [first, ...others] = members;
      if (first !== undefined && elementGroups !== undefined) return [{ ...first, elementGroups }, ...others];
      if (first !== undefined) return members;
    }
    const declared = await this.#leaf(block, name, place.structure, array);
    const leaf = unread === undefined ? declared : this.#asBytes(declared, unread);
    return [elementGroups === undefined ? leaf : { ...leaf, elementGroups }];
  }

  /** A channel whose parts are not read: whole bytes where it has them, with a reason among the losses. */
  #asBytes(channel: Channel, { id, offset }: BlockHeader): Channel {
    const kind = UNREAD_COMPOSITIONS[id] ?? `composed by an unknown ${id} block`;
    const isWhole = channel.bitOffset === 0 && channel.bitCount % 8 === 0;
    const given = isWhole ? 'it is given as bytes' : 'it is given as the number it declares';
    this.#loss.add(
      0,
      0,
      `channel ${channel.name} is ${kind} (block at ${offset}): its parts are not read, ${given}`,
    );
    if (!isWhole) return channel;
    const { conversion: _, ...plain } = channel;
    return { ...plain, dataType: DataType.bytes };
  }

  async #leaf(
    block: Block,
    name: string,
    structure: string,
    array: ArrayShape | undefined,
  ): Promise<Channel> {
    const data = requireData(block, 24);
    const dataType = data.getUint8(2);
    const type = data.getUint8(0);
    const flags = data.getUint32(12, true);
    const conversion = await this.#conversions.read(linkOf(block, 4), isInteger({ dataType }));
    const sizeChannel = await this.#sizeChannel(block, type);
    return {
      name,
      type,
      syncType: data.getUint8(1),
      dataType,
      bitOffset: data.getUint8(3),
      byteOffset: data.getUint32(4, true),
      bitCount: data.getUint32(8, true),
      allInvalid: (flags & CHANNEL_ALL_INVALID) !== 0,
      ...((flags & CHANNEL_HAS_INVALIDATION_BIT) === 0 ? {} : { invalidationBit: data.getUint32(16, true) }),
      unit: (await readText(this.#reader, linkOf(block, 6))) || (conversion?.unit ?? ''),
      description: await readText(this.#reader, linkOf(block, 7)),
      ...(conversion === undefined ? {} : { conversion }),
      dataLink: linkOf(block, 5),
      ...(sizeChannel === undefined ? {} : { sizeChannel }),
      ...(array === undefined ? {} : { array }),
      structure,
    };
  }

  /**
   * MLSD names the channel with its size in `cn_data`. VLSC (4.3) keeps `cn_data` for its signal data and names the
   * size channel in a further link, found here by what it leads to.
   */
  async #sizeChannel(block: Block, type: number): Promise<Channel | undefined> {
    if (type !== ChannelType.maximumLength && type !== ChannelType.variableLengthCompact) return undefined;
    const candidates = type === ChannelType.maximumLength ? [linkOf(block, 5)] : block.links.slice(8);
    for (const link of candidates) {
      if (link === 0 || link === block.offset || (await this.#reader.header(link)).id !== 'CN') continue;
      const sizeBlock = await this.#reader.block(link, 'CN');
      if (requireData(sizeBlock, 24).getUint8(0) !== ChannelType.fixedLength) continue;
      return this.#leaf(sizeBlock, await readText(this.#reader, linkOf(sizeBlock, 2)), '', undefined);
    }
    return undefined;
  }

  /** What `cn_composition` leads to: members of a structure, an array, or an array of either. */
  async #composition(link: number, place: Place) {
    let { array } = place;
    let elementGroups: ElementGroups | undefined;
    let next = link;
    for (let depth = 0; next !== 0 && depth < STRUCTURE_DEPTH_MAX; depth++) {
      const header = await this.#reader.header(next);
      if (header.id === 'CN') return { array, elementGroups, membersLink: next };
      if (header.id !== 'CA') return { array, elementGroups, membersLink: 0, unread: header };
      const block = parseArrayBlock(await this.#reader.block(next, 'CA'));
      if (block.elementGroups !== undefined) elementGroups ??= block.elementGroups;
      else array = nestArrays(array, await this.#arrayShape(block, place.groupOffset));
      next = block.compositionLink;
    }
    return { array, elementGroups, membersLink: 0 };
  }

  async #arrayShape(
    { sizes, strideBytes, sizeLinks, axes }: ArrayBlock,
    groupOffset: number,
  ): Promise<ArrayShape> {
    const sizeChannels: (Channel | undefined)[] = [];
    for (const { groupLink, channelLink } of sizeLinks) {
      // Sizes in the records of another group have no row in common with these: the whole array is given then.
      const isHere = groupLink === groupOffset && channelLink !== 0;
      const block = isHere ? await this.#reader.block(channelLink, 'CN') : undefined;
      sizeChannels.push(block && (await this.#leaf(block, '', '', undefined)));
    }
    return { sizes, strideBytes, sizeChannels, axes };
  }

  /** Sample reductions are counted, not read. */
  async #reductionCount(firstLink: number): Promise<number> {
    const visited = new Set<number>();
    try {
      for (let link = firstLink; link !== 0 && !visited.has(link) && visited.size < REDUCTIONS_MAX; ) {
        visited.add(link);
        link = linkOf(await this.#reader.block(link, 'SR'), 0);
      }
    } catch (error) {
      // Nothing of the recording is lost with them.
      if (!(error instanceof Mdf4Damage)) throw error;
    }
    return visited.size;
  }

  /** Walks a list by its link `nextIndex`, each block once. */
  async #list(firstLink: number, id: string, nextIndex: number, visit: (block: Block) => Promise<void>) {
    for (let link = firstLink; link !== 0; ) {
      const at = link;
      try {
        if (this.#visited.has(at)) throw new Mdf4Damage(`the list of ${id} blocks comes back to ${at}`);
        this.#visited.add(at);
        const block = await this.#reader.block(at, id);
        link = linkOf(block, nextIndex);
        await visit(block);
      } catch (error) {
        if (!(error instanceof Mdf4Damage)) throw error;
        this.#loss.add(0, 0, error.message);
        if (link === at) return;
      }
    }
  }
}

interface Place {
  readonly groupOffset: number;
  readonly prefix: string;
  readonly structure: string;
  readonly depth: number;
  readonly array?: ArrayShape;
}

function elementCount(dataGroups: readonly DataGroup[]): number {
  return dataGroups.reduce((sum, { channelGroups }) => sum + channelGroups.length, 0);
}

function nestArrays(outer: ArrayShape | undefined, inner: ArrayShape): ArrayShape {
  if (outer === undefined) return inner;
  return {
    sizes: [...outer.sizes, ...inner.sizes],
    strideBytes: [...outer.strideBytes, ...inner.strideBytes],
    sizeChannels: [...outer.sizeChannels, ...inner.sizeChannels],
    axes: [...outer.axes, ...inner.axes],
  };
}
