import type { ByteSource } from '../byte-source.ts';

/**
 * What a write-ahead log holds that the database beside it does not: the newest committed content of pages. Source:
 * sqlite.org/fileformat2.html, section 4.
 */
export interface WriteAheadLog {
  readonly pageSizeBytes: number;
  /** Pages of the database as of the last commit. */
  readonly pageCount: number;
  /** Where in the log the newest content of a page begins. */
  readonly offsets: ReadonlyMap<number, number>;
  /** Bytes behind the last commit: a transaction that the recorder did not come to the end of. */
  readonly uncommittedBytes: number;
}

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const WINDOW_BYTES = 1 << 22;
/** The last bit says in which order the checksums take the bytes of a word. */
const MAGIC = 0x377f0682;

/**
 * Undefined where the log is empty, or not the log of a database with these pages; for a database of which nothing is
 * known (`databasePageBytes` undefined) the log says how large they are.
 */
export async function readWriteAheadLog(
  source: ByteSource,
  databasePageBytes: number | undefined,
): Promise<WriteAheadLog | undefined> {
  if (source.sizeBytes < HEADER_BYTES) return undefined;
  const header = viewOf(await source.read(0, HEADER_BYTES));
  const magic = header.getUint32(0);
  const pageSizeBytes = header.getUint32(8);
  if ((magic & ~1) >>> 0 !== MAGIC || pageSizeBytes !== (databasePageBytes ?? pageSizeBytes))
    return undefined;
  if (!isPageSize(pageSizeBytes)) return undefined;
  const checksum = new Checksum((magic & 1) === 0);
  checksum.add(header, 0, 24);
  if (!checksum.equals(header, 24)) return undefined;
  const frameBytes = FRAME_HEADER_BYTES + pageSizeBytes;
  const framesAtOnce = Math.max(1, Math.floor(WINDOW_BYTES / frameBytes));
  const offsets = new Map<number, number>();
  let pending: [page: number, offset: number][] = [];
  let pageCount = 0;
  let at = HEADER_BYTES;
  for (let isValid = true; isValid && at + frameBytes <= source.sizeBytes; ) {
    const frames = Math.min(framesAtOnce, Math.floor((source.sizeBytes - at) / frameBytes));
    const view = viewOf(await source.read(at, frames * frameBytes));
    for (let start = 0; start < view.byteLength; start += frameBytes, at += frameBytes) {
      checksum.add(view, start, 8);
      checksum.add(view, start + FRAME_HEADER_BYTES, pageSizeBytes);
      isValid = isOfLog(view, start, header) && checksum.equals(view, start + 16);
      // Behind it lie frames of an earlier round of the log, or what the recorder was in the middle of.
      if (!isValid) break;
      pending.push([view.getUint32(start), at + FRAME_HEADER_BYTES]);
      const committedPages = view.getUint32(start + 4);
      if (committedPages === 0) continue;
      pageCount = committedPages;
      for (const [page, offset] of pending) offsets.set(page, offset);
      pending = [];
    }
  }
  return { pageSizeBytes, pageCount, offsets, uncommittedBytes: pending.length * pageSizeBytes };
}

/** A power of two from 512 to 65,536 (section 1.3.2). */
export function isPageSize(sizeBytes: number): boolean {
  return sizeBytes >= 512 && sizeBytes <= 65_536 && (sizeBytes & (sizeBytes - 1)) === 0;
}

/** Whether a frame carries the salts of the log's present round. */
function isOfLog(view: DataView, start: number, header: DataView): boolean {
  return (
    view.getUint32(start + 8) === header.getUint32(16) && view.getUint32(start + 12) === header.getUint32(20)
  );
}

/** Two running sums over pairs of 32-bit words; each frame goes on where the one before ended. */
class Checksum {
  readonly #littleEndian: boolean;
  #first = 0;
  #second = 0;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  add(view: DataView, start: number, lengthBytes: number): void {
    let [first, second] = [this.#first, this.#second];
    for (let at = start; at < start + lengthBytes; at += 8) {
      first = (first + view.getUint32(at, this.#littleEndian) + second) >>> 0;
      second = (second + view.getUint32(at + 4, this.#littleEndian) + first) >>> 0;
    }
    this.#first = first;
    this.#second = second;
  }

  equals(view: DataView, at: number): boolean {
    return view.getUint32(at) === this.#first && view.getUint32(at + 4) === this.#second;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
