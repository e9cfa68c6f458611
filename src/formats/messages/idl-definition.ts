import type { FieldType, MessageField, MessageType, Primitive } from './message-type.ts';
import { MessageDefinitionError } from './message-type.ts';

/**
 * Parses OMG IDL 4.2 as far as messages use it: modules, structures (with a base), enums, typedefs, constants for
 * lengths, sequences, arrays, bounded strings, annotations. Also the form in which ROS 2 keeps it (`ros2idl`:
 * several files, each behind a line of `=` and `IDL: package/msg/Type`; mcap.dev/spec/registry).
 * @throws {MessageDefinitionError} for unions, maps, mutable structures, wide strings and what makes no sense.
 */
export function parseIdlDefinition(typeName: string, text: string): MessageType {
  const withoutHeadings = text.replace(/^={3,}[ \t]*\r?$/gm, '').replace(/^IDL:.*$/gm, '');
  const parser = new IdlParser(tokensOf(withoutHeadings));
  parser.definitions([]);
  const name = typeName.replaceAll('/', '::').replace(/^::/, '');
  return parser.message(name);
}

type Definition =
  | {
      readonly kind: 'struct';
      readonly name: string;
      readonly base?: string;
      readonly members: readonly Member[];
      readonly isFinal: boolean;
    }
  | { readonly kind: 'enum' }
  | { readonly kind: 'alias'; readonly type: IdlType };

interface Member {
  readonly name: string;
  readonly type: IdlType;
  readonly scope: readonly string[];
}

type IdlType =
  | { readonly kind: 'primitive'; readonly primitive: Primitive }
  | { readonly kind: 'named'; readonly name: string; readonly scope: readonly string[] }
  | { readonly kind: 'list'; readonly element: IdlType; readonly length?: number };

const TOKEN =
  /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|#[^\n]*|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_]\w*|::|<<|>>|[\d.]\w*(?:\.\w*)?|[^\w\s])/gy;

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (const match of text.matchAll(TOKEN)) {
    const token = match[1];
    if (token === '>>') tokens.push('>', '>');
    else if (token !== undefined) tokens.push(token);
  }
  return tokens;
}

const PRIMITIVES: Readonly<Record<string, Primitive>> = {
  boolean: 'bool',
  octet: 'uint8',
  char: 'uint8',
  int8: 'int8',
  uint8: 'uint8',
  int16: 'int16',
  uint16: 'uint16',
  int32: 'int32',
  uint32: 'uint32',
  int64: 'int64',
  uint64: 'uint64',
  short: 'int16',
  'unsigned short': 'uint16',
  long: 'int32',
  'unsigned long': 'uint32',
  'long long': 'int64',
  'unsigned long long': 'uint64',
  float: 'float32',
  double: 'float64',
};

const TIMES: Readonly<Record<string, Primitive>> = {
  'builtin_interfaces::msg::Time': 'time',
  'builtin_interfaces::msg::Duration': 'duration',
};

const NESTING_MAX = 64;

class IdlParser {
  readonly #tokens: readonly string[];
  #at = 0;
  readonly #definitions = new Map<string, Definition>();
  readonly #constants = new Map<string, number>();
  readonly #messages = new Map<string, MessageType>();

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  /** Reads definitions up to the end of the text, or of the module they are in. */
  definitions(scope: readonly string[]): void {
    if (scope.length > NESTING_MAX) throw new MessageDefinitionError('modules are nested too deeply');
    while (this.#at < this.#tokens.length && this.#peek() !== '}') {
      const annotations = this.#annotations();
      const keyword = this.#next();
      if (keyword === 'module') {
        const name = this.#next();
        this.#expect('{');
        this.definitions([...scope, name]);
        this.#expect('}');
      } else if (keyword === 'struct') this.#struct(scope, annotations);
      else if (keyword === 'enum') this.#enum(scope);
      else if (keyword === 'typedef') this.#typedef(scope);
      else if (keyword === 'const') this.#constant(scope);
      else if (keyword !== ';') throw new MessageDefinitionError(`"${keyword}" is not read`);
    }
  }

  message(name: string): MessageType {
    const definition = this.#definitions.get(name);
    if (definition?.kind !== 'struct') throw new MessageDefinitionError(`structure ${name} is not defined`);
    return this.#resolveStruct(name, definition, []);
  }

  #struct(scope: readonly string[], annotations: ReadonlySet<string>): void {
    if (annotations.has('mutable')) throw new MessageDefinitionError('mutable structures are not read');
    const name = this.#next();
    if (this.#skipIf(';')) return;
    const full = [...scope, name].join('::');
    const base = this.#skipIf(':') ? this.#scopedName() : undefined;
    this.#expect('{');
    const members: Member[] = [];
    while (!this.#skipIf('}')) {
      if (this.#annotations().has('optional')) {
        throw new MessageDefinitionError(`optional members, as in ${full}, are not read`);
      }
      const type = this.#type(scope);
      do {
        const member = this.#next();
        members.push({ name: member, type: this.#arrayOf(type, scope), scope: [...scope, name] });
      } while (this.#skipIf(','));
      this.#expect(';');
    }
    const isFinal = annotations.has('final');
    const inherited = base === undefined ? {} : { base };
    this.#definitions.set(full, { kind: 'struct', name: full, members, isFinal, ...inherited });
  }

  #enum(scope: readonly string[]): void {
    const name = this.#next();
    this.#expect('{');
    let value = 0;
    while (!this.#skipIf('}')) {
      this.#annotations();
      this.#constants.set([...scope, this.#next()].join('::'), value);
      value += 1;
      this.#skipIf(',');
    }
    this.#definitions.set([...scope, name].join('::'), { kind: 'enum' });
  }

  #typedef(scope: readonly string[]): void {
    const type = this.#type(scope);
    const name = this.#next();
    this.#definitions.set([...scope, name].join('::'), { kind: 'alias', type: this.#arrayOf(type, scope) });
    this.#expect(';');
  }

  /** Constants matter only as lengths, so other values are walked over. */
  #constant(scope: readonly string[]): void {
    this.#type(scope);
    const name = this.#next();
    this.#expect('=');
    const value = this.#next();
    const isAlone = this.#peek() === ';';
    while (this.#next() !== ';');
    const number = isAlone ? this.#valueOf(value, scope) : undefined;
    if (number !== undefined) this.#constants.set([...scope, name].join('::'), number);
  }

  #type(scope: readonly string[]): IdlType {
    if (this.#skipIf('sequence')) {
      this.#expect('<');
      const element = this.#type(scope);
      if (this.#skipIf(',')) this.#next();
      this.#expect('>');
      return { kind: 'list', element };
    }
    if (this.#skipIf('string')) {
      if (this.#skipIf('<')) {
        this.#next();
        this.#expect('>');
      }
      return { kind: 'primitive', primitive: 'string' };
    }
    const words = [this.#scopedName()];
    while (['unsigned', 'long'].includes(words.at(-1) ?? '') && /^(?:short|long)$/.test(this.#peek())) {
      words.push(this.#next());
    }
    const name = words.join(' ');
    const primitive = PRIMITIVES[name];
    return primitive === undefined ? { kind: 'named', name, scope } : { kind: 'primitive', primitive };
  }

  /** The lengths of an array stand behind its name. */
  #arrayOf(type: IdlType, scope: readonly string[]): IdlType {
    const lengths: number[] = [];
    while (this.#skipIf('[')) {
      const text = this.#peek().match(/^\d/) ? this.#next() : this.#scopedName();
      const length = this.#valueOf(text, scope);
      if (length === undefined) throw new MessageDefinitionError(`array length ${text} is not defined`);
      lengths.push(length);
      this.#expect(']');
    }
    // Arrays of arrays lie on the wire as one array.
    const length = lengths.reduce((product, factor) => product * factor, 1);
    return lengths.length === 0 ? type : { kind: 'list', element: type, length };
  }

  #valueOf(text: string, scope: readonly string[]): number | undefined {
    if (/^(?:0[xX][\da-fA-F]+|\d+)$/.test(text)) return Number(text);
    return this.#find(this.#constants, text, scope);
  }

  #annotations(): ReadonlySet<string> {
    const names = new Set<string>();
    while (this.#skipIf('@')) {
      const name = this.#scopedName();
      names.add(name);
      if (!this.#skipIf('(')) continue;
      let depth = 1;
      while (depth > 0) {
        const token = this.#next();
        if (token === '(') depth += 1;
        else if (token === ')') depth -= 1;
        else if (name === 'extensibility') names.add(token.toLowerCase());
      }
    }
    return names;
  }

  #scopedName(): string {
    this.#skipIf('::');
    let name = this.#next();
    while (this.#skipIf('::')) name += `::${this.#next()}`;
    return name;
  }

  #resolveStruct(
    name: string,
    struct: Extract<Definition, { kind: 'struct' }>,
    open: readonly string[],
  ): MessageType {
    const known = this.#messages.get(name);
    if (known !== undefined) return known;
    if (open.includes(name) || open.length > NESTING_MAX) {
      throw new MessageDefinitionError(`structure ${name} contains itself`);
    }
    const inner = [...open, name];
    const fields: MessageField[] = [];
    if (struct.base !== undefined) {
      const base = this.#resolve({ kind: 'named', name: struct.base, scope: name.split('::') }, inner);
      if (base.kind !== 'message') throw new MessageDefinitionError(`${struct.base} is no structure`);
      fields.push(...base.message.fields);
    }
    for (const { name: member, type } of struct.members) {
      fields.push({ name: member, type: this.#resolve(type, inner) });
    }
    const message = { name, fields, isFinal: struct.isFinal };
    this.#messages.set(name, message);
    return message;
  }

  #resolve(type: IdlType, open: readonly string[]): FieldType {
    if (type.kind === 'primitive') return type;
    if (type.kind === 'list') {
      const element = this.#resolve(type.element, open);
      return type.length === undefined
        ? { kind: 'list', element }
        : { kind: 'list', element, length: type.length };
    }
    const found = this.#findName(type.name, type.scope);
    const time = TIMES[found];
    if (time !== undefined) return { kind: 'primitive', primitive: time };
    const definition = this.#definitions.get(found);
    if (definition === undefined) throw new MessageDefinitionError(`type ${type.name} is not defined`);
    if (definition.kind === 'enum') return { kind: 'primitive', primitive: 'uint32' };
    if (definition.kind === 'struct') {
      return { kind: 'message', message: this.#resolveStruct(found, definition, open) };
    }
    if (open.length > NESTING_MAX) throw new MessageDefinitionError(`type ${type.name} contains itself`);
    return this.#resolve(definition.type, [...open, found]);
  }

  #findName(name: string, scope: readonly string[]): string {
    for (let depth = scope.length; depth >= 0; depth -= 1) {
      const full = [...scope.slice(0, depth), name].join('::');
      if (this.#definitions.has(full) || TIMES[full] !== undefined) return full;
    }
    return name;
  }

  #find<T>(values: ReadonlyMap<string, T>, name: string, scope: readonly string[]): T | undefined {
    for (let depth = scope.length; depth >= 0; depth -= 1) {
      const value = values.get([...scope.slice(0, depth), name].join('::'));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #next(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw new MessageDefinitionError('the definition ends too early');
    this.#at += 1;
    return token;
  }

  #skipIf(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#at += 1;
    return true;
  }

  #expect(token: string): void {
    const found = this.#next();
    if (found !== token) throw new MessageDefinitionError(`"${token}" was expected before "${found}"`);
  }
}
