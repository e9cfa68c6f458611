import type { ByteSource } from '../byte-source.ts';
import type { LossCounter } from '../recording-reader.ts';
import { isPlausible, LEAD_IN_BYTES, type LeadIn, parseLeadIn, Toc } from './lead-in.ts';
import { ReadAhead } from './read-ahead.ts';

/** A segment, found but not yet understood. */
export interface LocatedSegment {
  readonly offset: number;
  readonly leadIn: LeadIn;
  /** Empty where the table of contents says that there is none. */
  readonly metadata: Uint8Array;
  readonly dataOffset: number;
  readonly endOffset: number;
  /** Where the segment says it ends; behind `endOffset` in a file that is cut short, undefined where it was never closed. */
  readonly claimedEndOffset: number | undefined;
  /** Bytes in front of it that belong to no segment. */
  readonly gapBytes: number;
}

const SEARCHED_BYTES_AT_ONCE = 1 << 20;
const METADATA_BYTES_MAX = 1 << 28;
/** How much of a segment's data is searched for a lead-in when its end cannot be right. */
const SEARCH_BYTES_MAX = 1 << 28;
const NO_METADATA = new Uint8Array(0);
const TAG = [0x54, 0x44, 0x53, 0x6d];

/**
 * The segments of a file, one after the other, by their lead-ins. Where none is due, the next four letters `TDSm`
 * that are likely to be one are looked for; what lies between is counted.
 */
export async function* locateSegments(
  source: ByteSource,
  loss: LossCounter,
  onProgress: ((bytesRead: number) => void) | undefined,
): AsyncGenerator<LocatedSegment> {
  const ahead = new ReadAhead(source);
  try {
    yield* walkSegments(source, ahead, loss, onProgress);
  } finally {
    await ahead.settle();
  }
}

async function* walkSegments(
  source: ByteSource,
  ahead: ReadAhead,
  loss: LossCounter,
  onProgress: ((bytesRead: number) => void) | undefined,
): AsyncGenerator<LocatedSegment> {
  const { sizeBytes } = source;
  let offset = 0;
  let gapBytes = 0;
  while (offset < sizeBytes) {
    const leadIn = parseLeadIn(
      ahead.held(offset, LEAD_IN_BYTES) ?? (await ahead.read(offset, LEAD_IN_BYTES)),
    );
    if (leadIn?.tag !== 'TDSm') {
      const next = await findLeadIn(source, offset + 1);
      gapBytes = next - offset;
      loss.add(
        0,
        gapBytes,
        `${gapBytes} bytes from ${offset} on begin no segment${resumed(next, sizeBytes)}`,
      );
      offset = next;
      continue;
    }
    let bounds = boundsOf(offset, leadIn, sizeBytes);
    if (typeof bounds === 'string') {
      const next = await findLeadIn(source, offset + 4);
      loss.add(0, next - offset, `the segment at ${offset} ${bounds}${resumed(next, sizeBytes)}`);
      gapBytes = next - offset;
      offset = next;
      continue;
    }
    const hasMetadata = (leadIn.toc & Toc.metadata) !== 0;
    const metadataBytes = bounds.dataOffset - offset - LEAD_IN_BYTES;
    if (hasMetadata && metadataBytes > METADATA_BYTES_MAX) {
      gapBytes = bounds.endOffset - offset;
      loss.add(0, gapBytes, `the segment at ${offset} claims ${metadataBytes} bytes of metadata`);
    } else {
      const metadataOffset = offset + LEAD_IN_BYTES;
      const metadata = hasMetadata
        ? (ahead.held(metadataOffset, metadataBytes) ?? (await ahead.read(metadataOffset, metadataBytes)))
        : NO_METADATA;
      ahead.expectEvery(bounds.endOffset - offset, bounds.endOffset);
      const next = isFollowed(source, ahead, bounds)
        ? bounds.endOffset
        : await nextOffset(source, ahead, bounds);
      if (next !== bounds.endOffset) {
        const claimed = bounds.claimedEndOffset ?? 'an unknown place';
        loss.add(0, 0, `the segment at ${offset} is to end at ${claimed}; another begins at ${next} already`);
        bounds = { ...bounds, endOffset: next, claimedEndOffset: next };
      }
      yield { offset, leadIn, metadata, ...bounds, gapBytes };
      gapBytes = 0;
    }
    onProgress?.(bounds.dataOffset);
    offset = bounds.endOffset;
  }
}

function resumed(next: number, sizeBytes: number): string {
  return next === sizeBytes ? '' : `; reading goes on at ${next}`;
}

type Bounds = Pick<LocatedSegment, 'dataOffset' | 'endOffset' | 'claimedEndOffset'>;

/** Or what is wrong with them. */
function boundsOf(offset: number, leadIn: LeadIn, sizeBytes: number): Bounds | string {
  const front = offset + LEAD_IN_BYTES;
  const { rawDataOffset, nextSegmentOffset } = leadIn;
  if (rawDataOffset === undefined || front + rawDataOffset > sizeBytes) {
    return `ends within its metadata: the file has ${sizeBytes - front} bytes of it`;
  }
  if (nextSegmentOffset !== undefined && nextSegmentOffset < rawDataOffset) {
    return `claims ${rawDataOffset} bytes of metadata in ${nextSegmentOffset} bytes`;
  }
  const claimedEndOffset = nextSegmentOffset === undefined ? undefined : front + nextSegmentOffset;
  const endOffset = Math.min(sizeBytes, claimedEndOffset ?? sizeBytes);
  return { dataOffset: front + rawDataOffset, endOffset, claimedEndOffset };
}

/** Whether the segment ends where it says, and the next one begins there, as far as can be said without reading. */
function isFollowed(source: ByteSource, ahead: ReadAhead, bounds: Bounds): boolean {
  const { endOffset, claimedEndOffset } = bounds;
  if (claimedEndOffset !== endOffset) return false;
  if (endOffset === source.sizeBytes) return true;
  const bytes = ahead.held(endOffset, LEAD_IN_BYTES);
  return bytes !== undefined && parseLeadIn(bytes)?.tag === 'TDSm';
}

/**
 * Where the next segment begins. An end that the file does not have, or at which nothing begins, may be a damaged
 * number: then a lead-in within this segment's data ends it.
 */
async function nextOffset(source: ByteSource, ahead: ReadAhead, bounds: Bounds): Promise<number> {
  const { dataOffset, endOffset, claimedEndOffset } = bounds;
  if (claimedEndOffset === endOffset) {
    if (endOffset === source.sizeBytes) return endOffset;
    const leadIn = parseLeadIn(await ahead.read(endOffset, LEAD_IN_BYTES));
    if (leadIn?.tag === 'TDSm') return endOffset;
  }
  const limit = Math.min(source.sizeBytes, dataOffset + SEARCH_BYTES_MAX);
  const found = await findLeadIn(source, dataOffset, limit);
  return found === limit ? endOffset : Math.min(found, endOffset);
}

/** The next offset from `from` on that is likely to begin a segment, or the end of the file. */
async function findLeadIn(source: ByteSource, from: number, limit = source.sizeBytes): Promise<number> {
  const { sizeBytes } = source;
  for (let offset = from; offset < limit; ) {
    const bytes = await source.read(offset, Math.min(SEARCHED_BYTES_AT_ONCE, sizeBytes - offset));
    for (let at = bytes.indexOf(TAG[0]!); at >= 0; at = bytes.indexOf(TAG[0]!, at + 1)) {
      if (!TAG.every((byte, index) => bytes[at + index] === byte)) continue;
      const leadIn = parseLeadIn(bytes.subarray(at));
      if (leadIn !== undefined && isPlausible(leadIn, sizeBytes - offset - at)) return offset + at;
    }
    if (offset + bytes.length === sizeBytes) break;
    offset += bytes.length - LEAD_IN_BYTES + 1;
  }
  return limit;
}

/** The index file does not describe this file. */
export class IndexMismatch extends Error {
  override readonly name = 'IndexMismatch';
}

/**
 * The segments of a file as its `.tdms_index` tells them: the same lead-ins, tagged `TDSh`, and metadata without the
 * data between. The first and the last lead-in are compared with the file's own. @throws {IndexMismatch}
 */
export async function locateInIndex(source: ByteSource, index: ByteSource): Promise<LocatedSegment[]> {
  const segments: LocatedSegment[] = [];
  const ahead = new ReadAhead(index);
  let indexOffset = 0;
  let offset = 0;
  while (indexOffset < index.sizeBytes) {
    const leadIn = parseLeadIn(await ahead.read(indexOffset, LEAD_IN_BYTES));
    if (leadIn?.tag !== 'TDSh') throw new IndexMismatch(`no segment begins at ${indexOffset} of the index`);
    const bounds = boundsOf(offset, leadIn, source.sizeBytes);
    if (typeof bounds === 'string') throw new IndexMismatch(`its segment for ${offset} ${bounds}`);
    const metadataBytes = bounds.dataOffset - offset - LEAD_IN_BYTES;
    if (metadataBytes > Math.min(METADATA_BYTES_MAX, index.sizeBytes - indexOffset - LEAD_IN_BYTES)) {
      throw new IndexMismatch(`it ends within the metadata of the segment at ${offset}`);
    }
    const hasMetadata = (leadIn.toc & Toc.metadata) !== 0;
    const read = await ahead.read(indexOffset + LEAD_IN_BYTES, metadataBytes);
    const metadata = hasMetadata ? read : new Uint8Array(0);
    segments.push({ offset, leadIn, metadata, ...bounds, gapBytes: 0 });
    indexOffset += LEAD_IN_BYTES + metadataBytes;
    offset = bounds.endOffset;
  }
  if (offset !== source.sizeBytes) {
    throw new IndexMismatch(`it describes ${offset} bytes and the file has ${source.sizeBytes}`);
  }
  for (const segment of new Set([segments[0], segments.at(-1)])) {
    if (segment !== undefined) await assertSameLeadIn(source, segment);
  }
  return segments;
}

async function assertSameLeadIn(source: ByteSource, { offset, leadIn }: LocatedSegment): Promise<void> {
  const own = parseLeadIn(await source.read(offset, Math.min(LEAD_IN_BYTES, source.sizeBytes - offset)));
  const isSame =
    own?.tag === 'TDSm' &&
    own.toc === leadIn.toc &&
    own.nextSegmentOffset === leadIn.nextSegmentOffset &&
    own.rawDataOffset === leadIn.rawDataOffset;
  if (!isSame) throw new IndexMismatch(`its segment for ${offset} is not the file's`);
}
