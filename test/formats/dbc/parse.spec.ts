import assert from 'node:assert/strict';
import type { DbcDatabase } from '#formats/dbc/database.ts';
import { parseDbc } from '#formats/dbc/parse.ts';

const MUXED = `
BO_ 291 Engine_Data: 8 ECU
 SG_ Page M : 0|8@1+ (1,0) [0|255] "" Vector__XXX
 SG_ Speed m0 : 8|16@1+ (0.125,0) [0|8031.875] "rpm"  Dash,Gateway
 SG_ Inner m1M : 8|8@1+ (1,0) [0|0] "" Vector__XXX
 SG_ Deep m3 : 16|8@1- (1,-40) [-40|215] "degC" Vector__XXX
SG_MUL_VAL_ 291 Deep Inner 3-5, 9-9;
`;

function signalNamed(database: DbcDatabase, name: string) {
  const found = database.messages
    .flatMap((message) => message.signals)
    .find((signal) => signal.name === name);
  assert.ok(found, `signal ${name} is missing: ${JSON.stringify(database.problems)}`);
  return found;
}

describe('a DBC file', () => {
  it('gives messages and signals with every field of their lines', () => {
    const database = parseDbc(MUXED);
    assert.deepEqual(database.problems, []);
    const [message] = database.messages;
    assert.equal(message?.name, 'Engine_Data');
    assert.deepEqual(
      [message.id, message.extended, message.sizeBytes, message.sender],
      [291, false, 8, 'ECU'],
    );
    assert.deepEqual(signalNamed(database, 'Speed'), {
      name: 'Speed',
      startBit: 8,
      bitCount: 16,
      byteOrder: 'intel',
      kind: 'unsigned',
      factor: 0.125,
      offset: 0,
      minimum: 0,
      maximum: 8031.875,
      unit: 'rpm',
      receivers: ['Dash', 'Gateway'],
      attributes: {},
      multiplex: { multiplexor: 'Page', ranges: [{ first: 0, last: 0 }] },
    });
  });

  it('multiplexed in levels names the selector of each signal', () => {
    const database = parseDbc(MUXED);
    assert.deepEqual(signalNamed(database, 'Inner').multiplex?.multiplexor, 'Page');
    assert.deepEqual(signalNamed(database, 'Deep').multiplex, {
      multiplexor: 'Inner',
      ranges: [
        { first: 3, last: 5 },
        { first: 9, last: 9 },
      ],
    });
  });

  it('with a signal that nothing selects reports it instead of decoding it always', () => {
    const database = parseDbc('BO_ 1 A: 8 X\n SG_ Lost m2 : 0|8@1+ (1,0) [0|0] "" X\n');
    assert.deepEqual(database.messages[0]?.signals, []);
    assert.match(database.problems[0]?.what ?? '', /Lost of A has no multiplexor/);
  });

  it('with an impossible id loses that message whole, and the one before it gains nothing', () => {
    const database = parseDbc(`
BO_ 100 Before: 8 X
 SG_ Own : 0|8@1+ (1,0) [0|0] "" X
BO_ 1075054137 Impossible: 8 X
 SG_ Stray : 8|8@1+ (1,0) [0|0] "" X
BO_ 101 After: 8 X
 SG_ Last : 0|8@1+ (1,0) [0|0] "" X
`);
    const found = database.messages.map((message) => [
      message.name,
      message.signals.map((signal) => signal.name),
    ]);
    assert.deepEqual(found, [
      ['Before', ['Own']],
      ['After', ['Last']],
    ]);
    assert.equal(database.problems.length, 1);
    assert.equal(database.problems[0]?.line, 4);
    assert.match(database.problems[0]?.what ?? '', /Impossible has id 1075054137/);
  });

  it('with a damaged message line loses that message whole too', () => {
    const database = parseDbc('BO_ 1 A: 8 X\nBO_ 0y2 B: 8 X\n SG_ Stray : 0|8@1+ (1,0) [0|0] "" X\n');
    assert.deepEqual(
      [database.messages.map((message) => message.signals), database.problems.length],
      [[[]], 1],
    );
  });

  it('with odd spacing reads like any other', () => {
    const database = parseDbc(
      '\uFEFFVERSION"x"\r\nBO_  2147484672   Wide Name:64  X\r\n' +
        '\tSG_ Odd Name:7|12@0-(1e-2,-.5)[-1|1]"m/s^2"A , B\r\nSG_ Next : 20 | 4 @ 1 + ( 2 , 1 ) [ 0 | 0 ] "" A\r\n',
    );
    assert.deepEqual(database.problems, []);
    const [message] = database.messages;
    assert.deepEqual([message?.name, message?.id, message?.extended], ['Wide Name', 1024, true]);
    const odd = signalNamed(database, 'Odd Name');
    assert.deepEqual([odd.byteOrder, odd.kind, odd.factor, odd.offset], ['motorola', 'signed', 0.01, -0.5]);
    assert.deepEqual(odd.receivers, ['A', 'B']);
    assert.equal(signalNamed(database, 'Next').bitCount, 4);
  });

  it('gives labels, from the signal or from a value table, and float kinds', () => {
    const database = parseDbc(`
VAL_TABLE_ OnOff 1 "On" 0 "Off" ;
BO_ 1 A: 8 X
 SG_ Gear : 0|3@1- (1,0) [0|0] "" X
 SG_ Light : 3|1@1+ (1,0) [0|0] "" X
 SG_ Single : 32|32@1- (1,0) [0|0] "" X
VAL_ 1 Gear -1 "Reverse; \\"R\\"" 1 "First" ;
VAL_ 1 Light OnOff ;
VAL_ EnvironmentVariable 0 "no signal" ;
SIG_VALTYPE_ 1 Single : 1;
`);
    assert.deepEqual(database.problems, []);
    assert.deepEqual(signalNamed(database, 'Gear').choices, { '-1': 'Reverse; "R"', '1': 'First' });
    assert.deepEqual(signalNamed(database, 'Light').choices, { '0': 'Off', '1': 'On' });
    assert.equal(signalNamed(database, 'Single').kind, 'float');
  });

  it('gives comments and attributes, enumerations as their text', () => {
    const database = parseDbc(`
BO_ 2364540158 EEC1: 8 X
 SG_ EngineSpeed : 24|16@1+ (0.125,0) [0|0] "rpm" X
BO_ 5 Plain: 8 X
 SG_ S : 0|8@1+ (1,0) [0|0] "" X
CM_ "The network";
CM_ BO_ 2364540158 "Line one
BO_ 7 is only text here";
CM_ SG_ 2364540158 EngineSpeed "Speed";
BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";
BA_DEF_ BO_ "GenMsgCycleTime" INT 0 65535;
BA_DEF_ SG_ "SPN" INT 0 524287;
BA_DEF_DEF_ "VFrameFormat" "StandardCAN";
BA_ "VFrameFormat" BO_ 2364540158 3;
BA_ "GenMsgCycleTime" BO_ 2364540158 20;
BA_ "SPN" SG_ 2364540158 EngineSpeed 190;
`);
    assert.deepEqual(database.problems, []);
    const [engine, plain] = database.messages;
    assert.deepEqual([engine?.j1939, engine?.cycleTimeMs], [true, 20]);
    assert.equal(engine?.comment, 'Line one\nBO_ 7 is only text here');
    assert.equal(engine?.signals[0]?.comment, 'Speed');
    assert.equal(engine?.signals[0]?.attributes['SPN'], 190);
    assert.deepEqual([plain?.j1939, plain?.attributes['VFrameFormat']], [false, 'StandardCAN']);
    assert.equal(database.comment, 'The network');
  });

  it('in Latin-1 keeps its degree signs', () => {
    const bytes = Buffer.from('BO_ 1 A: 8 X\n SG_ T : 0|8@1+ (1,0) [0|0] "°C" X\n', 'latin1');
    assert.equal(signalNamed(parseDbc(bytes), 'T').unit, '°C');
    assert.equal(signalNamed(parseDbc(Buffer.from(bytes.toString('latin1'), 'utf8')), 'T').unit, '°C');
  });

  it('with damaged lines reports each and reads the rest', () => {
    const database = parseDbc(`
BO_ 1 A: 8 X
 SG_ Bad : 0|x@1+ (1,0) [0|0] "" X
 SG_ TooWide : 0|65@1+ (1,0) [0|0] "" X
 SG_ Good : 0|8@1+ (1,0) [0|0] "" X
 SG_ Good : 8|8@1+ (1,0) [0|0] "" X
VAL_ 1 Good 0 "zero"
VAL_ 1 Gone 0 "zero" ;
WHAT_IS_THIS 4;
BO_ 1 Again: 8 X
 SG_ Stray : 0|8@1+ (1,0) [0|0] "" X
`);
    assert.deepEqual(
      database.problems.map((problem) => problem.line),
      [3, 4, 6, 8, 9, 10],
    );
    assert.deepEqual(
      database.messages.map((message) => message.signals.map((signal) => signal.name)),
      [['Good']],
    );
    assert.deepEqual(signalNamed(database, 'Good').choices, { '0': 'zero' });
  });

  it('cut anywhere is read without a failure', () => {
    const whole = `${MUXED}CM_ SG_ 291 Deep "text";\nVAL_ 291 Deep 0 "zero" ;\nBA_DEF_ BO_ "X" ENUM "a","b";\n`;
    for (let length = 0; length <= whole.length; length++) {
      assert.ok(parseDbc(whole.slice(0, length)).messages.length <= 1);
    }
  });
});
