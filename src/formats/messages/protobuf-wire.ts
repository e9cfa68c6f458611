/** The protobuf wire format, as far as decoding needs it. Source: protobuf.dev/programming-guides/encoding. */
export const WireType = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

/** Bytes that are not the message they should be. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

const GROUP_DEPTH_MAX = 64;

/** Walks the fields of messages in one buffer. Set `at` and `end`, then call `next` until it is false. */
export class ProtobufCursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 0;
  end = 0;
  field = 0;
  wireType = 0;
  /** The last varint, as two unsigned halves of 32 bits. */
  low = 0;
  high = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Reads the tag of the next field; false at the end. */
  next(): boolean {
    if (this.at >= this.end) return false;
    this.varint();
    this.field = this.low >>> 3;
    this.wireType = this.low & 7;
    if (this.field === 0) throw new ProtobufError('a field has number 0');
    return true;
  }

  varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw new ProtobufError('a number is cut off');
      const byte = this.bytes[this.at]!;
      this.at += 1;
      const bits = byte & 0x7f;
      if (shift <= 28) low |= bits << shift;
      if (shift === 28) high = bits >>> 4;
      else if (shift > 28) high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new ProtobufError('a number is longer than 64 bits');
  }

  /** The length of a length-delimited field; `at` is then where its content begins. */
  lengthBytes(): number {
    this.varint();
    if (this.high !== 0 || this.low > this.end - this.at) {
      throw new ProtobufError(`a field claims ${this.low} bytes where ${this.end - this.at} are left`);
    }
    return this.low;
  }

  /** Takes `sizeBytes` of fixed size; returns where they begin. */
  fixed(sizeBytes: number): number {
    if (sizeBytes > this.end - this.at) throw new ProtobufError('a number is cut off');
    const at = this.at;
    this.at += sizeBytes;
    return at;
  }

  /** Walks over the field whose tag was just read. */
  skip(depth = 0): void {
    switch (this.wireType) {
      case WireType.varint:
        this.varint();
        return;
      case WireType.fixed64:
        this.fixed(8);
        return;
      case WireType.bytes:
        this.fixed(this.lengthBytes());
        return;
      case WireType.fixed32:
        this.fixed(4);
        return;
      case WireType.startGroup:
        this.#skipGroup(depth);
        return;
      default:
        throw new ProtobufError(`wire type ${this.wireType} is not known`);
    }
  }

  #skipGroup(depth: number): void {
    const group = this.field;
    if (depth > GROUP_DEPTH_MAX) throw new ProtobufError('groups are nested too deeply');
    while (this.next()) {
      if (this.wireType === WireType.endGroup) {
        if (this.field !== group) throw new ProtobufError('a group ends that did not begin');
        return;
      }
      this.skip(depth + 1);
    }
    throw new ProtobufError('a group does not end');
  }
}
