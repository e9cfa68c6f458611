import { type AttributeTable, attributeTable } from './attributes.ts';
import {
  type Choices,
  type DbcDatabase,
  type DbcMessage,
  type DbcProblem,
  type DbcSignal,
  PAYLOAD_BYTES_MAX,
  type RawRange,
} from './database.ts';
import { DbcSyntaxError, dbcTextOf, TokenCursor, tokensOf } from './tokens.ts';

const STATEMENTS = new Set(
  (
    'VERSION NS_ BS_ BU_ BO_ SG_ BO_TX_BU_ EV_ ENVVAR_DATA_ EV_DATA_ SGTYPE_ SGTYPE_VAL_ SIGTYPE_VALTYPE_ ' +
    'SIG_TYPE_REF_ SIG_GROUP_ SIG_VALTYPE_ VAL_TABLE_ VAL_ CM_ CAT_DEF_ CAT_ FILTER BA_DEF_ BA_DEF_DEF_ BA_ ' +
    'BA_DEF_REL_ BA_DEF_DEF_REL_ BA_DEF_SGTYPE_ BA_SGTYPE_ BA_REL_ BU_SG_REL_ BU_EV_REL_ BU_BO_REL_ SG_MUL_VAL_'
  ).split(' '),
);

const EXTENDED_FLAG = 0x8000_0000;
/** Vector tools keep signals that belong to no message under this pseudo message (`VECTOR__INDEPENDENT_SIG_MSG`). */
const INDEPENDENT_SIGNALS_ID = 0xc000_0000;

type Draft<T> = { -readonly [K in keyof T]: T[K] };
type SignalDraft = Omit<Draft<DbcSignal>, 'multiplex'> & {
  readonly line: number;
  isMultiplexor: boolean;
  /** From `m3`: the value; who selects is known when the message is complete. */
  simpleMultiplexValue: number | undefined;
  extendedMultiplex: DbcSignal['multiplex'] | undefined;
};
type MessageDraft = Omit<Draft<DbcMessage>, 'signals' | 'j1939'> & {
  readonly line: number;
  readonly signals: Map<string, SignalDraft>;
};

/**
 * Reads a DBC file (Vector "DBC File Format Documentation" 1.0; extended multiplexing as CANdb++ 3 writes it). What
 * cannot be understood is skipped, statement by statement, and reported in `problems`. A message whose id cannot
 * exist is skipped **whole**: its signals never end up in the message before it.
 */
export function parseDbc(file: Uint8Array | string): DbcDatabase {
  const reading = new DbcReading(typeof file === 'string' ? file : dbcTextOf(file));
  return reading.database();
}

class DbcReading {
  readonly #cursor: TokenCursor;
  readonly #problems: DbcProblem[] = [];
  readonly #messages = new Map<number, MessageDraft>();
  readonly #valueTables = new Map<string, Choices>();
  readonly #attributes: AttributeTable = attributeTable();
  #comment: string | undefined;
  /** Where `SG_` lines go; undefined inside a message that is skipped. */
  #message: MessageDraft | undefined;

  readonly #readers: Readonly<Record<string, (line: number) => void>> = {
    BO_: (line) => this.#readMessage(line),
    SG_: (line) => this.#readSignal(line),
    SG_MUL_VAL_: (line) => this.#readExtendedMultiplex(line),
    SIG_VALTYPE_: (line) => this.#readValueKind(line),
    VAL_: (line) => this.#readChoices(line),
    VAL_TABLE_: () => this.#readValueTable(),
    CM_: () => this.#readComment(),
    BA_DEF_: () => this.#readAttribute('define'),
    BA_DEF_DEF_: () => this.#readAttribute('setDefault'),
    BA_: () => this.#readAttribute('set'),
    NS_: () => this.#skipNewSymbols(),
    VERSION: () => this.#skipToStatement(),
    BS_: () => this.#skipToStatement(),
    BU_: () => this.#skipToStatement(),
  };

  constructor(text: string) {
    this.#cursor = new TokenCursor(tokensOf(text.replace(/^\uFEFF/, '')));
  }

  database(): DbcDatabase {
    for (let token = this.#cursor.peek(); token !== undefined; token = this.#cursor.peek()) {
      const line = token.line;
      try {
        this.#statement(this.#cursor.take().value, line);
      } catch (error) {
        if (!(error instanceof DbcSyntaxError)) throw error;
        this.#report(line, `${token.value}: ${error.message}; the statement is skipped`);
        this.#skipDamaged();
      }
    }
    const messages = [...this.#messages.values()].map((draft) => this.#finished(draft));
    return {
      messages,
      valueTables: Object.fromEntries(this.#valueTables),
      attributes: this.#attributes.ofNetwork(),
      ...(this.#comment === undefined ? {} : { comment: this.#comment }),
      problems: this.#problems.toSorted((a, b) => a.line - b.line),
    };
  }

  #statement(keyword: string, line: number): void {
    const read = this.#readers[keyword];
    if (read !== undefined) read(line);
    else if (STATEMENTS.has(keyword)) this.#skipStatement();
    else throw new DbcSyntaxError(`'${keyword}' begins no statement that DBC knows`);
  }

  /** `BO_ id name: size sender`. */
  #readMessage(line: number): void {
    this.#message = undefined;
    const writtenId = this.#cursor.takeNumber();
    const name = this.#wordsBeforeColon().join(' ');
    const sizeBytes = this.#cursor.takeNumber();
    const sender = this.#senderAfterSize();
    if (writtenId === INDEPENDENT_SIGNALS_ID || name === 'VECTOR__INDEPENDENT_SIG_MSG') return;
    const extended = writtenId >= EXTENDED_FLAG;
    const id = extended ? writtenId - EXTENDED_FLAG : writtenId;
    const idMax = extended ? 0x1fff_ffff : 0x7ff;
    if (!Number.isInteger(id) || id < 0 || id > idMax) {
      const kind = extended ? '29-bit' : '11-bit (bit 31 is not set)';
      this.#report(
        line,
        `message ${name} has id ${writtenId}, which no ${kind} frame can have; it is skipped with its signals`,
      );
      return;
    }
    const earlier = this.#messages.get(writtenId);
    if (earlier !== undefined) {
      this.#report(line, `message ${name} has the id of ${earlier.name}; it is skipped with its signals`);
      return;
    }
    if (sizeBytes > PAYLOAD_BYTES_MAX) {
      this.#report(
        line,
        `message ${name} promises ${sizeBytes} bytes, a CAN frame holds at most ${PAYLOAD_BYTES_MAX}`,
      );
    }
    const draft: MessageDraft = {
      line,
      name,
      id,
      extended,
      sizeBytes,
      sender,
      signals: new Map(),
      attributes: {},
    };
    this.#messages.set(writtenId, draft);
    this.#message = draft;
  }

  #senderAfterSize(): string {
    const next = this.#cursor.peek();
    if (next?.kind !== 'word' || next.startsLine || STATEMENTS.has(next.value)) return '';
    return this.#cursor.take().value;
  }

  /** `SG_ name [M|mN|mNM] : start|size@order sign (factor,offset) [min|max] "unit" receivers`. */
  #readSignal(line: number): void {
    const words = this.#wordsBeforeColon();
    const multiplex = words.length > 1 ? /^(?:(M)|m(\d+)(M)?)$/.exec(words.at(-1) ?? '') : null;
    const name = (multiplex === null ? words : words.slice(0, -1)).join(' ');
    const startBit = this.#cursor.takeNumber();
    this.#cursor.takeMark('|');
    const bitCount = this.#cursor.takeNumber();
    this.#cursor.takeMark('@');
    const [byteOrder, kind] = this.#takeOrderAndSign();
    this.#cursor.takeMark('(');
    const factor = this.#cursor.takeNumber();
    this.#cursor.takeMark(',');
    const offset = this.#cursor.takeNumber();
    this.#cursor.takeMark(')');
    const [minimum, maximum] = this.#takeRange();
    const unit = this.#cursor.peek()?.kind === 'text' ? this.#cursor.takeText() : '';
    const receivers = this.#takeReceivers();
    const message = this.#message;
    if (message === undefined) return;
    const damage = signalDamage(startBit, bitCount, message.signals.has(name));
    if (damage !== undefined) {
      this.#report(line, `signal ${name} of ${message.name} ${damage}; it is skipped`);
      return;
    }
    message.signals.set(name, {
      line,
      name,
      startBit,
      bitCount,
      byteOrder,
      kind,
      // A factor of 0 is a known slip of editors for "none": every value would read as the offset.
      factor: factor === 0 ? 1 : factor,
      offset,
      minimum,
      maximum,
      unit,
      receivers,
      attributes: {},
      isMultiplexor: multiplex?.[1] !== undefined || multiplex?.[3] !== undefined,
      simpleMultiplexValue: multiplex?.[2] === undefined ? undefined : Number(multiplex[2]),
      extendedMultiplex: undefined,
    });
  }

  /** `1+`, `0-`, also with a space between. */
  #takeOrderAndSign(): ['intel' | 'motorola', 'unsigned' | 'signed'] {
    let text = this.#cursor.takeWord();
    if (text.length === 1) text += this.#cursor.takeWord();
    if (!/^[01][+-]$/.test(text)) throw new DbcSyntaxError(`expected byte order and sign, found '${text}'`);
    return [text.startsWith('1') ? 'intel' : 'motorola', text.endsWith('-') ? 'signed' : 'unsigned'];
  }

  #takeRange(): [number, number] {
    if (!this.#cursor.takeMarkIf('[')) return [0, 0];
    const minimum = this.#cursor.takeNumber();
    this.#cursor.takeMark('|');
    const maximum = this.#cursor.takeNumber();
    this.#cursor.takeMark(']');
    return [minimum, maximum];
  }

  #takeReceivers(): string[] {
    const receivers: string[] = [];
    for (let next = this.#cursor.peek(); next !== undefined; next = this.#cursor.peek()) {
      const isName = next.kind === 'word' && !next.startsLine && !STATEMENTS.has(next.value);
      const isComma = next.kind === 'mark' && next.value === ',';
      if (!isName && !isComma) break;
      this.#cursor.take();
      if (isName) receivers.push(next.value);
    }
    return receivers;
  }

  /** `SG_MUL_VAL_ id signal multiplexor 0-3, 5-5;` */
  #readExtendedMultiplex(line: number): void {
    const signal = this.#takeSignalReference(line);
    const multiplexor = this.#cursor.takeWord();
    let text = '';
    while (!this.#cursor.takeMarkIf(';')) text += this.#cursor.take().value;
    const ranges: RawRange[] = [];
    for (const [, first, last] of text.matchAll(/(\d+)-(\d+)/g)) {
      ranges.push({ first: Number(first), last: Number(last) });
    }
    if (ranges.length === 0) throw new DbcSyntaxError(`no range of values in '${text}'`);
    if (signal !== undefined) signal.extendedMultiplex = { multiplexor, ranges };
  }

  /** `SIG_VALTYPE_ id signal : 1;` (1 = float, 2 = double; the colon is sometimes missing). */
  #readValueKind(line: number): void {
    const signal = this.#takeSignalReference(line);
    this.#cursor.takeMarkIf(':');
    const code = this.#cursor.takeNumber();
    this.#skipStatement();
    if (signal === undefined || (code !== 1 && code !== 2)) return;
    if (signal.bitCount === (code === 1 ? 32 : 64)) signal.kind = 'float';
    else
      this.#report(
        line,
        `signal ${signal.name} is declared a float but has ${signal.bitCount} bits; read as integer`,
      );
  }

  /** `VAL_ id signal 0 "off" 1 "on";`, or the name of a `VAL_TABLE_`; without an id it is an environment variable. */
  #readChoices(line: number): void {
    if (Number.isNaN(Number(this.#cursor.peek()?.value))) {
      this.#skipStatement();
      return;
    }
    const signal = this.#takeSignalReference(line);
    const next = this.#cursor.peek();
    const table = next?.kind === 'word' && Number.isNaN(Number(next.value)) ? next.value : undefined;
    const choices = table === undefined ? this.#takeChoices() : this.#valueTables.get(table);
    this.#skipStatement();
    if (signal !== undefined && choices !== undefined) signal.choices = choices;
  }

  #readValueTable(): void {
    this.#valueTables.set(this.#cursor.takeWord(), this.#takeChoices());
    this.#skipStatement();
  }

  #readAttribute(what: 'define' | 'setDefault' | 'set'): void {
    this.#attributes[what](this.#cursor);
    this.#skipStatement();
  }

  #takeChoices(): Choices {
    const choices: Record<string, string> = {};
    for (let next = this.#cursor.peek(); next?.kind === 'word'; next = this.#cursor.peek()) {
      if (STATEMENTS.has(next.value)) break;
      const value = this.#cursor.takeNumber();
      choices[String(value)] = this.#cursor.takeText();
    }
    return choices;
  }

  #readComment(): void {
    const subject = this.#cursor.peek()?.kind === 'word' ? this.#cursor.takeWord() : 'network';
    const words: string[] = [];
    while (this.#cursor.peek()?.kind === 'word') words.push(this.#cursor.takeWord());
    const comment = this.#cursor.takeText();
    this.#skipStatement();
    const message = this.#messages.get(Number(words[0]));
    if (subject === 'network') this.#comment = comment;
    if (subject === 'BO_' && message !== undefined) message.comment = comment;
    const signal = message?.signals.get(words.slice(1).join(' '));
    if (subject === 'SG_' && signal !== undefined) signal.comment = comment;
  }

  /** A signal that was skipped or never declared gives undefined: what is said of it is of no use. */
  #takeSignalReference(line: number): SignalDraft | undefined {
    const id = this.#cursor.takeNumber();
    const name = this.#cursor.takeWord();
    const message = this.#messages.get(id);
    const signal = message?.signals.get(name);
    if (message !== undefined && signal === undefined) {
      this.#report(line, `message ${message.name} has no signal ${name}`);
    }
    return signal;
  }

  #wordsBeforeColon(): string[] {
    const words: string[] = [];
    while (!this.#cursor.takeMarkIf(':')) words.push(this.#cursor.takeWord());
    if (words.length === 0) throw new DbcSyntaxError('a name is missing');
    return words;
  }

  #finished(draft: MessageDraft): DbcMessage {
    const { line: _line, signals, ...message } = draft;
    const writtenId = draft.extended ? draft.id + EXTENDED_FLAG : draft.id;
    const multiplexors = [...signals.values()].filter((signal) => signal.isMultiplexor);
    const root = multiplexors.find((signal) => signal.simpleMultiplexValue === undefined);
    const cycleTimeMs = Number(this.#attributes.ofMessage(writtenId)['GenMsgCycleTime']);
    return {
      ...message,
      signals: [...signals.values()].flatMap((signal) =>
        this.#finishedSignal(signal, root, draft, writtenId),
      ),
      j1939: draft.extended && this.#isJ1939(writtenId),
      ...(cycleTimeMs > 0 ? { cycleTimeMs } : {}),
      attributes: this.#attributes.ofMessage(writtenId),
    };
  }

  #finishedSignal(
    draft: SignalDraft,
    root: SignalDraft | undefined,
    message: MessageDraft,
    writtenId: number,
  ) {
    const { line, isMultiplexor: _is, simpleMultiplexValue, extendedMultiplex, ...signal } = draft;
    const attributes = this.#attributes.ofSignal(writtenId, draft.name);
    const finished: DbcSignal = { ...signal, attributes };
    if (simpleMultiplexValue === undefined && extendedMultiplex === undefined) return [finished];
    const multiplex = extendedMultiplex ?? {
      multiplexor: root?.name ?? '',
      ranges: [{ first: simpleMultiplexValue ?? 0, last: simpleMultiplexValue ?? 0 }],
    };
    if (message.signals.has(multiplex.multiplexor)) return [{ ...finished, multiplex }];
    this.#report(
      line,
      `signal ${draft.name} of ${message.name} has no multiplexor to select it; it is skipped`,
    );
    return [];
  }

  #isJ1939(writtenId: number): boolean {
    const frameFormat = this.#attributes.ofMessage(writtenId)['VFrameFormat'];
    if (frameFormat !== undefined && frameFormat !== '') return frameFormat === 'J1939PG';
    return this.#attributes.ofNetwork()['ProtocolType'] === 'J1939';
  }

  #report(line: number, what: string): void {
    this.#problems.push({ line, what });
  }

  /** Behind the semicolon; where that is missing, to the next statement. */
  #skipStatement(): void {
    while (!this.#cursor.takeMarkIf(';')) {
      const next = this.#cursor.peek();
      if (next === undefined || (next.startsLine && STATEMENTS.has(next.value))) return;
      this.#cursor.take();
    }
  }

  /** `NS_` lists keywords, indented; the statements after it begin with one of the three that it never lists. */
  #skipNewSymbols(): void {
    for (let next = this.#cursor.peek(); next !== undefined; next = this.#cursor.peek()) {
      if (['BS_', 'BU_', 'BO_'].includes(next.value)) return;
      this.#cursor.take();
    }
  }

  #skipToStatement(): void {
    for (let next = this.#cursor.peek(); next !== undefined; next = this.#cursor.peek()) {
      if (next.kind === 'word' && STATEMENTS.has(next.value)) return;
      this.#cursor.take();
    }
  }

  #skipDamaged(): void {
    for (let next = this.#cursor.peek(); next !== undefined; next = this.#cursor.peek()) {
      if (next.kind === 'word' && next.startsLine && STATEMENTS.has(next.value)) return;
      this.#cursor.take();
    }
  }
}

function signalDamage(startBit: number, bitCount: number, taken: boolean): string | undefined {
  if (taken) return 'is declared twice';
  if (!Number.isInteger(bitCount) || bitCount < 1 || bitCount > 64)
    return `has ${bitCount} bits, not 1 to 64`;
  if (!Number.isInteger(startBit) || startBit < 0 || startBit >= PAYLOAD_BYTES_MAX * 8) {
    return `starts at bit ${startBit}, outside of any payload`;
  }
  return undefined;
}
