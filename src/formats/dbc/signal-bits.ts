import type { DbcSignal } from './database.ts';

/**
 * Where a signal's bits lie in a payload, the same for both byte orders: `byteCount` bytes beginning with the least
 * significant one at `firstByte`, each next one `step` further; the value begins `shift` bits up in them.
 */
export interface BitPlan {
  readonly firstByte: number;
  readonly step: 1 | -1;
  /** 1 to 9. */
  readonly byteCount: number;
  /** 0 to 7. */
  readonly shift: number;
  readonly bitCount: number;
  readonly signed: boolean;
  /** Payload bytes a frame must have for the whole signal. */
  readonly bytesNeeded: number;
}

export function bitPlanOf(signal: DbcSignal): BitPlan {
  const { startBit, bitCount } = signal;
  const signed = signal.kind === 'signed';
  if (signal.byteOrder === 'intel') {
    const firstByte = startBit >> 3;
    const shift = startBit & 7;
    const byteCount = (shift + bitCount + 7) >> 3;
    return { firstByte, step: 1, byteCount, shift, bitCount, signed, bytesNeeded: firstByte + byteCount };
  }
  // Motorola start bits count 7…0, 15…8: turned into a count from the payload's first transmitted bit.
  const mostSignificant = (startBit & ~7) + (7 - (startBit & 7));
  const leastSignificant = mostSignificant + bitCount - 1;
  const firstByte = leastSignificant >> 3;
  const shift = 7 - (leastSignificant & 7);
  const byteCount = (shift + bitCount + 7) >> 3;
  return { firstByte, step: -1, byteCount, shift, bitCount, signed, bytesNeeded: firstByte + 1 };
}

/** Frames of one message inside a batch: row i is frame `rows[i]`. */
export interface FrameRows {
  readonly rows: Uint32Array;
  readonly payloadOffsets: Uint32Array;
  readonly payload: Uint8Array;
}

/** Raw values of at most 32 bits. Rows of frames that are too short get 0. */
export function gatherNarrow(plan: BitPlan, frames: FrameRows, values: Int32Array | Uint32Array): void {
  const { rows, payloadOffsets, payload } = frames;
  const { firstByte, step, byteCount, shift, bitCount, bytesNeeded } = plan;
  const unused = 32 - bitCount;
  const lowBytes = Math.min(byteCount, 4);
  for (let row = 0; row < rows.length; row++) {
    const frame = rows[row]!;
    const start = payloadOffsets[frame]!;
    if (payloadOffsets[frame + 1]! - start < bytesNeeded) continue;
    let at = start + firstByte;
    let word = 0;
    for (let byte = 0; byte < lowBytes; byte++) {
      word |= payload[at]! << (byte << 3);
      at += step;
    }
    word >>>= shift;
    if (byteCount === 5) word |= payload[at]! << (32 - shift);
    // The upper bits go out at the left; the typed array then reads the word with or without sign.
    word <<= unused;
    values[row] = plan.signed ? word >> unused : word >>> unused;
  }
}

/** Raw values of 33 to 64 bits as two words, interleaved low, high; sign-extended where the signal is signed. */
export function gatherWide(plan: BitPlan, frames: FrameRows): Uint32Array {
  const { rows, payloadOffsets, payload } = frames;
  const { firstByte, step, byteCount, shift, bitCount, bytesNeeded } = plan;
  const unused = 64 - bitCount;
  const words = new Uint32Array(rows.length * 2);
  const part = new Uint32Array(3);
  for (let row = 0; row < rows.length; row++) {
    const frame = rows[row]!;
    const start = payloadOffsets[frame]!;
    if (payloadOffsets[frame + 1]! - start < bytesNeeded) continue;
    part.fill(0);
    let at = start + firstByte;
    for (let byte = 0; byte < byteCount; byte++) {
      part[byte >> 2]! |= payload[at]! << ((byte & 3) << 3);
      at += step;
    }
    let low = part[0]!;
    let high = part[1]!;
    if (shift > 0) {
      low = (low >>> shift) | (high << (32 - shift));
      high = (high >>> shift) | (part[2]! << (32 - shift));
    }
    high <<= unused;
    words[row * 2] = low;
    words[row * 2 + 1] = plan.signed ? high >> unused : high >>> unused;
  }
  return words;
}
