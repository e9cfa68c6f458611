/**
 * How many bytes an LZ4 frame decompresses to, found by walking its tokens without writing a byte, so that a
 * frame that would not fit is refused before memory is spent on it.
 * Source: github.com/lz4/lz4, doc/lz4_Frame_format.md and doc/lz4_Block_format.md.
 */
const FRAME_MAGIC = 0x18_4d_22_04;

/** @throws {RangeError} when the bytes are not a whole LZ4 frame. */
export function lz4FrameContentBytes(frame: Uint8Array): number {
  const blocks = lz4WholeBlocks(frame);
  let contentBytes = 0;
  for (let next = blocks.next(); ; next = blocks.next()) {
    if (next.done === true) {
      if (!next.value) throw new RangeError('the LZ4 frame is cut off');
      return contentBytes;
    }
    const { start, end, isStored } = next.value;
    contentBytes += isStored ? end - start : lz4BlockContentBytes(frame, start, end);
  }
}

export interface Lz4Block {
  readonly start: number;
  readonly end: number;
  /** Not compressed. */
  readonly isStored: boolean;
}

/**
 * The blocks that are whole, in order; returns whether the frame ends as it should.
 * @throws {RangeError} when the bytes do not begin as an LZ4 frame.
 */
export function* lz4WholeBlocks(frame: Uint8Array): Generator<Lz4Block, boolean> {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== FRAME_MAGIC) throw new RangeError('not an LZ4 frame');
  const flags = view.getUint8(4);
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4;
  const contentSizeBytes = (flags & 0x08) === 0 ? 0 : 8;
  const dictionaryBytes = (flags & 0x01) === 0 ? 0 : 4;
  let at = 7 + contentSizeBytes + dictionaryBytes;
  while (at + 4 <= frame.length) {
    const header = view.getUint32(at, true);
    if (header === 0) return true;
    const start = at + 4;
    const end = start + (header & 0x7f_ff_ff_ff);
    if (end > frame.length) return false;
    yield { start, end, isStored: header > 0x7f_ff_ff_ff };
    at = end + blockChecksumBytes;
  }
  return false;
}

/** Bytes that the LZ4 block in `block[from … to)` decompresses to; damaged blocks give any number. */
export function lz4BlockContentBytes(block: Uint8Array, from: number, to: number): number {
  let at = from;
  let contentBytes = 0;
  while (at < to) {
    const token = block[at]!;
    at += 1;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && at < to) {
        more = block[at]!;
        literals += more;
        at += 1;
      }
    }
    contentBytes += literals;
    at += literals + 2;
    if (at > to) return contentBytes;
    let match = token & 15;
    if (match === 15) {
      let more = 255;
      while (more === 255 && at < to) {
        more = block[at]!;
        match += more;
        at += 1;
      }
    }
    contentBytes += match + 4;
  }
  return contentBytes;
}
