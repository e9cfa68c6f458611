import { Mdf4Damage } from './blocks.ts';

type Evaluate = (x: number) => number;

const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = {
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  arcsin: Math.asin,
  arccos: Math.acos,
  arctan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  exp: Math.exp,
  ln: Math.log,
  log: Math.log,
  log10: Math.log10,
  sqrt: Math.sqrt,
  abs: Math.abs,
  floor: Math.floor,
  ceil: Math.ceil,
  int: Math.trunc,
  sgn: Math.sign,
  pow: Math.pow,
  min: Math.min,
  max: Math.max,
};

const DEPTH_MAX = 64;
const TOKEN = /\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|[-+*/^(),%]))/y;

/**
 * Compiles the text of an algebraic conversion (ASAM MCD-2 MC formula): one variable, `X` or `X1`, the usual operators
 * and functions. @throws {Mdf4Damage} where the text is no such formula.
 */
export function compileFormula(text: string): Evaluate {
  const parser = new FormulaParser(text);
  return parser.whole();
}

class FormulaParser {
  readonly #text: string;
  readonly #tokens: string[] = [];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    const pattern = new RegExp(TOKEN);
    const trimmed = text.trim();
    while (pattern.lastIndex < trimmed.length) {
      const match = pattern.exec(trimmed);
      if (match === null) throw this.#damage();
      this.#tokens.push(match[1] ?? match[2] ?? match[3] ?? '');
    }
  }

  whole(): Evaluate {
    const result = this.#sum();
    if (this.#at < this.#tokens.length) throw this.#damage();
    return result;
  }

  #sum(): Evaluate {
    let left = this.#product();
    for (let next = this.#takeIf('+', '-'); next !== undefined; next = this.#takeIf('+', '-')) {
      const [first, second] = [left, this.#product()];
      left = next === '+' ? (x) => first(x) + second(x) : (x) => first(x) - second(x);
    }
    return left;
  }

  #product(): Evaluate {
    let left = this.#signed();
    for (let next = this.#takeIf('*', '/', '%'); next !== undefined; next = this.#takeIf('*', '/', '%')) {
      const [first, second] = [left, this.#signed()];
      if (next === '*') left = (x) => first(x) * second(x);
      else left = next === '/' ? (x) => first(x) / second(x) : (x) => first(x) % second(x);
    }
    return left;
  }

  #signed(): Evaluate {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw this.#damage();
    const sign = this.#takeIf('-', '+');
    const value = sign === undefined ? this.#power() : this.#signed();
    this.#depth -= 1;
    return sign === '-' ? (x) => -value(x) : value;
  }

  #power(): Evaluate {
    const base = this.#atom();
    if (this.#takeIf('^', '**') === undefined) return base;
    const exponent = this.#signed();
    return (x) => base(x) ** exponent(x);
  }

  #atom(): Evaluate {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw this.#damage();
    if (token === '(') {
      const inner = this.#sum();
      this.#expect(')');
      return inner;
    }
    if (/^[\d.]/.test(token)) {
      const constant = Number(token);
      return () => constant;
    }
    if (/^X1?$/i.test(token)) return (x) => x;
    if (/^pi$/i.test(token)) return () => Math.PI;
    const apply = FUNCTIONS[token.toLowerCase()];
    if (apply === undefined) throw this.#damage();
    this.#expect('(');
    const parts = [this.#sum()];
    while (this.#takeIf(',') !== undefined) parts.push(this.#sum());
    this.#expect(')');
    return (x) => apply(...parts.map((part) => part(x)));
  }

  #takeIf(...wanted: string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || !wanted.includes(token)) return undefined;
    this.#at += 1;
    return token;
  }

  #expect(token: string): void {
    if (this.#takeIf(token) === undefined) throw this.#damage();
  }

  #damage(): Mdf4Damage {
    return new Mdf4Damage(`the formula '${this.#text.slice(0, 80)}' cannot be understood`);
  }
}
