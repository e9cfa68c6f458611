/** A CAN database as a DBC file declares it. Pure data; `parse.ts` makes it, `decode.ts` uses it. */
export interface DbcDatabase {
  readonly messages: readonly DbcMessage[];
  /** `VAL_TABLE_`: name of the table to its labels. */
  readonly valueTables: Readonly<Record<string, Choices>>;
  /** `BA_` of the network and `BA_DEF_DEF_` defaults, enumerations as their text. */
  readonly attributes: Attributes;
  readonly comment?: string;
  /** What was skipped or mended while reading; empty for a clean file. */
  readonly problems: readonly DbcProblem[];
}

export interface DbcProblem {
  /** Line in the file, from 1. */
  readonly line: number;
  readonly what: string;
}

/** Raw value, as decimal text, to label. */
export type Choices = Readonly<Record<string, string>>;

export type Attributes = Readonly<Record<string, string | number>>;

export interface DbcMessage {
  readonly name: string;
  /** 11 or 29 bits, without the flag bit 31. */
  readonly id: number;
  readonly extended: boolean;
  /** Payload bytes the database promises, 0 to 64; frames may be shorter or longer. */
  readonly sizeBytes: number;
  readonly sender: string;
  readonly signals: readonly DbcSignal[];
  /** `VFrameFormat` says J1939PG: ids match by parameter group, whatever priority and source address. */
  readonly j1939: boolean;
  /** `GenMsgCycleTime`, where set and above 0. */
  readonly cycleTimeMs?: number;
  readonly attributes: Attributes;
  readonly comment?: string;
}

export type SignalValueKind = 'unsigned' | 'signed' | 'float';

export interface DbcSignal {
  readonly name: string;
  /** As written: the least significant bit for Intel, the most significant bit (sawtooth count) for Motorola. */
  readonly startBit: number;
  /** 1 to 64. */
  readonly bitCount: number;
  readonly byteOrder: 'intel' | 'motorola';
  readonly kind: SignalValueKind;
  /** physical = raw * factor + offset. */
  readonly factor: number;
  readonly offset: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly unit: string;
  readonly receivers: readonly string[];
  readonly choices?: Choices;
  /** Present only while the multiplexor has one of these raw values. */
  readonly multiplex?: { readonly multiplexor: string; readonly ranges: readonly RawRange[] };
  readonly attributes: Attributes;
  readonly comment?: string;
}

/** Both ends belong to the range. */
export interface RawRange {
  readonly first: number;
  readonly last: number;
}

/** The longest CAN FD payload. */
export const PAYLOAD_BYTES_MAX = 64;

/**
 * The parameter group number of a 29-bit id (SAE J1939-21, 5.1.2): extended data page, data page and PDU format;
 * the PDU specific byte belongs to it only from PDU format 240 on, below it is the destination address.
 */
export function parameterGroupOf(id: number): number {
  const group = (id >>> 8) & 0x3ffff;
  return ((group >>> 8) & 0xff) < 240 ? group & 0x3ff00 : group;
}
