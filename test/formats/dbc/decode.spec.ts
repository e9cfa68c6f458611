import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { CanFrames } from '#formats/dbc/can-frames.ts';
import { compileDbc } from '#formats/dbc/decode.ts';
import { parseDbc } from '#formats/dbc/parse.ts';
import type { TableBatch } from '#formats/recording-reader.ts';

interface Frame {
  readonly id: number;
  readonly payload: readonly number[];
  readonly extended?: boolean;
  readonly bus?: number;
}

function canFrames(frames: readonly Frame[]): CanFrames {
  const payloadOffsets = new Uint32Array(frames.length + 1);
  frames.forEach((frame, index) => {
    payloadOffsets[index + 1] = payloadOffsets[index]! + frame.payload.length;
  });
  return {
    count: frames.length,
    timestampsNs: BigInt64Array.from(frames, (_, index) => 1_000n * BigInt(index)),
    ids: Uint32Array.from(frames, (frame) => frame.id),
    extended: Uint8Array.from(frames, (frame) => (frame.extended ? 1 : 0)),
    bus: Uint8Array.from(frames, (frame) => frame.bus ?? 0),
    payloadOffsets,
    payload: Uint8Array.from(frames.flatMap((frame) => frame.payload)),
  };
}

function decode(dbc: string, frames: readonly Frame[], bus?: number) {
  const database = parseDbc(dbc);
  assert.deepEqual(database.problems, []);
  const decoder = compileDbc(database, { name: 'test.dbc', ...(bus === undefined ? {} : { bus }) });
  return decoder.decode(canFrames(frames));
}

/** Values of one signal, null where not valid. */
function valuesOf(batch: TableBatch | undefined, name: string): (number | bigint | null)[] {
  const index = batch?.columnSchemas.findIndex((schema) => schema.name === name) ?? -1;
  const column = batch?.columns[index];
  assert.ok(column !== undefined && !('kind' in column.values), `column ${name} is missing`);
  const { values, validity } = column;
  return Array.from<number | bigint, number | bigint | null>(
    values as ArrayLike<number | bigint>,
    (value, row) => (validity?.[row] === 0 ? null : value),
  );
}

function oneSignal(signal: string, payload: readonly number[], more = ''): (number | bigint | null)[] {
  const dbc = `BO_ 1 A: ${payload.length} X\n SG_ S : ${signal} [0|0] "" X\n${more}`;
  return valuesOf(decode(dbc, [{ id: 1, payload }]).batches[0], 'S');
}

/** Bit by bit, as the drawing of the frame is read: slow, and shares nothing with the decoder. */
function rawBitByBit(
  payload: readonly number[],
  startBit: number,
  bitCount: number,
  motorola: boolean,
): bigint {
  let raw = 0n;
  let bit = startBit;
  for (let index = 0; index < bitCount; index++) {
    const value = BigInt((payload[bit >> 3]! >> (bit & 7)) & 1);
    if (motorola) {
      raw = (raw << 1n) | value;
      bit = (bit & 7) === 0 ? bit + 15 : bit - 1;
    } else {
      raw |= value << BigInt(index);
      bit += 1;
    }
  }
  return raw;
}

describe('decoding CAN frames with a DBC', () => {
  it('agrees bit by bit for any place, width, byte order and sign', () => {
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const signal = fc.record({
      startBit: fc.nat(63),
      bitCount: fc.integer({ min: 1, max: 64 }),
      motorola: fc.boolean(),
      signed: fc.boolean(),
    });
    fc.assert(
      fc.property(bytes, signal, (data, { startBit, bitCount, motorola, signed }) => {
        const payload = [...data];
        const raw = rawBitByBit(payload, startBit, bitCount, motorola);
        const expected = signed ? BigInt.asIntN(bitCount, raw) : raw;
        const layout = `${startBit}|${bitCount}@${motorola ? 0 : 1}${signed ? '-' : '+'}`;
        assert.deepEqual(
          oneSignal(`${layout} (1,0)`, payload).map((value) => BigInt(value ?? 0)),
          [expected],
        );
        assert.deepEqual(oneSignal(`${layout} (0.5,1)`, payload), [Number(expected) * 0.5 + 1]);
      }),
      { numRuns: 300 },
    );
  });

  it('reads the Motorola signal that is often read wrong', () => {
    assert.deepEqual(oneSignal('23|12@0- (1,0)', [0, 0, 0xf8, 0x00, 0, 0, 0, 0]), [-128]);
  });

  it('keeps every bit of a 64-bit integer', () => {
    const payload = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert.deepEqual(oneSignal('0|64@1- (1,0)', payload), [2n ** 63n - 1n]);
    assert.deepEqual(oneSignal('0|64@1+ (1,0)', payload.toSpliced(7, 1, 0xff)), [2n ** 64n - 1n]);
  });

  it('reads IEEE floats of both sizes and orders', () => {
    assert.deepEqual(oneSignal('0|32@1- (1,0)', [0, 0, 0x80, 0x3f], 'SIG_VALTYPE_ 1 S : 1;'), [1]);
    assert.deepEqual(oneSignal('7|32@0- (2,1)', [0x3f, 0x80, 0, 0], 'SIG_VALTYPE_ 1 S : 1;'), [3]);
    assert.deepEqual(
      oneSignal('0|64@1- (1,0)', [0, 0, 0, 0, 0, 0, 0xf8, 0x3f], 'SIG_VALTYPE_ 1 S : 2;'),
      [1.5],
    );
  });

  it('chooses the narrowest exact column', () => {
    const dbc = `
BO_ 1 A: 8 X
 SG_ Byte : 0|8@1+ (1,0) [0|0] "" X
 SG_ Temperature : 0|8@1+ (1,-40) [0|0] "" X
 SG_ Scaled : 0|16@1+ (10,0) [0|0] "" X
 SG_ Fraction : 0|8@1+ (0.5,0) [0|0] "" X
 SG_ Big : 0|40@1+ (1,0) [0|0] "" X
`;
    const decoder = compileDbc(parseDbc(dbc), { name: 'test.dbc', group: 'CAN1' });
    assert.equal(decoder.tables[0]?.name, 'CAN1.A');
    const types = decoder.tables[0]?.columns.map((column) => column.type);
    assert.deepEqual(types, ['uint8', 'int16', 'uint32', 'float64', 'uint64']);
  });

  it('gives null to signals that the multiplexor does not select, at every level', () => {
    const dbc = `
BO_ 1 A: 8 X
 SG_ Page M : 0|8@1+ (1,0) [0|0] "" X
 SG_ Inner m1M : 8|8@1+ (1,0) [0|0] "" X
 SG_ Deep m3 : 16|8@1+ (1,0) [0|0] "" X
 SG_ Zero m0 : 8|8@1+ (1,0) [0|0] "" X
SG_MUL_VAL_ 1 Deep Inner 3-5, 9-9;
`;
    const payloads = [
      [1, 3, 70],
      [1, 6, 71],
      [1, 9, 72],
      [0, 3, 73],
    ];
    const [batch] = decode(
      dbc,
      payloads.map((payload) => ({ id: 1, payload })),
    ).batches;
    assert.deepEqual(valuesOf(batch, 'Page'), [1, 1, 1, 0]);
    assert.deepEqual(valuesOf(batch, 'Inner'), [3, 6, 9, null]);
    assert.deepEqual(valuesOf(batch, 'Deep'), [70, null, 72, null]);
    assert.deepEqual(valuesOf(batch, 'Zero'), [null, null, null, 3]);
  });

  it('decodes what fits of a frame shorter than the database says', () => {
    const dbc = `
BO_ 1 A: 8 X
 SG_ First : 0|8@1+ (1,0) [0|0] "" X
 SG_ Second : 8|16@1+ (1,0) [0|0] "" X
 SG_ Backward : 15|16@0+ (1,0) [0|0] "" X
`;
    const frames = [
      { id: 1, payload: [7, 1, 2] },
      { id: 1, payload: [8, 9] },
      { id: 1, payload: [] },
    ];
    const [batch] = decode(dbc, frames).batches;
    assert.deepEqual(valuesOf(batch, 'First'), [7, 8, null]);
    assert.deepEqual(valuesOf(batch, 'Second'), [0x201, null, null]);
    assert.deepEqual(valuesOf(batch, 'Backward'), [0x102, null, null]);
  });

  it('keeps a 29-bit id apart from the 11-bit id of the same value, and one bus from another', () => {
    const dbc = `
BO_ 5 Standard: 1 X
 SG_ S : 0|8@1+ (1,0) [0|0] "" X
BO_ 2147483653 Extended: 1 X
 SG_ S : 0|8@1+ (1,0) [0|0] "" X
`;
    const frames = [
      { id: 5, payload: [1], bus: 1 },
      { id: 5, payload: [2], bus: 1, extended: true },
      { id: 5, payload: [3], bus: 2 },
      { id: 6, payload: [4], bus: 1 },
    ];
    const decoded = decode(dbc, frames, 1);
    assert.deepEqual([decoded.framesDecoded, decoded.framesUnknown], [2, 1]);
    assert.deepEqual(
      decoded.batches.map((batch) => [batch.table.name, valuesOf(batch, 'S'), [...batch.timestampsNs]]),
      [
        ['Standard', [1], [0n]],
        ['Extended', [2], [1000n]],
      ],
    );
  });

  it('keeps messages of the same name apart', () => {
    const signal = ' SG_ S : 0|8@1+ (1,0) [0|0] "" X\n';
    const dbc = `BO_ 3 Pos: 8 X\n${signal}BO_ 23 Pos: 8 X\n${signal}BO_ 2147483651 Pos: 8 X\n${signal}`;
    const { tables } = compileDbc(parseDbc(dbc), { name: 'test.dbc' });
    assert.deepEqual(
      tables.map((table) => table.name),
      ['Pos', 'Pos (0x17)', 'Pos (0x3 29 bit)'],
    );
  });

  it('matches J1939 groups whatever priority, source and, below PDU format 240, destination', () => {
    const j1939 = 'BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";\n';
    const dbc = `
BO_ ${0x80000000 + 0x0cf004fe} EEC1: 8 X
 SG_ Speed : 0|8@1+ (1,0) [0|0] "" X
BO_ ${0x80000000 + 0x18ea00fe} Request: 3 X
 SG_ Group : 0|8@1+ (1,0) [0|0] "" X
${j1939}BA_ "VFrameFormat" BO_ ${0x80000000 + 0x0cf004fe} 3;
BA_ "VFrameFormat" BO_ ${0x80000000 + 0x18ea00fe} 3;
`;
    const ids = [0x18f00421, 0x0cf00400, 0x0df00400, 0x18ea2105, 0x18eaff06, 0x0cf005fe];
    const decoded = decode(
      dbc,
      ids.map((id, index) => ({ id, extended: true, payload: [index] })),
    );
    const [engine, request] = decoded.batches;
    assert.deepEqual(valuesOf(engine, 'Speed'), [0, 1]);
    assert.deepEqual(valuesOf(engine, 'j1939.sourceAddress'), [0x21, 0x00]);
    assert.deepEqual(valuesOf(request, 'Group'), [3, 4]);
    // The data page belongs to the group: 0x0df004xx is another message than 0x0cf004xx.
    assert.equal(decoded.framesUnknown, 2);
  });

  it('decodes 64 bytes of CAN FD', () => {
    const payload = Array.from({ length: 64 }, (_, index) => index);
    const dbc =
      'BO_ 1 A: 64 X\n SG_ Last : 504|8@1+ (1,0) [0|0] "" X\n SG_ Tail : 487|24@0+ (1,0) [0|0] "" X\n';
    const [batch] = decode(dbc, [{ id: 1, payload }]).batches;
    assert.deepEqual(valuesOf(batch, 'Last'), [63]);
    assert.deepEqual(valuesOf(batch, 'Tail'), [(60 << 16) | (61 << 8) | 62]);
  });
});
