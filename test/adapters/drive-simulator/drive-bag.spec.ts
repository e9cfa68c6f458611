import assert from 'node:assert/strict';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { DEMO_DRIVE } from '#adapters/drive-simulator/drive.ts';
import { DEMO_DBC, writeDriveBag } from '#adapters/drive-simulator/drive-bag.ts';
import { byteSourceOf } from '#formats/byte-source.ts';
import { parseDbc } from '#formats/dbc/parse.ts';
import { openRosbag } from '#formats/rosbag/open-rosbag.ts';

describe('the bag of the demo drive', () => {
  it('holds every sensor for the whole drive, and is read back without loss', async () => {
    const parts: Uint8Array[] = [];
    let whole = new Uint8Array();
    const facts = await writeDriveBag(
      {
        append: async (bytes) => {
          parts.push(bytes.slice());
        },
        overwrite: async (offset, bytes) => {
          whole = new Uint8Array(Buffer.concat(parts));
          whole.set(bytes, offset);
        },
      },
      { drive: DEMO_DRIVE, startTimeNs: 1_750_000_000_000_000_000n, seed: 7 },
    );
    const reader = await openRosbag(byteSourceOf(whole), {
      name: 'demo.bag',
      decompressors: createDecompressors(),
    });
    const counts: Record<string, number> = {};
    for await (const batch of reader.read())
      counts[batch.table.name] = (counts[batch.table.name] ?? 0) + batch.rowCount;
    assert.deepEqual(counts, facts.messageCounts);
    assert.equal(counts['/imu/data'], 4200);
    assert.equal(counts['/can/powertrain'], 2099 + 839);
    assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
  });

  it('is described by its DBC', () => {
    const { messages, problems } = parseDbc(DEMO_DBC);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      messages.map((message) => [message.id, message.name, message.signals.length]),
      [
        [256, 'VEHICLE_DYNAMICS', 3],
        [257, 'STEERING', 1],
      ],
    );
  });
});
