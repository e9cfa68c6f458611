/**
 * CRC-64/NVME as Azure Storage computes it for `x-ms-content-crc64` (Blob service REST, "Put Blob"): reflected
 * polynomial 0x9A6C9329AC4BC9B5, all ones in, inverted out. Of "123456789" it is ae8b14860a799888.
 */
export class Crc64 {
  #high = -1;
  #low = -1;

  update(bytes: Uint8Array): void {
    let high = this.#high;
    let low = this.#low;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const wholeEnd = bytes.length - (bytes.length % 8);
    for (let offset = 0; offset < wholeEnd; offset += 8) {
      const first = low ^ view.getInt32(offset, true);
      const second = high ^ view.getInt32(offset + 4, true);
      low =
        LOW[1792 + (first & 255)]! ^
        LOW[1536 + ((first >>> 8) & 255)]! ^
        LOW[1280 + ((first >>> 16) & 255)]! ^
        LOW[1024 + (first >>> 24)]! ^
        LOW[768 + (second & 255)]! ^
        LOW[512 + ((second >>> 8) & 255)]! ^
        LOW[256 + ((second >>> 16) & 255)]! ^
        LOW[second >>> 24]!;
      high =
        HIGH[1792 + (first & 255)]! ^
        HIGH[1536 + ((first >>> 8) & 255)]! ^
        HIGH[1280 + ((first >>> 16) & 255)]! ^
        HIGH[1024 + (first >>> 24)]! ^
        HIGH[768 + (second & 255)]! ^
        HIGH[512 + ((second >>> 8) & 255)]! ^
        HIGH[256 + ((second >>> 16) & 255)]! ^
        HIGH[second >>> 24]!;
    }
    for (let offset = wholeEnd; offset < bytes.length; offset++) {
      const index = (low ^ bytes[offset]!) & 255;
      low = ((low >>> 8) | (high << 24)) ^ LOW[index]!;
      high = (high >>> 8) ^ HIGH[index]!;
    }
    this.#high = high;
    this.#low = low;
  }

  /** 16 hexadecimal digits, most significant first. */
  digest(): string {
    const hex = (word: number) => (~word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }
}

/** Eight tables of 256 entries: table k holds the effect of a byte that is followed by k zero bytes. */
const LOW = new Int32Array(8 * 256);
const HIGH = new Int32Array(8 * 256);
const POLYNOMIAL_HIGH = 0x9a6c9329 | 0;
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;

for (let byte = 0; byte < 256; byte++) {
  let [high, low] = [0, byte];
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry === 1) {
      low ^= POLYNOMIAL_LOW;
      high ^= POLYNOMIAL_HIGH;
    }
  }
  LOW[byte] = low;
  HIGH[byte] = high;
}
for (let index = 256; index < 8 * 256; index++) {
  const [high, low] = [HIGH[index - 256]!, LOW[index - 256]!];
  LOW[index] = ((low >>> 8) | (high << 24)) ^ LOW[low & 255]!;
  HIGH[index] = (high >>> 8) ^ HIGH[low & 255]!;
}
