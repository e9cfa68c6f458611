import assert from 'node:assert/strict';
import fc from 'fast-check';
import { columnarDecoder } from '#formats/messages/columnar-decoder.ts';
import type { FieldType, MessageType, Primitive } from '#formats/messages/message-type.ts';
import { parseRosDefinition } from '#formats/messages/ros-definition.ts';
import { type FieldValue, type MessageValue, serializeRos1 } from '#formats/messages/ros1-serializer.ts';
import { ROS1_WIRE } from '#formats/messages/wire-layout.ts';
import { columnValuesOf } from '../../support/table-columns.ts';

const ALL: readonly Primitive[] = [
  ...(['bool', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'] as const),
  ...(['float32', 'float64', 'string', 'time', 'duration'] as const),
];

const primitive = fc.constantFrom(...ALL).map((name): FieldType => ({ kind: 'primitive', primitive: name }));
const { type: anyType } = fc.letrec<{ type: FieldType }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    primitive,
    fc
      .tuple(tie('type'), fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }))
      // ROS has no lists of lists.
      .filter(([element]) => element.kind !== 'list')
      .map(([element, length]): FieldType => ({ kind: 'list', element, ...(length ? { length } : {}) })),
    fc.array(tie('type'), { minLength: 1, maxLength: 3 }).map(
      (types): FieldType => ({
        kind: 'message',
        message: { name: 'test/Inner', fields: types.map((type, i) => ({ name: `f${i}`, type })) },
      }),
    ),
  ),
}));

const anyMessage = fc.array(anyType, { minLength: 1, maxLength: 5 }).map(
  (types): MessageType => ({
    name: 'test/Outer',
    fields: types.map((type, i) => ({ name: `m${i}`, type })),
  }),
);

function anyValueOf(type: FieldType): fc.Arbitrary<FieldValue> {
  if (type.kind === 'message') return anyValueOfMessage(type.message);
  if (type.kind === 'list') {
    const range =
      type.length === undefined ? { maxLength: 3 } : { minLength: type.length, maxLength: type.length };
    return fc.array(anyValueOf(type.element), range);
  }
  switch (type.primitive) {
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 5 });
    case 'bool':
      return fc.boolean();
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'uint64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case 'time':
      return fc.bigInt({ min: 0n, max: (2n ** 32n - 1n) * 1_000_000_000n });
    case 'duration':
      return fc.bigInt({ min: -(2n ** 31n) * 1_000_000_000n, max: (2n ** 31n - 1n) * 1_000_000_000n });
    case 'float32':
      return fc.float();
    case 'float64':
      return fc.double();
    default: {
      const bits = Number(/\d+/.exec(type.primitive)?.[0]);
      const signed = type.primitive.startsWith('int');
      return fc.integer(
        signed ? { min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 } : { min: 0, max: 2 ** bits - 1 },
      );
    }
  }
}

function anyValueOfMessage(message: MessageType): fc.Arbitrary<MessageValue> {
  return fc.record(Object.fromEntries(message.fields.map(({ name, type }) => [name, anyValueOf(type)])));
}

/** The value of each leaf, lists inside lists, as the decoder's columns should have them. */
function leavesOf(type: FieldType, value: FieldValue): FieldValue[] {
  if (type.kind === 'message') {
    return type.message.fields.flatMap(({ name, type: inner }) =>
      leavesOf(inner, (value as MessageValue)[name]),
    );
  }
  if (type.kind === 'primitive') return [typeof value === 'boolean' ? Number(value) : value];
  const items = value as readonly FieldValue[];
  if (type.element.kind === 'primitive' && type.element.primitive === 'uint8') {
    return [Uint8Array.from(items as number[])];
  }
  const none = leavesOf(type.element, zeroOf(type.element)).map((): FieldValue[] => []);
  for (const item of items) {
    for (const [i, leaf] of leavesOf(type.element, item).entries()) none[i]!.push(leaf);
  }
  return none;
}

function zeroOf(type: FieldType): FieldValue {
  if (type.kind === 'list') return [];
  if (type.kind === 'primitive') return 0;
  return Object.fromEntries(type.message.fields.map(({ name, type: inner }) => [name, zeroOf(inner)]));
}

const asMessage = (message: MessageType): FieldType => ({ kind: 'message', message });

describe('a decoder compiled from a message definition', () => {
  it('gives back what was serialized, whatever the types and values', () => {
    const messages = anyMessage.chain((message) =>
      fc.tuple(fc.constant(message), fc.array(anyValueOfMessage(message), { maxLength: 4 })),
    );
    fc.assert(
      fc.property(messages, ([message, values]) => {
        const columns = decodeAll(message, values);
        const expected = values.map((value) => leavesOf(asMessage(message), value));
        for (const [i, column] of columns.entries()) {
          assert.deepEqual(
            column,
            expected.map((row) => row[i]),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it('fills only the wanted columns', () => {
    const message = parseRosDefinition(
      'a/B',
      'string a\nfloat64[] b\nC[] c\n===\nMSG: a/C\nstring x\nint8 y\n',
      'ros1',
    );
    const value = {
      a: 'one',
      b: [1, 2],
      c: [
        { x: 'p', y: 1 },
        { x: 'q', y: 2 },
      ],
    };
    assert.deepEqual(decodeAll(message, [value], Uint8Array.of(0, 0, 0, 1)), [[[1, 2]]]);
  });

  it('replaces what is not UTF-8 in text, and nothing else', () => {
    const message = parseRosDefinition('a/B', 'string a\n', 'ros1');
    const bytes = Buffer.concat([Buffer.of(3, 0, 0, 0), Buffer.of(0x61, 0xff, 0x62)]);
    const decoder = columnarDecoder(message, ROS1_WIRE);
    const slices = { bytes, starts: Uint32Array.of(0), ends: Uint32Array.of(7), count: 1 };
    const [column] = decoder.decode(slices, Uint8Array.of(1)).columns;
    assert.deepEqual(columnValuesOf(column!, 'string', 1), ['a\uFFFDb']);
  });
});

describe('a message definition', () => {
  const parse = (text: string) => columnarDecoder(parseRosDefinition('a/B', text, 'ros1'), ROS1_WIRE);

  it('may not contain itself', () => {
    assert.throws(() => parse('C c\n===\nMSG: a/C\nD[] d\n===\nMSG: a/D\nC c\n'), /a\/C contains itself/);
  });

  it('may not unfold without bound', () => {
    const sections = Array.from({ length: 40 }, (_, i) => `===\nMSG: a/T${i}\nT${i + 1} x\nT${i + 1} y\n`);
    assert.throws(() => parse(`T0 t\n${sections.join('')}===\nMSG: a/T40\nint8 z\n`), /more than 4096/);
  });

  it('may not have arrays of length 0, whose elements would be without number', () => {
    assert.throws(() => parse('C[1000000000] c\n===\nMSG: a/C\nstring[0] s\n'), /length 0/);
  });

  it('keeps the comment behind a field and skips constants', () => {
    const { columns } = parse('uint8 A=1\nstring S= a # b\n\n# comment\nfloat32 v  # speed [m/s]\n');
    assert.deepEqual(columns, [{ name: 'v', type: 'float32', description: 'speed [m/s]' }]);
  });

  it('is refused with the line that cannot be read', () => {
    assert.throws(() => parse('float64 ok\nfloat64[ broken\n'), /cannot read "float64\[ broken"/);
  });
});

function decodeAll(message: MessageType, values: readonly MessageValue[], wanted?: Uint8Array): unknown[][] {
  const decoder = columnarDecoder(message, ROS1_WIRE);
  const parts = values.map((value) => serializeRos1(message, value));
  const ends: number[] = [];
  for (const { length } of parts) ends.push((ends.at(-1) ?? 0) + length);
  const starts = Uint32Array.from([0, ...ends.slice(0, -1)]);
  const slices = { bytes: Buffer.concat(parts), starts, ends: Uint32Array.from(ends), count: parts.length };
  const mask = wanted ?? new Uint8Array(decoder.columns.length).fill(1);
  const { columns, misfits } = decoder.decode(slices, mask);
  assert.deepEqual(misfits, []);
  const schemas = decoder.columns.filter((_, i) => mask[i] === 1);
  return columns.map((column, i) => columnValuesOf(column, schemas[i]!.type, parts.length));
}
