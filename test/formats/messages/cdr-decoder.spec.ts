import assert from 'node:assert/strict';
import { cdrDecoder } from '#formats/messages/cdr-decoder.ts';
import { parseIdlDefinition } from '#formats/messages/idl-definition.ts';
import { parseRosDefinition } from '#formats/messages/ros-definition.ts';
import { decodeMessages } from './decode-messages.ts';

const ros2 = (text: string) => cdrDecoder(parseRosDefinition('a/msg/B', text, 'ros2'));
const u32 = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
const f64 = (value: number) => [...new Uint8Array(new Float64Array([value]).buffer)];
const text = (value: string) => [...u32(value.length + 1), ...Buffer.from(value), 0];
const XCDR1 = [0, 1, 0, 0];

describe('CDR messages', () => {
  it('are aligned to each value, counted from behind the encapsulation header', () => {
    const bytes = [...XCDR1, 7, 0, 0, 0, ...u32(5), ...f64(1.5), 1, 0, 9, 0];
    const { columns } = decodeMessages(ros2('uint8 a\nint32 b\nfloat64 c\nbool d\nuint16 e\n'), [
      Buffer.from(bytes),
    ]);
    assert.deepEqual(columns, { a: [7], b: [5], c: [1.5], d: [1], e: [9] });
  });

  it('are aligned anew behind each string, message by message', () => {
    const messages = ['', 'x', 'four', 'seven77'].map((value) => {
      const front = text(value);
      const padding = new Array((8 - (front.length % 8)) % 8).fill(0);
      return Buffer.from([...XCDR1, ...front, ...padding, ...f64(2.5)]);
    });
    const { columns } = decodeMessages(ros2('string s\nfloat64 v\n'), messages);
    assert.deepEqual(columns['s'], ['', 'x', 'four', 'seven77']);
    assert.deepEqual(columns['v'], [2.5, 2.5, 2.5, 2.5]);
  });

  it('have no padding behind the count of an empty list', () => {
    const empty = Buffer.from([...XCDR1, ...u32(0), ...u32(7)]);
    const full = Buffer.from([...XCDR1, ...u32(1), ...u32(0), ...f64(3), ...u32(8)]);
    const { columns } = decodeMessages(ros2('float64[] v\nuint32 n\n'), [empty, full]);
    assert.deepEqual(columns, { v: [[], [3]], n: [7, 8] });
  });

  it('hold lists of messages whose size is no multiple of their alignment', () => {
    const bytes = [...XCDR1, ...u32(2), 0, 0, 0, 0, ...f64(1), 5, 0, 0, 0, 0, 0, 0, 0, ...f64(2), 6];
    const { columns } = decodeMessages(ros2('C[] c\n===\nMSG: a/C\nfloat64 x\nuint8 y\n'), [
      Buffer.from(bytes),
    ]);
    assert.deepEqual(columns, { 'c.x': [[1, 2]], 'c.y': [[5, 6]] });
  });

  it('may be big endian, with times before 1970', () => {
    const bytes = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x1d, 0xcd, 0x65, 0x00, 0x3f, 0xc0, 0, 0];
    const { columns } = decodeMessages(ros2('builtin_interfaces/Time t\nfloat32 v\n'), [Buffer.from(bytes)]);
    assert.deepEqual(columns, { t: [-500_000_000n], v: [1.5] });
  });

  it('of XCDR2 are aligned to 4, with a byte count before lists of messages', () => {
    const bytes = [0, 7, 0, 0, 1, 0, 0, 0, ...f64(4), ...u32(12), ...u32(1), ...f64(9)];
    const { columns } = decodeMessages(ros2('uint8 a\nfloat64 b\nC[] c\n===\nMSG: a/C\nfloat64 x\n'), [
      Buffer.from(bytes),
    ]);
    assert.deepEqual(columns, { a: [1], b: [4], 'c.x': [[9]] });
  });

  it('of appendable types have a byte count before them, and may have grown', () => {
    const idl = '@appendable struct Outer { Inner i; long n; }; @final struct Inner { octet a; };';
    const ordered = `${idl.slice(idl.indexOf('@final'))} ${idl.slice(0, idl.indexOf('@final'))}`;
    const decoder = cdrDecoder(parseIdlDefinition('Outer', ordered));
    const bytes = [0, 9, 0, 0, ...u32(20), 3, 0, 0, 0, ...u32(77), ...u32(1), ...u32(2), ...u32(3)];
    const { columns, misfits } = decodeMessages(decoder, [Buffer.from(bytes)]);
    assert.deepEqual(misfits, []);
    assert.deepEqual(columns, { 'i.a': [3], n: [77] });
  });

  it('that do not fit are left out: other kinds, lengths that lie, bytes left over', () => {
    const whole = Buffer.from([...XCDR1, ...u32(2), 0x61, 0]);
    const messages = [
      Buffer.from([0, 3, 0, 0, ...u32(2), 0x61, 0]),
      whole,
      Buffer.from([...XCDR1, ...u32(0xffff_ffff), 0x61, 0]),
      Buffer.from([0, 1]),
      Buffer.concat([whole, Buffer.alloc(3)]),
      Buffer.concat([whole, Buffer.alloc(4)]),
    ];
    const { columns, misfits } = decodeMessages(ros2('string s\n'), messages);
    assert.deepEqual(misfits, [0, 2, 3, 5]);
    assert.deepEqual(columns, { s: ['a', 'a'] });
  });
});

describe('an IDL definition', () => {
  it('may be written with modules, typedefs, enums, constants and annotations', () => {
    const decoder = cdrDecoder(
      parseIdlDefinition(
        'acme::Car',
        `// comment
        module acme {
          const unsigned long WHEELS = 4;
          enum Gear { PARK, DRIVE };
          typedef sequence<double, 10> Speeds;
          typedef string<20> Name;
          struct Base { @key unsigned short id; };
          @verbatim (language="comment", text="a {brace}" "and more")
          struct Car : Base {
            Gear gear; /* block */
            float pressures[WHEELS];
            acme::Speeds speeds;
            Name name;
            boolean a, b;
          };
        };`,
      ),
    );
    assert.deepEqual(
      decoder.columns.map(({ name, type }) => [name, type]),
      [
        ['id', 'uint16'],
        ['gear', 'uint32'],
        ['pressures', { list: 'float32' }],
        ['speeds', { list: 'float64' }],
        ['name', 'string'],
        ['a', 'bool'],
        ['b', 'bool'],
      ],
    );
  });

  it('may come in the parts that ROS 2 stores', () => {
    const rule = '='.repeat(80);
    const part = (type: string, body: string) =>
      `${rule}\nIDL: a/msg/${type}\nmodule a { module msg { struct ${type} { ${body} }; }; };\n`;
    const definition = parseIdlDefinition(
      'a/msg/Outer',
      part('Outer', 'builtin_interfaces::msg::Time stamp; a::msg::Inner inner;') + part('Inner', 'double x;'),
    );
    const columns = cdrDecoder(definition).columns.map(({ name, type }) => [name, type]);
    assert.deepEqual(columns, [
      ['stamp', 'timestamp'],
      ['inner.x', 'float64'],
    ]);
  });

  for (const [what, idl, message] of [
    ['is cut off', 'struct A { long x;', /ends too early/],
    ['contains itself', 'struct A { sequence<A> x; };', /contains itself/],
    ['aliases itself', 'typedef T T; struct A { T x; };', /contains itself/],
    ['uses a type that is not there', 'struct A { B x; };', /B is not defined/],
    ['is a union', 'union A switch (long) { case 1: long x; };', /union/],
    ['is mutable', '@mutable struct A { long x; };', /mutable/],
  ] as const) {
    it(`is refused when it ${what}`, () => {
      assert.throws(() => parseIdlDefinition('A', idl), message);
    });
  }
});
