import assert from 'node:assert/strict';
import { protobufDecoder } from '#formats/messages/protobuf-decoder.ts';
import { decodeMessages } from './decode-messages.ts';

function varint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

const number = (field: number, value: number | bigint) => [...varint(field << 3), ...varint(value)];
const sub = (field: number, content: readonly number[]) => [
  ...varint((field << 3) | 2),
  ...varint(content.length),
  ...content,
];
const text = (field: number, value: string) => sub(field, [...Buffer.from(value)]);
const double = (field: number, value: number) => [
  (field << 3) | 1,
  ...new Uint8Array(new Float64Array([value]).buffer),
];

/** FieldDescriptorProto. */
function field(
  name: string,
  id: number,
  type: number,
  more: { repeated?: boolean; typeName?: string; oneof?: boolean } = {},
) {
  return [
    ...text(1, name),
    ...number(3, id),
    ...number(4, more.repeated ? 3 : 1),
    ...number(5, type),
    ...(more.typeName === undefined ? [] : text(6, more.typeName)),
    ...(more.oneof ? number(9, 0) : []),
  ];
}

const INNER = [
  ...text(1, 'Inner'),
  ...sub(2, field('x', 1, 1)),
  ...sub(2, field('s', 2, 17, { repeated: true })),
];
const COLOR = [
  ...text(1, 'Color'),
  ...sub(2, text(1, 'RED')),
  ...sub(2, [...text(1, 'BLUE'), ...number(2, 5)]),
];
const OUTER = [
  ...text(1, 'Outer'),
  ...sub(2, field('stamp', 1, 11, { typeName: '.google.protobuf.Timestamp' })),
  ...sub(2, field('inners', 2, 11, { repeated: true, typeName: '.acme.Inner' })),
  ...sub(2, field('one', 3, 11, { typeName: 'Inner' })),
  ...sub(2, field('color', 4, 14, { typeName: '.acme.Color' })),
  ...sub(2, field('name', 5, 9)),
  ...sub(2, field('self', 6, 11, { typeName: '.acme.Outer' })),
  ...sub(2, field('big', 7, 3)),
  ...sub(2, field('maybe', 8, 13, { oneof: true })),
  ...sub(2, field('data', 9, 12)),
];
const SCHEMA = Uint8Array.from(
  sub(1, [...text(2, 'acme'), ...sub(4, INNER), ...sub(4, OUTER), ...sub(5, COLOR), ...text(12, 'proto3')]),
);
const decoder = protobufDecoder('acme.Outer', SCHEMA);
const decode = (...messages: readonly (readonly number[])[]) =>
  decodeMessages(
    decoder,
    messages.map((bytes) => Uint8Array.from(bytes)),
  );

describe('protobuf messages', () => {
  it('become columns: nested, repeated, times, enums with labels, and itself as bytes', () => {
    const columns = decoder.columns.map(({ name, type }) => [name, type]);
    assert.deepEqual(columns, [
      ['stamp', 'timestamp'],
      ['inners.x', { list: 'float64' }],
      ['inners.s', { list: { list: 'int32' } }],
      ['one.x', 'float64'],
      ['one.s', { list: 'int32' }],
      ['color', 'int32'],
      ['name', 'string'],
      ['self', 'bytes'],
      ['big', 'int64'],
      ['maybe', 'uint32'],
      ['data', 'bytes'],
    ]);
    assert.deepEqual(decoder.columns.find(({ name }) => name === 'color')?.choices, { 0: 'RED', 5: 'BLUE' });
  });

  it('yield their values', () => {
    const packed = sub(2, [...varint(1), ...varint(4)]);
    const { columns } = decode([
      ...sub(1, [...number(1, 5), ...number(2, 7)]),
      ...sub(2, [...double(1, 1.5), ...packed]),
      ...sub(2, []),
      ...sub(2, [...number(2, 3)]),
      ...sub(3, double(1, 9)),
      ...number(4, 5),
      ...text(5, 'é'),
      ...number(7, -3n),
      ...number(8, 0),
      ...number(99, 1),
      ...text(98, 'unknown'),
    ]);
    assert.deepEqual(columns['stamp'], [5_000_000_007n]);
    assert.deepEqual(columns['inners.x'], [[1.5, 0, 0]]);
    assert.deepEqual(columns['inners.s'], [[[-1, 2], [], [-2]]]);
    assert.deepEqual(columns['one.x'], [9]);
    assert.deepEqual(columns['color'], [5]);
    assert.deepEqual(columns['name'], ['é']);
    assert.deepEqual(columns['big'], [-3n]);
    assert.deepEqual(columns['maybe'], [0]);
  });

  it('are null where the schema knows absence, else zero', () => {
    const { columns } = decode([], sub(3, []));
    assert.deepEqual(columns['stamp'], [null, null]);
    assert.deepEqual(columns['one.x'], [null, 0]);
    assert.deepEqual(columns['maybe'], [null, null]);
    assert.deepEqual(columns['name'], ['', '']);
    assert.deepEqual(columns['big'], [0n, 0n]);
  });

  it('keep the last of a field that was written twice', () => {
    assert.deepEqual(decode([...text(5, 'first'), ...text(5, 'second')]).columns['name'], ['second']);
  });

  it('that do not fit are left out, and leave no trace in the others', () => {
    const good = [...sub(2, double(1, 1)), ...text(5, 'good')];
    const cutOff = [...sub(2, double(1, 2)), 0x2a, 100, 1];
    const wrongType = [...sub(2, double(1, 3)), ...number(5, 1)];
    const endless = new Array(12).fill(0xff);
    const { columns, misfits } = decode(cutOff, good, wrongType, endless, good);
    assert.deepEqual(misfits, [0, 2, 3]);
    assert.deepEqual(columns['inners.x'], [[1], [1]]);
    assert.deepEqual(columns['name'], ['good', 'good']);
  });

  it('need a schema that defines them', () => {
    assert.throws(() => protobufDecoder('acme.Other', SCHEMA), /does not define acme\.Other/);
    assert.throws(() => protobufDecoder('acme.Outer', Uint8Array.of(0xff, 0xff)), /no FileDescriptorSet/);
  });
});
