import { type NumberKind, sizeBytesOf, type ValueKind } from './data-types.ts';
import { type RawIndex, type Scaler, TdmsDamage } from './metadata.ts';

/** One channel of a chunk, in the chunk's order. */
export interface LayoutEntry {
  readonly channelId: number;
  readonly rawIndex: RawIndex;
}

/** Where a channel's values lie in a chunk. Value i of a fixed size begins at `offset + i * strideBytes`. */
export type Place = { readonly offset: number; readonly valueCount: number } & (
  | { readonly form: 'values'; readonly kind: Exclude<ValueKind, 'string'>; readonly strideBytes: number }
  /** `offset` is that of the table of ends, one uint32 per text; the texts follow it. */
  | { readonly form: 'texts'; readonly sizeBytes: number }
  /** `offset` is that of the first row of the card's buffer, `strideBytes` the width of a row. */
  | { readonly form: 'daqmx'; readonly scalers: readonly Scaler[]; readonly strideBytes: number }
);

/**
 * How the channels lie in one chunk; the chunks of a segment follow each other and are all alike. Shared by all
 * segments that have the same channels.
 */
export interface ChunkLayout {
  readonly form: 'contiguous' | 'interleaved' | 'daqmx';
  readonly isLittle: boolean;
  readonly entries: readonly LayoutEntry[];
  readonly sizeBytes: number;
  readonly places: ReadonlyMap<number, Place>;
}

/** @throws {TdmsDamage} where the channels cannot lie together as they claim to. */
export function layOutChunk(
  entries: readonly LayoutEntry[],
  isInterleaved: boolean,
  isLittle: boolean,
): ChunkLayout {
  const daqmxCount = entries.filter(({ rawIndex }) => rawIndex.form === 'daqmx').length;
  if (daqmxCount > 0 && daqmxCount < entries.length) {
    throw new TdmsDamage('a segment mixes DAQmx channels with others');
  }
  const form = daqmxCount > 0 ? 'daqmx' : isInterleaved ? 'interleaved' : 'contiguous';
  const placed = PLACING[form](entries);
  return { form, isLittle, entries, ...placed };
}

type Placed = Pick<ChunkLayout, 'sizeBytes' | 'places'>;

const PLACING: Readonly<Record<ChunkLayout['form'], (entries: readonly LayoutEntry[]) => Placed>> = {
  contiguous(entries) {
    const places = new Map<number, Place>();
    let offset = 0;
    for (const { channelId, rawIndex } of entries) {
      const { valueCount, sizeBytes, kind } = valuesOf(rawIndex);
      places.set(
        channelId,
        kind === 'string'
          ? { form: 'texts', offset, valueCount, sizeBytes }
          : { form: 'values', kind, offset, valueCount, strideBytes: sizeBytesOf(kind) },
      );
      offset += sizeBytes;
    }
    return { sizeBytes: offset, places };
  },

  interleaved(entries) {
    const indexes = entries.map(({ rawIndex }) => valuesOf(rawIndex));
    const sizes = indexes.map(({ kind }) => {
      if (kind === 'string') throw new TdmsDamage('a segment interleaves texts, which have no fixed size');
      return sizeBytesOf(kind);
    });
    const valueCount = indexes[0]?.valueCount ?? 0;
    if (indexes.some((index) => index.valueCount !== valueCount)) {
      throw new TdmsDamage('a segment interleaves channels of different lengths');
    }
    const strideBytes = sizes.reduce((sum, size) => sum + size, 0);
    const places = new Map<number, Place>();
    let offset = 0;
    for (const [position, { channelId }] of entries.entries()) {
      const kind = indexes[position]!.kind as Exclude<ValueKind, 'string'>;
      places.set(channelId, { form: 'values', kind, offset, valueCount, strideBytes });
      offset += sizes[position]!;
    }
    return { sizeBytes: strideBytes * valueCount, places };
  },

  daqmx(entries) {
    const buffers = buffersOf(entries);
    const places = new Map<number, Place>();
    for (const { channelId, rawIndex } of entries) {
      const { scalers, valueCount } = daqmxOf(rawIndex);
      const buffer = buffers[scalers[0]!.bufferIndex]!;
      if (scalers.some((scaler) => scaler.bufferIndex !== scalers[0]!.bufferIndex)) {
        throw new TdmsDamage('the scalers of a DAQmx channel lie in different buffers');
      }
      const { offset, widthBytes: strideBytes } = buffer;
      places.set(channelId, { form: 'daqmx', scalers, offset, valueCount, strideBytes });
    }
    return { sizeBytes: buffers.reduce((sum, { rows, widthBytes }) => sum + rows * widthBytes, 0), places };
  },
};

interface CardBuffer {
  readonly offset: number;
  readonly rows: number;
  readonly widthBytes: number;
}

/** The buffers of all cards, one behind the other. Each is as long as its longest channel. */
function buffersOf(entries: readonly LayoutEntry[]): CardBuffer[] {
  const [widths] = entries.map(({ rawIndex }) => daqmxOf(rawIndex).bufferWidths);
  const rows = (widths ?? []).map(() => 0);
  for (const { rawIndex } of entries) {
    const { bufferWidths, scalers, valueCount } = daqmxOf(rawIndex);
    if (bufferWidths.join() !== widths!.join()) {
      throw new TdmsDamage(`DAQmx channels claim rows of ${bufferWidths} and of ${widths} bytes`);
    }
    for (const { bufferIndex } of scalers) rows[bufferIndex] = Math.max(rows[bufferIndex]!, valueCount);
  }
  const buffers: CardBuffer[] = [];
  let offset = 0;
  for (const [index, widthBytes] of (widths ?? []).entries()) {
    buffers.push({ offset, rows: rows[index]!, widthBytes });
    offset += rows[index]! * widthBytes;
  }
  return buffers;
}

/**
 * The chunk at the end of a segment that has only `sizeBytes` left. A writer that closed the segment shortens all
 * channels alike; one that was interrupted wrote what came first. Texts of a shortened channel cannot be told apart.
 */
export function shortChunk(layout: ChunkLayout, sizeBytes: number, wasInterrupted: boolean): ChunkLayout {
  const shorten = SHORTENING[layout.form](layout, sizeBytes, wasInterrupted);
  const entries = layout.entries.map((entry) => {
    const { rawIndex } = entry;
    const valueCount = shorten(entry);
    if (rawIndex.form === 'daqmx') return { ...entry, rawIndex: { ...rawIndex, valueCount } };
    const isWhole = valueCount === rawIndex.valueCount;
    const valueBytes = rawIndex.kind === 'string' ? 0 : valueCount * sizeBytesOf(rawIndex.kind);
    const size = isWhole ? rawIndex.sizeBytes : valueBytes;
    return { ...entry, rawIndex: { ...rawIndex, valueCount, sizeBytes: size } };
  });
  return layOutChunk(entries, layout.form === 'interleaved', layout.isLittle);
}

/** Returns for each entry, asked in order, how many of its values are there. */
type Shorten = (
  layout: ChunkLayout,
  sizeBytes: number,
  wasInterrupted: boolean,
) => (entry: LayoutEntry) => number;

const SHORTENING: Readonly<Record<ChunkLayout['form'], Shorten>> = {
  contiguous(layout, sizeBytes, wasInterrupted) {
    const hasTexts = layout.entries.some((entry) => valuesOf(entry.rawIndex).kind === 'string');
    if (!wasInterrupted) {
      const share = sizeBytes / layout.sizeBytes;
      return ({ rawIndex }) => (hasTexts ? 0 : Math.floor(rawIndex.valueCount * share + 1e-9));
    }
    let remaining = sizeBytes;
    return ({ rawIndex }) => {
      const { kind, valueCount, sizeBytes: whole } = valuesOf(rawIndex);
      const isCut = remaining < whole;
      const cut = kind === 'string' ? 0 : Math.floor(remaining / sizeBytesOf(kind));
      remaining = isCut ? 0 : remaining - whole;
      return isCut ? cut : valueCount;
    };
  },

  interleaved(layout, sizeBytes) {
    const rowBytes = layout.entries.reduce(
      (sum, { rawIndex }) => sum + valuesOf(rawIndex).sizeBytes / rawIndex.valueCount,
      0,
    );
    return () => Math.floor(sizeBytes / rowBytes);
  },

  daqmx(layout, sizeBytes) {
    const buffers = buffersOf(layout.entries);
    return ({ rawIndex }) => {
      const { scalers, valueCount } = daqmxOf(rawIndex);
      const { offset, widthBytes } = buffers[scalers[0]!.bufferIndex]!;
      return Math.max(0, Math.min(valueCount, Math.floor((sizeBytes - offset) / widthBytes)));
    };
  },
};

function valuesOf(rawIndex: RawIndex): Extract<RawIndex, { form: 'values' }> {
  if (rawIndex.form !== 'values') throw new TdmsDamage('a segment mixes DAQmx channels with others');
  return rawIndex;
}

function daqmxOf(rawIndex: RawIndex): Extract<RawIndex, { form: 'daqmx' }> {
  if (rawIndex.form !== 'daqmx') throw new TdmsDamage('a segment mixes DAQmx channels with others');
  return rawIndex;
}

/** What a channel's values are, as a word: `int16`, `string`, or the scalers `0:int16 1:uint8` of a DAQmx channel. */
export type StoredKind = ValueKind | `daqmx ${string}`;

export function storedKindOf(rawIndex: RawIndex): StoredKind {
  if (rawIndex.form === 'values') return rawIndex.kind;
  return `daqmx ${rawIndex.scalers.map(({ scaleId, kind }) => `${scaleId}:${kind}`).join(' ')}`;
}

/** The scalers named by a DAQmx channel's stored kind, in their order. */
export function scalersOf(kind: StoredKind): { scaleId: number; kind: NumberKind | 'timestamp' }[] {
  if (!kind.startsWith('daqmx ')) return [];
  return kind
    .slice('daqmx '.length)
    .split(' ')
    .map((scaler) => {
      const [scaleId, scalerKind] = scaler.split(':');
      return { scaleId: Number(scaleId), kind: scalerKind as NumberKind | 'timestamp' };
    });
}
