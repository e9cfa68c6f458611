/** Bytes that become more, in one buffer: writers put records into it without a copy in between. */
export class GrowingBytes {
  sizeBytes = 0;
  /** As long as there is room for; replaced when it grows, so that nobody keeps it across `reserve`. */
  protected buffer: Uint8Array;
  protected view: DataView;

  constructor(roomBytes: number) {
    const buffer = new Uint8Array(roomBytes);
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer);
  }

  append(part: Uint8Array): void {
    const at = this.reserve(part.length);
    this.buffer.set(part, at);
  }

  /** What was written so far: a view, good until more is. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.sizeBytes);
  }

  /** Makes room for further bytes and gives the place where they begin. */
  protected reserve(lengthBytes: number): number {
    const at = this.sizeBytes;
    if (at + lengthBytes > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.buffer.length * 2, at + lengthBytes));
      larger.set(this.buffer.subarray(0, at));
      this.buffer = larger;
      this.view = new DataView(larger.buffer);
    }
    this.sizeBytes = at + lengthBytes;
    return at;
  }
}
