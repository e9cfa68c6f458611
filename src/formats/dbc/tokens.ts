/** One word, text in quotes or punctuation mark of a DBC file. */
export interface Token {
  readonly kind: 'word' | 'text' | 'mark';
  /** Text without its quotes. */
  readonly value: string;
  /** From 1. */
  readonly line: number;
  /** First on its line: only there can a statement begin that follows a damaged one. */
  readonly startsLine: boolean;
}

// A backslash escapes only a quote: paths such as "C:\dbc" are common in comments.
const TOKEN = /(\s+)|"((?:\\"|[^"])*)"|(\/\/[^\n]*)|([:;|@()[\],])|([^\s:;|@()[\],"]+)|(")/g;

/**
 * All tokens of the text. A quote that is never closed ends at its line's end.
 */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let startsLine = true;
  const pattern = new RegExp(TOKEN);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [whole, space, quoted, comment, mark, word] = match;
    if (space === undefined && comment === undefined) {
      if (quoted !== undefined)
        tokens.push({ kind: 'text', value: quoted.replaceAll('\\"', '"'), line, startsLine });
      else if (mark !== undefined) tokens.push({ kind: 'mark', value: mark, line, startsLine });
      else if (word !== undefined) tokens.push({ kind: 'word', value: word, line, startsLine });
      else {
        const end = text.indexOf('\n', pattern.lastIndex);
        const value = text.slice(pattern.lastIndex, end === -1 ? text.length : end);
        tokens.push({ kind: 'text', value, line, startsLine });
        pattern.lastIndex = end === -1 ? text.length : end;
      }
      startsLine = false;
    }
    const breaks = countLineBreaks(whole);
    line += breaks;
    if (breaks > 0 && space !== undefined) startsLine = true;
  }
  return tokens;
}

function countLineBreaks(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

/**
 * The text of a DBC file. Vector's tools write Windows-1252 (Latin-1 with printable 0x80 to 0x9F), newer ones
 * UTF-8; what is valid UTF-8 is taken as such.
 */
export function dbcTextOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return new TextDecoder('windows-1252').decode(bytes);
    throw error;
  }
}

/** Walks tokens; what it expects and does not find is a {@link DbcSyntaxError}. */
export class TokenCursor {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }

  get line(): number {
    return (this.peek() ?? this.#tokens.at(-1))?.line ?? 1;
  }

  take(): Token {
    const token = this.peek();
    if (token === undefined) throw new DbcSyntaxError('the file ends inside a statement');
    this.#at += 1;
    return token;
  }

  takeMark(mark: string): void {
    const token = this.take();
    if (token.kind !== 'mark' || token.value !== mark) {
      throw new DbcSyntaxError(`expected '${mark}', found '${token.value}'`);
    }
  }

  takeMarkIf(mark: string): boolean {
    const token = this.peek();
    if (token?.kind !== 'mark' || token.value !== mark) return false;
    this.#at += 1;
    return true;
  }

  takeWord(): string {
    const token = this.take();
    if (token.kind === 'mark') throw new DbcSyntaxError(`expected a name, found '${token.value}'`);
    return token.value;
  }

  takeText(): string {
    const token = this.take();
    if (token.kind !== 'text') throw new DbcSyntaxError(`expected text in quotes, found '${token.value}'`);
    return token.value;
  }

  takeNumber(): number {
    const token = this.take();
    const value = Number(token.value);
    if (token.kind !== 'word' || Number.isNaN(value)) {
      throw new DbcSyntaxError(`expected a number, found '${token.value}'`);
    }
    return value;
  }
}

/** A statement that cannot be understood; it is reported and skipped. */
export class DbcSyntaxError extends Error {
  override readonly name = 'DbcSyntaxError';
}
