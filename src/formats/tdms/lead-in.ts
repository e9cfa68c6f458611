// Section "Lead In" of NI's "TDMS File Format Internal Structure".

export const LEAD_IN_BYTES = 28;

/** Bits of a segment's table of contents. */
export const Toc = {
  metadata: 1 << 1,
  newObjectList: 1 << 2,
  rawData: 1 << 3,
  interleaved: 1 << 5,
  bigEndian: 1 << 6,
  daqmx: 1 << 7,
} as const;

const TOC_BITS = Object.values(Toc).reduce((all, bit) => all | bit, 0);
const VERSIONS = [4712, 4713];

export interface LeadIn {
  readonly tag: 'TDSm' | 'TDSh';
  readonly toc: number;
  readonly version: number;
  /** Bytes from the end of the lead-in to the next segment; undefined (all bits set) until the writer closes it. */
  readonly nextSegmentOffset: number | undefined;
  /** Bytes of metadata; undefined where the writer never got to the end of it. */
  readonly rawDataOffset: number | undefined;
}

/** The four letters as a big endian number. */
const TAGS: ReadonlyMap<number, LeadIn['tag']> = new Map([
  [0x54_44_53_6d, 'TDSm'],
  [0x54_44_53_68, 'TDSh'],
]);

/** The lead-in at the start of `bytes`, or undefined where there is none. The mask is always little endian. */
export function parseLeadIn(bytes: Uint8Array): LeadIn | undefined {
  if (bytes.length < LEAD_IN_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, LEAD_IN_BYTES);
  const tag = TAGS.get(view.getUint32(0));
  if (tag === undefined) return undefined;
  const toc = view.getUint32(4, true);
  const isLittle = (toc & Toc.bigEndian) === 0;
  const nextSegmentOffset = offsetAt(view, 12, isLittle);
  const rawDataOffset = offsetAt(view, 20, isLittle);
  return { tag, toc, version: view.getUint32(8, isLittle), nextSegmentOffset, rawDataOffset };
}

/** A 64-bit offset, as two words: a BigInt for each of many segments would cost more than the rest of its lead-in. */
function offsetAt(view: DataView, position: number, isLittle: boolean): number | undefined {
  const high = view.getUint32(position + (isLittle ? 4 : 0), isLittle);
  const low = view.getUint32(position + (isLittle ? 0 : 4), isLittle);
  const offset = high * 2 ** 32 + low;
  // No file is that long: the offset was overwritten, and says as little as one that was never written.
  return offset > Number.MAX_SAFE_INTEGER ? undefined : offset;
}

/** Whether four letters in the middle of a file are likely to begin a segment rather than to be data. */
export function isPlausible(leadIn: LeadIn, bytesRemaining: number): boolean {
  const { toc, version, nextSegmentOffset, rawDataOffset } = leadIn;
  if ((toc & ~TOC_BITS) !== 0 || !VERSIONS.includes(version)) return false;
  const endOffset = nextSegmentOffset ?? bytesRemaining - LEAD_IN_BYTES;
  return rawDataOffset !== undefined && rawDataOffset <= endOffset && endOffset <= bytesRemaining;
}
