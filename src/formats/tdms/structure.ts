import type { LossCounter } from '../recording-reader.ts';
import {
  type ChunkLayout,
  type LayoutEntry,
  layOutChunk,
  type StoredKind,
  shortChunk,
  storedKindOf,
} from './chunk-layout.ts';
import { Toc } from './lead-in.ts';
import {
  type PropertyValue,
  parseMetadata,
  type RawIndex,
  type SegmentObject,
  TdmsDamage,
} from './metadata.ts';
import { type ObjectPath, parseObjectPath } from './object-path.ts';
import type { LocatedSegment } from './segments.ts';

export type Properties = ReadonlyMap<string, PropertyValue>;

/** Chunks that lie behind each other and are alike. */
export interface ChunkSpan {
  readonly offset: number;
  readonly layout: ChunkLayout;
  readonly chunkCount: number;
  /** Chunks that are known to have been here and cannot be read: their rows keep the times of later rows right. */
  readonly isLost: boolean;
}

export interface Channel {
  readonly id: number;
  readonly group: string;
  readonly name: string;
  readonly properties: Properties;
  /** Values in the file, lost ones included. */
  readonly valueCount: number;
  /** As many as there would be if the last chunk had not been interrupted. */
  readonly declaredCount: number;
  /** What the values are, in the order of appearance; more than one where segments disagree. */
  readonly storedKinds: ReadonlySet<StoredKind>;
}

export interface Structure {
  readonly spans: readonly ChunkSpan[];
  readonly channels: readonly Channel[];
  readonly rootProperties: Properties;
  readonly groups: ReadonlyMap<string, Properties>;
}

interface GrowingChannel extends Channel {
  properties: Map<string, PropertyValue>;
  valueCount: number;
  declaredCount: number;
  storedKinds: Set<StoredKind>;
  /** As it was last said, for "as before". */
  rawIndex: RawIndex | undefined;
}

interface ListedObject {
  readonly channel: GrowingChannel;
  readonly hasData: boolean;
}

/** All layouts together have at most this many channels: a file that changes its layout in every segment is refused at some point. */
const LAYOUT_ENTRIES_MAX = 1 << 23;

/** Puts segments together: objects and properties accumulate, object lists carry over ("Meta Data", "Raw Data"). */
export class StructureBuilder {
  readonly #loss: LossCounter;
  readonly #spans: ChunkSpan[] = [];
  /** By id. */
  readonly #channels: GrowingChannel[] = [];
  readonly #channelsByPath = new Map<string, GrowingChannel>();
  readonly #rootProperties = new Map<string, PropertyValue>();
  readonly #groups = new Map<string, Map<string, PropertyValue>>();
  readonly #layouts = new Map<string, ChunkLayout>();
  /** One object for all raw indexes that say the same, by what they say. */
  readonly #rawIndexes = new Map<string, { readonly rawIndex: RawIndex; readonly id: number }>();
  #layoutEntries = 0;
  #listed: readonly ListedObject[] = [];
  #entries: readonly LayoutEntry[] = [];
  #layout: ChunkLayout | undefined;
  /** Metadata may have been lost: what carries over from before is no more than likely. */
  #isUnsure = false;

  constructor(loss: LossCounter) {
    this.#loss = loss;
  }

  add(segment: LocatedSegment): void {
    if (segment.gapBytes > 0) this.#afterGap(segment.gapBytes);
    try {
      this.#addObjects(segment);
      this.#addData(segment);
    } catch (error) {
      if (!(error instanceof TdmsDamage)) throw error;
      const sizeBytes = segment.endOffset - segment.offset;
      const records = this.#leaveOut(segment.endOffset - segment.dataOffset);
      this.#loss.add(records, sizeBytes, `the segment at ${segment.offset} is left out: ${error.message}`);
      this.#isUnsure = true;
    }
  }

  build(): Structure {
    return {
      spans: this.#spans,
      channels: this.#channels,
      rootProperties: this.#rootProperties,
      groups: this.#groups,
    };
  }

  #afterGap(gapBytes: number): void {
    const records = this.#leaveOut(gapBytes);
    if (records > 0) this.#loss.add(records, 0, `about ${records} rows lay in these ${gapBytes} bytes`);
    this.#isUnsure = true;
  }

  /** Leaves room for the chunks that `sizeBytes` most likely held. Returns how many rows that is. */
  #leaveOut(sizeBytes: number): number {
    const layout = this.#layout;
    if (layout === undefined || layout.sizeBytes === 0) return 0;
    const chunkCount = Math.floor(sizeBytes / layout.sizeBytes);
    if (chunkCount > 0) this.#addSpan({ offset: 0, layout, chunkCount, isLost: true });
    return chunkCount * rowsOf(layout);
  }

  #addObjects({ leadIn, metadata }: LocatedSegment): void {
    const isNewList = (leadIn.toc & Toc.newObjectList) !== 0;
    const isLittle = (leadIn.toc & Toc.bigEndian) === 0;
    if (metadata.length > 0) {
      const objects = parseMetadata(metadata, isLittle);
      this.#listed = this.#listAfter(objects, isNewList);
      if (isNewList) this.#isUnsure = false;
      const entries = this.#listed
        .filter(({ hasData }) => hasData)
        .map(({ channel }) => ({ channelId: channel.id, rawIndex: channel.rawIndex! }));
      if (!areSame(this.#entries, entries)) this.#entries = entries;
    }
    const isInterleaved = (leadIn.toc & Toc.interleaved) !== 0;
    this.#layout = this.#layoutOf(this.#entries, isInterleaved, isLittle);
  }

  #listAfter(objects: readonly SegmentObject[], isNewList: boolean): ListedObject[] {
    const listed = isNewList ? [] : [...this.#listed];
    const positions = new Map(listed.map(({ channel }, position) => [channel, position]));
    for (const { path, rawIndex, properties } of objects) {
      const parsed = parseObjectPath(path);
      const target = this.#propertiesOf(path, parsed);
      for (const [name, value] of properties) target.set(name, value);
      if (parsed !== undefined && parsed.level !== 'channel' && rawIndex === 'none') continue;
      const channel = this.#channelOf(path, parsed);
      if (rawIndex === 'same' && channel.rawIndex === undefined) {
        throw new TdmsDamage(`${path} is to be as before, and there was none before`);
      }
      if (typeof rawIndex === 'object' && !isSame(channel.rawIndex, rawIndex)) {
        channel.rawIndex = this.#interned(rawIndex).rawIndex;
      }
      const object = { channel, hasData: rawIndex !== 'none' };
      const position = positions.get(channel);
      if (position !== undefined) listed[position] = object;
      else {
        positions.set(channel, listed.length);
        listed.push(object);
      }
    }
    return listed;
  }

  #propertiesOf(path: string, parsed: ObjectPath | undefined): Map<string, PropertyValue> {
    if (parsed === undefined || parsed.level === 'channel') return this.#channelOf(path, parsed).properties;
    return parsed.level === 'root' ? this.#rootProperties : this.#groupOf(parsed.group);
  }

  #groupOf(name: string): Map<string, PropertyValue> {
    const properties = this.#groups.get(name) ?? new Map<string, PropertyValue>();
    this.#groups.set(name, properties);
    return properties;
  }

  #channelOf(path: string, parsed: ObjectPath | undefined): GrowingChannel {
    const known = this.#channelsByPath.get(path);
    if (known !== undefined) return known;
    const group = parsed === undefined || parsed.level === 'root' ? '' : parsed.group;
    this.#groupOf(group);
    const channel: GrowingChannel = {
      id: this.#channels.length,
      group,
      name: parsed?.level === 'channel' ? parsed.channel : path,
      properties: new Map(),
      valueCount: 0,
      declaredCount: 0,
      storedKinds: new Set(),
      rawIndex: undefined,
    };
    this.#channelsByPath.set(path, channel);
    this.#channels.push(channel);
    return channel;
  }

  /** The layout of these entries; the same object for the same entries, so that many segments cost little. */
  #layoutOf(entries: readonly LayoutEntry[], isInterleaved: boolean, isLittle: boolean): ChunkLayout {
    const current = this.#layout;
    if (
      current !== undefined &&
      current.entries === entries &&
      current.isLittle === isLittle &&
      (current.form === 'daqmx' || (current.form === 'interleaved') === isInterleaved)
    ) {
      return current;
    }
    const ids = entries.map(({ channelId, rawIndex }) => `${channelId}.${this.#interned(rawIndex).id}`);
    const key = `${isInterleaved} ${isLittle} ${ids.join(' ')}`;
    const known = this.#layouts.get(key);
    if (known !== undefined) return known;
    this.#layoutEntries += entries.length;
    if (this.#layoutEntries > LAYOUT_ENTRIES_MAX) {
      throw new TdmsDamage(`the file changes its channels too often (${this.#layouts.size} layouts so far)`);
    }
    const layout = layOutChunk(entries, isInterleaved, isLittle);
    this.#layouts.set(key, layout);
    return layout;
  }

  #interned(rawIndex: RawIndex) {
    const key =
      rawIndex.form === 'values'
        ? `${rawIndex.kind} ${rawIndex.valueCount} ${rawIndex.sizeBytes}`
        : JSON.stringify(rawIndex);
    const known = this.#rawIndexes.get(key);
    if (known !== undefined) return known;
    const interned = { rawIndex, id: this.#rawIndexes.size };
    this.#rawIndexes.set(key, interned);
    return interned;
  }

  #addData(segment: LocatedSegment): void {
    const { dataOffset, endOffset, claimedEndOffset } = segment;
    const layout = this.#layout!;
    const sizeBytes = endOffset - dataOffset;
    if (layout.sizeBytes === 0) {
      if (sizeBytes > 0) throw new TdmsDamage(`${sizeBytes} bytes of data belong to no channel`);
      return;
    }
    const chunkCount = Math.floor(sizeBytes / layout.sizeBytes);
    const restBytes = sizeBytes - chunkCount * layout.sizeBytes;
    const wasInterrupted = claimedEndOffset === undefined || claimedEndOffset > endOffset;
    if (this.#isUnsure && restBytes > 0 && !wasInterrupted) {
      throw new TdmsDamage('it does not fit the channels known before the damaged place');
    }
    if (chunkCount > 0) this.#addSpan({ offset: dataOffset, layout, chunkCount, isLost: false });
    const kept = restBytes > 0 ? shortChunk(layout, restBytes, wasInterrupted) : undefined;
    const restOffset = dataOffset + chunkCount * layout.sizeBytes;
    if (kept !== undefined) {
      this.#addSpan({ offset: restOffset, layout: kept, chunkCount: 1, isLost: false }, layout);
    }
    if (wasInterrupted) this.#countInterruption(segment, layout, kept);
    else if (kept !== undefined && rowsOf(kept) === 0) {
      this.#loss.add(0, restBytes, `${restBytes} bytes at ${restOffset} are less than a row`);
    }
  }

  #countInterruption(segment: LocatedSegment, layout: ChunkLayout, kept: ChunkLayout | undefined): void {
    const { offset, dataOffset, endOffset, claimedEndOffset } = segment;
    const wholeChunks = Math.floor((endOffset - dataOffset) / layout.sizeBytes);
    const claimedChunks = Math.ceil(((claimedEndOffset ?? endOffset) - dataOffset) / layout.sizeBytes);
    const keptRows = kept === undefined ? 0 : rowsCommonTo(kept);
    const records = (claimedChunks - wholeChunks) * rowsOf(layout) - keptRows;
    if (records === 0) return;
    const why =
      claimedEndOffset === undefined
        ? 'was never closed and its last chunk is incomplete'
        : `ends ${claimedEndOffset - endOffset} bytes behind the end of the file`;
    this.#loss.add(records, 0, `the segment at ${offset} ${why}: ${records} rows are missing or incomplete`);
  }

  #addSpan(span: ChunkSpan, declaredAs = span.layout): void {
    this.#spans.push(span);
    for (const { channelId, rawIndex } of span.layout.entries) {
      const channel = this.#channels[channelId]!;
      channel.valueCount += rawIndex.valueCount * span.chunkCount;
      if (rawIndex.valueCount > 0) channel.storedKinds.add(storedKindOf(rawIndex));
    }
    for (const { channelId, rawIndex } of declaredAs.entries) {
      this.#channels[channelId]!.declaredCount += rawIndex.valueCount * span.chunkCount;
    }
  }
}

/** The longest channel of a chunk. */
function rowsOf(layout: ChunkLayout): number {
  return layout.entries.reduce((most, { rawIndex }) => Math.max(most, rawIndex.valueCount), 0);
}

/** The shortest channel of a chunk: rows beyond it lack a value. */
function rowsCommonTo(layout: ChunkLayout): number {
  return layout.entries.reduce((least, { rawIndex }) => Math.min(least, rawIndex.valueCount), rowsOf(layout));
}

function areSame(known: readonly LayoutEntry[], said: readonly LayoutEntry[]): boolean {
  return (
    known.length === said.length &&
    said.every(
      ({ channelId, rawIndex }, position) =>
        known[position]!.channelId === channelId && known[position]!.rawIndex === rawIndex,
    )
  );
}

function isSame(known: RawIndex | undefined, said: RawIndex): boolean {
  if (known === undefined || known.valueCount !== said.valueCount) return false;
  if (known.form === 'values' && said.form === 'values') {
    return known.kind === said.kind && known.sizeBytes === said.sizeBytes;
  }
  return known.form === said.form && JSON.stringify(known) === JSON.stringify(said);
}
