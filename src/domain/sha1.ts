/**
 * SHA-1 of a text's UTF-8 bytes (FIPS 180-4, section 6.1), as 20 bytes.
 *
 * Written out because the domain may import nothing: identities are computed from names, in the middle of
 * decisions, and must be the same in every process. Not for security.
 */
export function sha1(bytes: Uint8Array): Uint8Array {
  const words = paddedWords(bytes);
  let [a0, b0, c0, d0, e0] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const schedule = new Int32Array(80);
  for (let block = 0; block < words.length; block += 16) {
    for (let i = 0; i < 80; i++) {
      schedule[i] =
        i < 16
          ? words[block + i]!
          : rotateLeft(schedule[i - 3]! ^ schedule[i - 8]! ^ schedule[i - 14]! ^ schedule[i - 16]!, 1);
    }
    let [a, b, c, d, e] = [a0, b0, c0, d0, e0];
    for (let i = 0; i < 80; i++) {
      const next =
        (rotateLeft(a, 5) + mix(i, b, c, d) + e + ROUND_CONSTANTS[Math.floor(i / 20)]! + schedule[i]!) | 0;
      [a, b, c, d, e] = [next, a, rotateLeft(b, 30), c, d];
    }
    [a0, b0, c0, d0, e0] = [(a0 + a) | 0, (b0 + b) | 0, (c0 + c) | 0, (d0 + d) | 0, (e0 + e) | 0];
  }
  const digest = new Uint8Array(20);
  const view = new DataView(digest.buffer);
  [a0, b0, c0, d0, e0].forEach((word, index) => {
    view.setInt32(index * 4, word);
  });
  return digest;
}

const ROUND_CONSTANTS = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6];

function mix(round: number, b: number, c: number, d: number): number {
  if (round < 20) return (b & c) | (~b & d);
  if (round >= 40 && round < 60) return (b & c) | (b & d) | (c & d);
  return b ^ c ^ d;
}

function paddedWords(bytes: Uint8Array): Int32Array {
  const blocks = Math.ceil((bytes.length + 9) / 64);
  const padded = new Uint8Array(blocks * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.byteLength - 8, BigInt(bytes.length) * 8n);
  const words = new Int32Array(blocks * 16);
  for (let i = 0; i < words.length; i++) words[i] = view.getInt32(i * 4);
  return words;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
