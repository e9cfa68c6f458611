// Small whole recordings of signals, and a database of CAN signals, to be damaged.
import { deflateSync, zstdCompressSync } from 'node:zlib';
import { compressLz4Frame } from '#adapters/compression/compressors.ts';
import { memorySink } from '#formats/byte-source.ts';
import type { CanFrames } from '#formats/dbc/can-frames.ts';
import { canFrameGroup } from '#formats/mdf4/bus-frames.ts';
import { writeMdf4, writeUnfinalizedMdf4 } from '#formats/mdf4/writer.ts';
import type { WrittenRecording } from '#formats/mdf4/written-recording.ts';
import { TdmsWriter } from '#formats/tdms/writer.ts';
import {
  all,
  channel,
  columnsApart,
  conversion,
  f64,
  i32,
  mdfBytes,
  oneGroup,
  type TestBlock,
  texts,
  u8,
  u16,
  u32,
  u64,
} from '#test/formats/mdf4/blocks-in-test.ts';

const START_NS = 1_700_000_000_000_000_000n;
const ROWS = 12;

export async function tdms(isInterleaved: boolean, isBigEndian: boolean): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = new TdmsWriter(sink, { isBigEndian });
  const scale = {
    'NI_Scale[0]_Scale_Type': 'Linear',
    'NI_Scale[0]_Linear_Slope': 0.5,
    'NI_Scale[0]_Linear_Y_Intercept': 0,
  };
  const time = { wf_start_time: { utcNs: START_NS }, wf_increment: 0.01 };
  for (const properties of [{ ...scale, ...time }, undefined, { unit_string: 'm' }]) {
    const texts = { group: 'events', name: 'text', values: { texts: ['hello', ''] } };
    await writer.addSegment({
      rootProperties: { author: 'A' },
      channels: [
        {
          group: 'imu',
          name: 'x',
          ...(properties === undefined ? {} : { properties }),
          values: Int16Array.of(1, 2),
        },
        { group: 'imu', name: 'y', values: Float64Array.of(0.5, 1.5) },
        { group: 'events', name: 'when', values: { utcNs: BigInt64Array.of(START_NS, START_NS + 1n) } },
        ...(isInterleaved ? [] : [texts]),
      ],
      isInterleaved,
    });
  }
  return sink.bytes();
}

/** Frames with payloads of 8, 3, 0 and 64 bytes; ids of 11 and 29 bits, those of `DBC_TEXT`. */
export function canFrames(): CanFrames {
  const lengths = Array.from({ length: ROWS }, (_, row) => [8, 3, 0, 64][row % 4]!);
  const payloadOffsets = new Uint32Array(ROWS + 1);
  lengths.forEach((length, row) => {
    payloadOffsets[row + 1] = payloadOffsets[row]! + length;
  });
  return {
    count: ROWS,
    timestampsNs: BigInt64Array.from({ length: ROWS }, (_, row) => START_NS + BigInt(row) * 1_000_000n),
    ids: Uint32Array.from({ length: ROWS }, (_, row) => (row % 3 === 0 ? 0x18f00400 : 0x123)),
    extended: Uint8Array.from({ length: ROWS }, (_, row) => (row % 3 === 0 ? 1 : 0)),
    bus: new Uint8Array(ROWS).fill(1),
    payloadOffsets,
    payload: Uint8Array.from({ length: payloadOffsets[ROWS]! }, (_, at) => (at * 7) & 0xff),
  };
}

export function mdf4(): readonly Uint8Array[] {
  const timestampsNs = BigInt64Array.from({ length: ROWS }, (_, row) => START_NS + BigInt(row) * 10_000_000n);
  const recording: WrittenRecording = {
    startTimeNs: START_NS,
    properties: { VIN: 'X' },
    groups: [
      canFrameGroup('CAN1', canFrames()),
      {
        name: 'Speed',
        timestampsNs,
        channels: [
          {
            name: 'Speed',
            values: Uint16Array.from(timestampsNs.keys()),
            linear: { factor: 0.5, offset: 1 },
          },
          { name: 'Gear', values: new Int8Array(ROWS), choices: { 0: 'N', 1: 'D' } },
        ],
      },
    ],
    attachments: [{ name: 'notes.txt', mediaType: 'text/plain', bytes: Buffer.from('hello') }],
  };
  const deflate = (bytes: Uint8Array) => deflateSync(bytes);
  return [
    Buffer.concat([...writeMdf4(recording)]),
    Buffer.concat([...writeMdf4(recording, { deflate })]),
    Buffer.concat([...writeUnfinalizedMdf4(recording)]),
    mdf4InCompressedBlocks(),
    mdf4ByColumns(),
    mdf4WithManyConversions(),
    mdf4WithArrays(),
  ];
}

/** Arrays of changing size, and one whose elements lie behind data links of their own, behind guard blocks. */
function mdf4WithArrays(): Uint8Array {
  const array = (
    storage: number,
    flags: number,
    links: readonly string[],
    counts: readonly number[],
  ): TestBlock => ({
    id: 'CA',
    links: ['', ...links],
    data: all(u8(0, storage), u16(1), u32(flags), u32(1), u32(0), u64(3), ...counts.map(u64)),
  });
  const row = (index: number) => all(f64(index), u8(index % 4, 1, 2, 3, index));
  const rows = (count: number) => all(...Array.from({ length: count }, (_, index) => row(index)));
  return mdfBytes(
    oneGroup(
      'guard',
      5,
      [],
      {
        guard: { id: 'GD', links: ['n'], data: u8(0, 0, 0, 0, 0, 0, 0, 0) },
        ...channel({ label: 'n', next: 'a', byteOffset: 8 }),
        ...channel({ label: 'a', next: 'b', composition: 'dynamic', byteOffset: 9 }),
        ...channel({ label: 'b', composition: 'template', byteOffset: 12 }),
        dynamic: array(0, 1, ['dg', 'group', 'n'], []),
        template: array(2, 0, ['data', 'second', ''], [20, 10, 0]),
        second: { id: 'DT', data: rows(10) },
      },
      { cycles: 20, data: { data: { id: 'DT', data: rows(20) } } },
    ),
    { version: 430 },
  );
}

/** A list with a block of each compression: deflate, zstd and lz4 (ASAM MDF 4.3), none. */
function mdf4InCompressedBlocks(): Uint8Array {
  const records = all(...Array.from({ length: ROWS }, (_, row) => all(f64(row), u16(row))));
  const quarter = records.length / 4;
  const part = (index: number) => records.subarray(index * quarter, (index + 1) * quarter);
  const packed = (zipType: number, plain: Uint8Array, bytes: Uint8Array): TestBlock => ({
    id: 'DZ',
    data: all(Buffer.from('DT'), u8(zipType, 0), u32(0), u64(plain.length), u64(bytes.length), bytes),
  });
  return mdfBytes(
    oneGroup('x', 2, [], channel({ label: 'x', byteOffset: 8, bitCount: 16 }), {
      cycles: ROWS,
      data: {
        data: { id: 'HL', links: ['list'], data: u8(0, 0, 0, 0, 0, 0, 0, 0) },
        list: {
          id: 'DL',
          links: ['', 'a', 'b', 'c', 'd'],
          data: all(u8(0, 0, 0, 0), u32(4), ...[0, 1, 2, 3].map((index) => u64(index * quarter))),
        },
        a: packed(0, part(0), deflateSync(part(0))),
        b: packed(2, part(1), zstdCompressSync(part(1))),
        c: packed(4, part(2), compressLz4Frame(part(2))),
        d: { id: 'DT', data: part(3) },
      },
    }),
    { version: 430 },
  );
}

/** Times, values and invalidation bytes each in blocks of their own (ASAM MDF 4.2). */
function mdf4ByColumns(): Uint8Array {
  const rows = Array.from({ length: ROWS }, (_, row) => row);
  const values = all(...rows.map(u16));
  const flags = Uint8Array.from(rows, (row) => row % 2);
  const times = all(...rows.map(f64));
  const file = columnsApart({ rows: ROWS, blockRows: ROWS, times, values: [values], flags: [flags] });
  return mdfBytes(file, { version: 420 });
}

/** Records with numbers, an array, a text of variable length, invalidation bits; and conversions of most kinds. */
function mdf4WithManyConversions(): Uint8Array {
  const converted = (label: string, next: string, byteOffset: number, conversionLabel: string) =>
    channel({ label, next, byteOffset, conversion: conversionLabel, flags: 2, invalidationBit: 1 });
  const blocks = {
    ...converted('a', 'b', 8, 'rational'),
    ...converted('b', 'c', 9, 'formula'),
    ...converted('c', 'd', 10, 'interpolated'),
    ...converted('d', 'e', 11, 'named'),
    ...converted('e', 'list', 12, 'ranged'),
    ...channel({ label: 'list', next: 'v', composition: 'ca', byteOffset: 8 }),
    ca: { id: 'CA', links: [''], data: all(u8(0, 0), u16(2), u32(0), i32(1), u32(0), u64(2), u64(2)) },
    ...channel({ label: 'v', type: 1, dataType: 7, byteOffset: 13, bitCount: 64, dataLink: 'sd' }),
    sd: { id: 'SD', data: all(u32(3), Buffer.from('one'), u32(5), Buffer.from('three')) },
    ...conversion('rational', 2, [1, 2, 3, 0, 1, 2]),
    ...conversion('formula', 3, [], ['X*2+1']),
    ...conversion('interpolated', 4, [0, 0, 10, 100]),
    ...conversion('named', 7, [0, 1], ['off', 'on', 'ranged']),
    ...conversion('ranged', 8, [0, 5, 6, 9], ['low', 'high', '']),
    ...texts('X*2+1', 'off', 'on', 'low', 'high'),
  };
  const rows = Array.from({ length: ROWS }, (_, row) =>
    all(u8(row, row, row, row % 2, row), u64(row % 2 === 0 ? 0 : 7), u8(row % 3)),
  );
  return mdfBytes(oneGroup('a', 13, rows, blocks, { invalidationBytes: 1 }));
}

/** Every statement that means something to the decoder; latin-1, as CANdb++ writes it. */
export function dbc(): Uint8Array {
  return Buffer.from(DBC_TEXT, 'latin1');
}

const DBC_TEXT = `VERSION ""
NS_ :
    CM_
BS_:
BU_: ECU
VAL_TABLE_ Switch 1 "on" 0 "off" ;
BO_ 291 Doors: 8 ECU
 SG_ Mode M : 0|4@1+ (1,0) [0|15] "" ECU
 SG_ Left m0 : 8|12@1- (0.5,-3) [0|0] "\u00b0" ECU
 SG_ Right m1M : 23|10@0+ (1,0) [0|0] "m/s" ECU
 SG_ Deep m2 : 40|16@1+ (1,0) [0|0] "" ECU
 SG_ Wide : 0|64@1- (1,0) [0|0] "" ECU
BO_ 2565866496 EngineSpeed: 8 ECU
 SG_ Speed : 24|32@1- (1,0) [0|8031] "rpm" ECU
BO_ 3 Flexible: 64 ECU
 SG_ Tail : 504|8@1+ (1,0) [0|0] "" ECU
CM_ SG_ 291 Left "the left \\"door\\"";
BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","J1939PG";
BA_DEF_ SG_ "Limit" FLOAT 0 1e3;
BA_DEF_DEF_ "VFrameFormat" "StandardCAN";
BA_ "VFrameFormat" BO_ 2565866496 1;
VAL_ 291 Mode 0 "closed" 1 "open" ;
SIG_VALTYPE_ 2565866496 Speed : 1;
SG_MUL_VAL_ 291 Deep Right 0-3, 5-5;
`;
