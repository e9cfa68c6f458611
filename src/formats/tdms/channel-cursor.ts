import type { Place } from './chunk-layout.ts';
import type { ChunkSpan } from './structure.ts';

/** Values of one channel that lie evenly spaced in the file, or the texts of one chunk. */
export interface Run {
  readonly place: Place;
  readonly isLittle: boolean;
  /** Of the first value, or of the chunk's table of ends. */
  readonly offset: number;
  readonly strideBytes: number;
  readonly count: number;
  /** Which of the chunk's texts is the first; 0 for other values. */
  readonly firstText: number;
}

export interface PlannedRuns {
  readonly runs: readonly Run[];
  readonly rowCount: number;
  /** The rows were here and cannot be read; there are no runs. */
  readonly isLost: boolean;
}

const NOTHING: PlannedRuns = { runs: [], rowCount: 0, isLost: false };
/** Chunks of one value each are read as one run up to this distance. */
const STRIDE_BYTES_MAX = 1 << 14;

/** Walks over the values of one channel, from span to span. */
export class ChannelCursor {
  readonly #spans: readonly ChunkSpan[];
  readonly #channelId: number;
  #spanIndex = 0;
  /** Values of this channel in the current span that are behind. */
  #valueIndex = 0;
  remaining: number;

  constructor(spans: readonly ChunkSpan[], channelId: number, valueCount: number) {
    this.#spans = spans;
    this.#channelId = channelId;
    this.remaining = valueCount;
  }

  /** Where the next value lies; undefined at the end and where values are lost. */
  nextOffset(): number | undefined {
    const [run] = this.plan(1, 1).runs;
    return run?.offset;
  }

  /**
   * The runs that hold the next values: at most `rowsMax`, and as few as needed to stay within `reachBytes` of the
   * file. Does not move.
   */
  plan(rowsMax: number, reachBytes: number): PlannedRuns {
    const runs: Run[] = [];
    let rowCount = 0;
    let valueIndex = this.#valueIndex;
    const wanted = Math.min(rowsMax, this.remaining);
    for (let spanIndex = this.#spanIndex; rowCount < wanted; spanIndex++, valueIndex = 0) {
      const span = this.#spans[spanIndex];
      if (span === undefined) break;
      const valueCount = this.#valuesIn(span);
      if (valueIndex >= valueCount) continue;
      if (span.isLost) {
        if (rowCount > 0) break;
        return { ...NOTHING, rowCount: Math.min(valueCount - valueIndex, wanted), isLost: true };
      }
      while (valueIndex < valueCount && rowCount < wanted) {
        const run = runAt(span, this.#channelId, valueIndex, wanted - rowCount);
        const reachEnd = (runs[0] ?? run).offset + reachBytes;
        const fitting = Math.ceil((reachEnd - run.offset) / run.strideBytes);
        if (rowCount > 0 && fitting <= 0) return { runs, rowCount, isLost: false };
        const count = Math.min(run.count, Math.max(1, fitting));
        runs.push(count === run.count ? run : { ...run, count });
        rowCount += count;
        valueIndex += count;
        if (count < run.count) return { runs, rowCount, isLost: false };
      }
    }
    return { runs, rowCount, isLost: false };
  }

  advance(rows: number): void {
    let left = Math.min(rows, this.remaining);
    this.remaining -= left;
    for (;;) {
      const span = this.#spans[this.#spanIndex];
      if (span === undefined) return;
      const here = this.#valuesIn(span) - this.#valueIndex;
      if (left < here) break;
      left -= here;
      this.#spanIndex += 1;
      this.#valueIndex = 0;
    }
    this.#valueIndex += left;
  }

  #valuesIn({ layout, chunkCount }: ChunkSpan): number {
    return (layout.places.get(this.#channelId)?.valueCount ?? 0) * chunkCount;
  }
}

function runAt(span: ChunkSpan, channelId: number, valueIndex: number, countMax: number): Run {
  const { layout } = span;
  const place = layout.places.get(channelId)!;
  const { isLittle } = layout;
  const chunk = Math.floor(valueIndex / place.valueCount);
  const inChunk = valueIndex - chunk * place.valueCount;
  const chunkOffset = span.offset + chunk * layout.sizeBytes + place.offset;
  const untilChunkEnd = place.valueCount - inChunk;
  if (place.form === 'texts') {
    const count = Math.min(countMax, untilChunkEnd);
    return { place, isLittle, offset: chunkOffset, strideBytes: 4, count, firstText: inChunk };
  }
  const untilSpanEnd = place.valueCount * span.chunkCount - valueIndex;
  if (place.valueCount === 1 && layout.sizeBytes <= STRIDE_BYTES_MAX) {
    const count = Math.min(countMax, untilSpanEnd);
    return { place, isLittle, offset: chunkOffset, strideBytes: layout.sizeBytes, count, firstText: 0 };
  }
  const { strideBytes } = place;
  const isContinuous = place.valueCount * strideBytes === layout.sizeBytes;
  const count = Math.min(countMax, isContinuous ? untilSpanEnd : untilChunkEnd);
  const offset = chunkOffset + inChunk * strideBytes;
  return { place, isLittle, offset, strideBytes, count, firstText: 0 };
}
