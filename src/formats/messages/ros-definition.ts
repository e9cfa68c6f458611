import type { FieldType, MessageField, MessageType, Primitive } from './message-type.ts';
import { MessageDefinitionError } from './message-type.ts';

/** The two dialects differ in what `char` and `byte` are, in defaults behind a name, and in how time is built. */
export type RosDialect = 'ros1' | 'ros2';

interface Section {
  readonly name: string;
  readonly fields: readonly FieldLine[];
}

interface FieldLine {
  readonly typeName: string;
  readonly name: string;
  /** The value of a constant, which takes no bytes in a message; absent in fields. */
  readonly constant?: string;
  readonly description?: string;
}

const PRIMITIVES_BOTH: Readonly<Record<string, Primitive>> = {
  bool: 'bool',
  int8: 'int8',
  uint8: 'uint8',
  int16: 'int16',
  uint16: 'uint16',
  int32: 'int32',
  uint32: 'uint32',
  int64: 'int64',
  uint64: 'uint64',
  float32: 'float32',
  float64: 'float64',
  string: 'string',
  char: 'uint8',
};

const PRIMITIVES: Readonly<Record<RosDialect, Readonly<Record<string, Primitive>>>> = {
  ros1: { ...PRIMITIVES_BOTH, byte: 'int8', time: 'time', duration: 'duration' },
  ros2: {
    ...PRIMITIVES_BOTH,
    byte: 'uint8',
    time: 'time',
    duration: 'duration',
    'builtin_interfaces/Time': 'time',
    'builtin_interfaces/msg/Time': 'time',
    'builtin_interfaces/Duration': 'duration',
    'builtin_interfaces/msg/Duration': 'duration',
  },
};

const FIELD = /^([A-Za-z][\w/]*(?:<=\d+)?(?:\[(?:<=)?\d*\])?)\s+([A-Za-z_]\w*)\s*(.*)$/;
const NESTING_MAX = 64;

/**
 * Parses a definition as bags and MCAP hold it: the message's own text, then each type it uses behind a line of
 * `=` and `MSG: package/Type` (wiki.ros.org/Bags/Format/2.0, connection record; mcap.dev/spec/registry, ros2msg).
 * @throws {MessageDefinitionError} when a line cannot be read, a type is missing or contains itself.
 */
export function parseRosDefinition(typeName: string, text: string, dialect: RosDialect): MessageType {
  const { root, sections } = parseSections(typeName, text);
  return resolveSection(root, { sections, dialect, open: [], done: new Map() });
}

/**
 * The checksum by which ROS 1 tells whether two sides mean the same message: MD5 over the definition without
 * comments, constants first, with types that are messages replaced by their own checksum (genmsg, gentools.py).
 * @param md5 gives the MD5 of a UTF-8 text in hexadecimal.
 * @throws {MessageDefinitionError} as `parseRosDefinition`.
 */
export function ros1Md5sum(typeName: string, text: string, md5: (text: string) => string): string {
  parseRosDefinition(typeName, text, 'ros1');
  const { root, sections } = parseSections(typeName, text);
  const checksumOf = ({ name: within, fields }: Section): string => {
    const constants = fields.filter(({ constant }) => constant !== undefined);
    const members = fields.filter(({ constant }) => constant === undefined);
    const lines = constants.map((line) => `${line.typeName} ${line.name}=${line.constant}`);
    for (const { typeName: type, name } of members) {
      const element = type.replace(/\[.*$/, '');
      const isPrimitive = PRIMITIVES.ros1[element] !== undefined;
      lines.push(`${isPrimitive ? type : checksumOf(findSection(element, within, sections))} ${name}`);
    }
    return md5(lines.join('\n'));
  };
  return checksumOf(root);
}

function parseSections(
  typeName: string,
  text: string,
): { root: Section; sections: ReadonlyMap<string, Section> } {
  const [own = '', ...others] = text.split(/^={3,}[ \t]*\r?$/m);
  const sections = new Map<string, Section>();
  for (const other of others) {
    const section = parseNamedSection(other);
    sections.set(shortName(section.name), section);
  }
  return { root: { name: typeName, fields: parseFieldLines(typeName, own) }, sections };
}

interface Resolution {
  readonly sections: ReadonlyMap<string, Section>;
  readonly dialect: RosDialect;
  /** Names of the types being resolved, outermost first: a type in here again contains itself. */
  readonly open: readonly string[];
  readonly done: Map<string, MessageType>;
}

function resolveSection(section: Section, resolution: Resolution): MessageType {
  const known = resolution.done.get(section.name);
  if (known !== undefined) return known;
  if (resolution.open.includes(section.name) || resolution.open.length > NESTING_MAX) {
    throw new MessageDefinitionError(`type ${section.name} contains itself`);
  }
  const inner = { ...resolution, open: [...resolution.open, section.name] };
  const members = section.fields.filter(({ constant }) => constant === undefined);
  const fields = members.map((line): MessageField => {
    const type = resolveType(line.typeName, section.name, inner);
    const described = line.description === undefined ? {} : { description: line.description };
    return { name: line.name, type, ...described };
  });
  const message = { name: section.name, fields };
  resolution.done.set(section.name, message);
  return message;
}

function resolveType(typeName: string, within: string, resolution: Resolution): FieldType {
  const list = /^(.*?)\[(<=)?(\d*)\]$/.exec(typeName);
  if (list !== null) {
    const element = resolveType(list[1] ?? '', within, resolution);
    const fixed = list[2] === undefined && list[3] !== '';
    return fixed ? { kind: 'list', element, length: Number(list[3]) } : { kind: 'list', element };
  }
  const bare = typeName.replace(/<=\d+$/, '');
  const primitive = PRIMITIVES[resolution.dialect][bare];
  if (primitive !== undefined) return { kind: 'primitive', primitive };
  const section = findSection(bare, within, resolution.sections);
  return { kind: 'message', message: resolveSection(section, resolution) };
}

function findSection(typeName: string, within: string, sections: ReadonlyMap<string, Section>): Section {
  const wanted = typeName === 'Header' ? 'std_msgs/Header' : shortName(typeName);
  const samePackage = `${within.split('/')[0]}/${wanted}`;
  const exact = sections.get(wanted) ?? sections.get(samePackage);
  if (exact !== undefined) return exact;
  for (const [name, section] of sections) if (name.endsWith(`/${wanted}`)) return section;
  throw new MessageDefinitionError(`type ${typeName}, used in ${within}, is not defined`);
}

/** `package/msg/Type` and `package/Type` are the same type. */
function shortName(name: string): string {
  return name.replace('/msg/', '/');
}

function parseNamedSection(text: string): Section {
  const heading = /^\s*(?:MSG|IDL):[ \t]*(\S+)[^\n]*\n?/.exec(text);
  const name = heading?.[1];
  if (heading === null || name === undefined) {
    throw new MessageDefinitionError(`a section does not begin with "MSG: package/Type"`);
  }
  return { name, fields: parseFieldLines(name, text.slice(heading[0].length)) };
}

function parseFieldLines(typeName: string, text: string): FieldLine[] {
  const fields: FieldLine[] = [];
  for (const line of text.split('\n')) {
    const statement = line.trim();
    if (statement === '' || statement.startsWith('#')) continue;
    const match = FIELD.exec(statement);
    if (match === null) throw new MessageDefinitionError(`cannot read "${statement}" in ${typeName}`);
    const [, fieldType = '', name = '', rest = ''] = match;
    if (rest.startsWith('=')) {
      // In text a `#` is part of the value.
      const value = fieldType === 'string' ? rest.slice(1) : rest.slice(1).replace(/#.*$/, '');
      fields.push({ typeName: fieldType, name, constant: value.trim() });
      continue;
    }
    const comment = /^[^#]*#\s*(.*)$/.exec(rest)?.[1]?.trim();
    const described = comment === undefined || comment === '' ? {} : { description: comment };
    fields.push({ typeName: fieldType, name, ...described });
  }
  return fields;
}
