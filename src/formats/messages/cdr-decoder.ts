import { columnarDecoder } from './columnar-decoder.ts';
import type { DecodedMessages, MessageDecoder, MessageSlices } from './message-decoder.ts';
import type { MessageType } from './message-type.ts';
import type { WireRules } from './wire-layout.ts';

/** XCDR1 as ROS 2 writes it: aligned to at most 8, counted from behind the encapsulation header. */
const XCDR1: WireRules = {
  alignmentMax: 8,
  littleEndian: true,
  stringTerminator: true,
  signedTime: true,
  listHeader: false,
  structHeader: false,
  paddingBytesMax: 3,
};

const XCDR2: WireRules = { ...XCDR1, alignmentMax: 4, listHeader: true };

/** Types that may have been extended: what follows the known fields is left alone. */
const APPENDABLE: WireRules = { ...XCDR2, structHeader: true, paddingBytesMax: Number.POSITIVE_INFINITY };

/**
 * Representation identifiers of the encapsulation header (DDS-XTYPES 1.3, 7.6.2.1.2), second byte. Parameter lists
 * (mutable types: 2, 3, 10, 11) are not read.
 */
const RULES: Readonly<Record<number, WireRules>> = {
  0: { ...XCDR1, littleEndian: false },
  1: XCDR1,
  6: { ...XCDR2, littleEndian: false },
  7: XCDR2,
  8: { ...APPENDABLE, littleEndian: false },
  9: APPENDABLE,
};

const ENCAPSULATION_BYTES = 4;

/** Decodes CDR messages, each with its encapsulation header, whatever version of CDR it announces. */
export function cdrDecoder(message: MessageType): MessageDecoder {
  const decoders = new Map<number, MessageDecoder>();
  const decoderFor = (kind: number): MessageDecoder | undefined => {
    const rules = RULES[kind];
    const known = decoders.get(kind);
    if (known !== undefined || rules === undefined) return known;
    const decoder = columnarDecoder(message, rules);
    decoders.set(kind, decoder);
    return decoder;
  };
  const columns = columnarDecoder(message, XCDR1).columns;
  return { columns, decode: (messages, wanted) => decodeKinds(decoderFor, messages, wanted) };
}

/** All messages of a batch are of the first's kind; one writer does not change it. Others are misfits. */
function decodeKinds(
  decoderFor: (kind: number) => MessageDecoder | undefined,
  { bytes, starts, ends, count }: MessageSlices,
  wanted: Uint8Array,
): DecodedMessages {
  const kind = firstKnownKind(decoderFor, { bytes, starts, ends, count });
  const decoder = decoderFor(kind) ?? decoderFor(1)!;
  const payload = { bytes, starts: new Uint32Array(count), ends: ends.slice(0, count), count };
  const strangers: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const start = starts[i]!;
    payload.starts[i] = start + ENCAPSULATION_BYTES;
    const isWhole = ends[i]! - start >= ENCAPSULATION_BYTES;
    if (!isWhole || bytes[start] !== 0 || bytes[start + 1] !== kind) strangers.push(i);
  }
  if (strangers.length === 0) return decoder.decode(payload, wanted);
  return decodeOthers(decoder, payload, strangers, wanted);
}

/** Decodes the messages that are not among `strangers`, which are misfits. */
function decodeOthers(
  decoder: MessageDecoder,
  { bytes, starts, ends, count }: MessageSlices,
  strangers: readonly number[],
  wanted: Uint8Array,
): DecodedMessages {
  const leftOut = new Set(strangers);
  const rows = Array.from({ length: count }, (_, row) => row).filter((row) => !leftOut.has(row));
  const payload = {
    bytes,
    starts: starts.filter((_, row) => !leftOut.has(row)),
    ends: ends.filter((_, row) => !leftOut.has(row)),
    count: rows.length,
  };
  const decoded = decoder.decode(payload, wanted);
  const misfits = [...strangers, ...decoded.misfits.map((i) => rows[i]!)].sort((a, b) => a - b);
  return { columns: decoded.columns, misfits };
}

function firstKnownKind(
  decoderFor: (kind: number) => MessageDecoder | undefined,
  { bytes, starts, ends, count }: MessageSlices,
): number {
  for (let i = 0; i < count; i += 1) {
    const kind = bytes[starts[i]! + 1]!;
    if (ends[i]! - starts[i]! >= ENCAPSULATION_BYTES && decoderFor(kind) !== undefined) return kind;
  }
  return -1;
}
