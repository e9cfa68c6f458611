import assert from 'node:assert/strict';
import { CanDecoding, CanTopics } from '#adapters/extraction/can-topics.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { ExtractionBench } from '#test/support/extraction-place.ts';

/** Message `name` with id 256 and one signal VALUE in the first byte. */
const dbcOf = (name: string) =>
  new TextEncoder().encode(
    `VERSION ""\nBU_:\nBO_ 256 ${name}: 8 X\n SG_ VALUE : 0|8@1+ (1,0) [0|255] "V" X\n`,
  );

interface Frame {
  readonly id: number;
  readonly bus: number;
  readonly value: number;
}

function framesBatch(topic: string, frames: readonly Frame[]): TableBatch {
  const columns = [
    { name: 'CAN_DataFrame.BusChannel', type: 'uint8' as const },
    { name: 'CAN_DataFrame.ID', type: 'uint32' as const },
    { name: 'CAN_DataFrame.IDE', type: 'uint8' as const },
    { name: 'CAN_DataFrame.DataBytes', type: 'bytes' as const },
  ];
  const offsets = Uint32Array.from({ length: frames.length + 1 }, (_, index) => index);
  const bytes = Uint8Array.from(frames, (frame) => frame.value);
  return {
    table: { name: topic, group: topic, schemaName: 'CAN_DataFrame', encoding: '', columns },
    rowCount: frames.length,
    timestampsNs: BigInt64Array.from(frames, (_, index) => BigInt(index) * 1_000_000n),
    columns: [
      { values: Uint8Array.from(frames, (frame) => frame.bus) },
      { values: Uint32Array.from(frames, (frame) => frame.id) },
      { values: new Uint8Array(frames.length) },
      { values: { kind: 'variable', offsets, bytes } },
    ],
    columnSchemas: columns,
  };
}

const TWO_BUSES: readonly Frame[] = [
  { id: 256, bus: 1, value: 10 },
  { id: 256, bus: 2, value: 20 },
  { id: 999, bus: 1, value: 0 },
];

describe('CAN topics', () => {
  const bench = new ExtractionBench();
  after(() => bench.dispose());

  async function extract(
    databases: Readonly<Record<string, string>>,
    batches: readonly TableBatch[],
    rules: Parameters<ExtractionBench['place']>[0] = {},
  ) {
    const known = Object.entries(databases).map(([bus, name]) => ({
      bus,
      name: `${name}.dbc`,
      bytes: dbcOf(name),
    }));
    const decoding = new CanDecoding(
      known,
      batches.map((batch) => batch.table.name),
    );
    const extraction = new CanTopics(bench.place(rules), decoding);
    for (const batch of batches) await extraction.take(batch);
    const files = await extraction.finish();
    const values: Record<string, readonly number[]> = {};
    for (const file of files)
      if (file.table?.role === 'can-decoded') values[file.table.name] = await bench.numbers(file, 'VALUE');
    const raw = files.filter((file) => file.table?.role === 'can-raw').map((file) => file.table?.rowCount);
    return { values, raw, extraction };
  }

  it('are decoded with the database of their own bus: one id means different things', async () => {
    const { values, raw, extraction } = await extract({ '1': 'ENGINE', CAN2: 'RADAR' }, [
      framesBatch('bus', TWO_BUSES),
    ]);
    assert.deepEqual(values, { 'CAN1.ENGINE': [10], 'CAN2.RADAR': [20] });
    assert.deepEqual(raw, [3]);
    assert.equal(extraction.framesDecoded, 2);
    assert.equal(extraction.framesUnknown, 1);
  });

  it('are never decoded with the database of another bus, even if it is the only one', async () => {
    const { values } = await extract({ '1': 'ENGINE' }, [framesBatch('bus', TWO_BUSES)]);
    assert.deepEqual(values, { 'CAN1.ENGINE': [10] });
  });

  it('that do not say their bus are decoded with the only database there is', async () => {
    const silent = TWO_BUSES.map((frame) => ({ ...frame, bus: 0 }));
    const { values } = await extract({ '1': 'ENGINE' }, [framesBatch('/can', silent)]);
    assert.deepEqual(values, { 'CAN1.ENGINE': [10, 20] });
  });

  it('of several topics are told apart by the topic’s name', async () => {
    const silent = (value: number) => [{ id: 256, bus: 0, value }];
    const { values } = await extract({ powertrain: 'ENGINE' }, [
      framesBatch('/can/powertrain', silent(1)),
      framesBatch('/can/radar', silent(2)),
    ]);
    assert.deepEqual(values, { 'powertrain.ENGINE': [1] });
  });

  it('with a database for every bus keep the buses apart', async () => {
    const { values } = await extract({ '*': 'ENGINE' }, [framesBatch('bus', TWO_BUSES)]);
    assert.deepEqual(values, { 'CAN1.ENGINE': [10], 'CAN2.ENGINE': [20] });
  });

  it('without any database are kept as they are', async () => {
    const { values, raw } = await extract({}, [framesBatch('bus', TWO_BUSES)]);
    assert.deepEqual([values, raw], [{}, [3]]);
  });

  it('are thinned per decoded message, not per bus: rare messages would be lost', async () => {
    const busy = Array.from({ length: 100 }, (_, index) => ({
      id: index === 50 ? 256 : 999,
      bus: 1,
      value: index,
    }));
    const { values, raw } = await extract({ '1': 'ENGINE' }, [framesBatch('bus', busy)], {
      '*': { everyNth: 10 },
    });
    assert.deepEqual(values, { 'CAN1.ENGINE': [50] });
    assert.deepEqual(raw, [100]);
    const named = await extract({ '1': 'ENGINE' }, [framesBatch('bus', busy)], { bus: { everyNth: 10 } });
    assert.deepEqual(named.raw, [10]);
  });

  it('name the lines of a database that cannot be used', () => {
    const bytes = new TextEncoder().encode('BO_ 256 BROKEN: 8 X\n SG_ A : nonsense\n');
    const decoding = new CanDecoding([{ bus: '1', name: 'broken.dbc', bytes }], []);
    assert.match(decoding.problems.join(), /^broken\.dbc, line \d+: /);
  });
});
