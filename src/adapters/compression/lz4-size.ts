/**
 * How many bytes an LZ4 frame decompresses to, found by walking its tokens without writing a byte, so that a
 * frame that would not fit is refused before memory is spent on it.
 * Source: github.com/lz4/lz4, doc/lz4_Frame_format.md and doc/lz4_Block_format.md.
 */
const FRAME_MAGIC = 0x18_4d_22_04;

/** @throws {RangeError} when the bytes are not a whole LZ4 frame. */
export function lz4FrameContentBytes(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== FRAME_MAGIC) throw new RangeError('not an LZ4 frame');
  const flags = view.getUint8(4);
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4;
  const contentSizeBytes = (flags & 0x08) === 0 ? 0 : 8;
  const dictionaryBytes = (flags & 0x01) === 0 ? 0 : 4;
  let at = 7 + contentSizeBytes + dictionaryBytes;
  let contentBytes = 0;
  for (;;) {
    const header = view.getUint32(at, true);
    at += 4;
    if (header === 0) return contentBytes;
    const sizeBytes = header & 0x7f_ff_ff_ff;
    if (at + sizeBytes > frame.length) throw new RangeError('an LZ4 block is cut off');
    const stored = header > 0x7f_ff_ff_ff;
    contentBytes += stored ? sizeBytes : lz4BlockContentBytes(frame, at, at + sizeBytes);
    at += sizeBytes + blockChecksumBytes;
  }
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
