/**
 * What can be said of a compressed video frame without decoding it. H.264 and H.265 as byte streams (ITU-T H.264 and
 * H.265, Annex B): units behind start codes, whose first byte says what they are.
 */

export type VideoCodec = 'h264' | 'h265' | 'vp9' | 'av1';

/** `h264`, `H.265`, `hevc`, `avc1`, … or undefined for what is no video known here. */
export function videoCodecOf(format: string): VideoCodec | undefined {
  const plain = format.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  if (/(h264|avc|libx264)/.test(plain)) return 'h264';
  if (/(h265|hevc|libx265)/.test(plain)) return 'h265';
  if (plain.includes('vp9')) return 'vp9';
  return plain.includes('av1') ? 'av1' : undefined;
}

/**
 * Whether decoding can begin at this frame.
 * @throws {RangeError} when an H.264 or H.265 frame is no byte stream.
 */
export function isKeyFrame(frame: Uint8Array, codec: VideoCodec): boolean {
  if (codec === 'vp9') return isVp9KeyFrame(frame);
  if (codec === 'av1') return hasAv1SequenceHeader(frame);
  let isKey = false;
  let units = 0;
  for (let at = 0; at + 3 < frame.length; at++) {
    if (frame[at] !== 0 || frame[at + 1] !== 0 || frame[at + 2] !== 1) continue;
    units += 1;
    const first = frame[at + 3]!;
    // H.264: 5 = slice of an IDR picture. H.265: 16 to 21 = slices of pictures that are random access points.
    if (codec === 'h264' && (first & 0x1f) === 5) isKey = true;
    const type = (first >> 1) & 0x3f;
    if (codec === 'h265' && type >= 16 && type <= 21) isKey = true;
  }
  if (units === 0) throw new RangeError(`a ${codec} frame of ${frame.length} bytes has no start code`);
  return isKey;
}

/** VP9 bitstream, 6.2: frame marker, profile, show-existing flag, then 0 for a key frame. */
function isVp9KeyFrame(frame: Uint8Array): boolean {
  const first = frame[0] ?? 0;
  const isProfile3 = (first & 0x30) === 0x30;
  const [existing, type] = isProfile3 ? [0x04, 0x02] : [0x08, 0x04];
  return (first & existing) === 0 && (first & type) === 0;
}

/** AV1, 5.3.2 and 7.20: a temporal unit that decoding can start with carries a sequence header (type 1). */
function hasAv1SequenceHeader(frame: Uint8Array): boolean {
  let at = 0;
  while (at < frame.length) {
    const header = frame[at]!;
    if (((header >> 3) & 0x0f) === 1) return true;
    const [hasExtension, hasSize] = [(header & 0x04) !== 0, (header & 0x02) !== 0];
    at += hasExtension ? 2 : 1;
    if (!hasSize) return false;
    let size = 0;
    let shift = 0;
    for (let more = true; more && at < frame.length && shift < 56; shift += 7) {
      const byte = frame[at++]!;
      size += (byte & 0x7f) * 2 ** shift;
      more = (byte & 0x80) !== 0;
    }
    at += size;
  }
  return false;
}
