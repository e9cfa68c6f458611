import type { VariableValues } from '../recording-reader.ts';
import { DataType } from './model.ts';

/** Collects values of different lengths into one {@link VariableValues}. */
export class VariableBuilder {
  readonly #offsets: Uint32Array;
  #bytes: Uint8Array;
  #row = 0;
  #end = 0;

  constructor(rowCount: number, sizeBytesHint: number) {
    this.#offsets = new Uint32Array(rowCount + 1);
    this.#bytes = new Uint8Array(sizeBytesHint);
  }

  add(value: Uint8Array): void {
    const end = this.#end + value.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
    }
    this.#bytes.set(value, this.#end);
    this.#end = end;
    this.#row += 1;
    this.#offsets[this.#row] = end;
  }

  done(): VariableValues {
    return { kind: 'variable', offsets: this.#offsets, bytes: this.#bytes.subarray(0, this.#end) };
  }
}

const ENCODER = new TextEncoder();
const UTF8 = new TextDecoder();
const UTF16_LITTLE = new TextDecoder('utf-16le');
const UTF16_BIG = new TextDecoder('utf-16be');
const NOTHING = new Uint8Array(0);

export function stringValues(texts: readonly string[]): VariableValues {
  const builder = new VariableBuilder(texts.length, texts.length * 8);
  for (const text of texts) builder.add(text === '' ? NOTHING : ENCODER.encode(text));
  return builder.done();
}

export function textsOf(values: VariableValues): string[] {
  return Array.from({ length: values.offsets.length - 1 }, (_, row) =>
    UTF8.decode(values.bytes.subarray(values.offsets[row], values.offsets[row + 1])),
  );
}

/** Texts as the file encodes them, each up to its terminating zero, as UTF-8. */
export function toUtf8(raw: VariableValues, dataType: number): VariableValues {
  const rowCount = raw.offsets.length - 1;
  const builder = new VariableBuilder(rowCount, raw.bytes.length);
  for (let row = 0; row < rowCount; row++) {
    const value = raw.bytes.subarray(raw.offsets[row], raw.offsets[row + 1]);
    builder.add(utf8Of(value, dataType));
  }
  return builder.done();
}

function utf8Of(value: Uint8Array, dataType: number): Uint8Array {
  const encoding = dataType === DataType.utfWithMark ? markedEncoding(value) : dataType;
  if (encoding === DataType.utf16Little || encoding === DataType.utf16Big) {
    const decoder = encoding === DataType.utf16Little ? UTF16_LITTLE : UTF16_BIG;
    return ENCODER.encode(decoder.decode(value.subarray(0, endOfWide(value))));
  }
  const end = value.indexOf(0);
  const text = end === -1 ? value : value.subarray(0, end);
  if (text.every((byte) => byte < 0x80)) return text;
  return encoding === DataType.latin1 ? latin1ToUtf8(text) : ENCODER.encode(UTF8.decode(text));
}

function markedEncoding(value: Uint8Array): number {
  if (value[0] === 0xff && value[1] === 0xfe) return DataType.utf16Little;
  if (value[0] === 0xfe && value[1] === 0xff) return DataType.utf16Big;
  return DataType.utf8;
}

function endOfWide(value: Uint8Array): number {
  for (let at = 0; at + 1 < value.length; at += 2) if (value[at] === 0 && value[at + 1] === 0) return at;
  return value.length & ~1;
}

/** ISO 8859-1, as the format says; not the Windows code page that `TextDecoder` reads under that name. */
function latin1ToUtf8(text: Uint8Array): Uint8Array {
  const utf8: number[] = [];
  for (const byte of text) {
    if (byte < 0x80) utf8.push(byte);
    else utf8.push(0xc0 | (byte >> 6), 0x80 | (byte & 0x3f));
  }
  return Uint8Array.from(utf8);
}
