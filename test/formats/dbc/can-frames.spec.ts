import assert from 'node:assert/strict';
import { canFramesOf } from '#formats/dbc/can-frames.ts';
import type { ColumnBatch, TableBatch } from '#formats/recording-reader.ts';

function batchOf(
  columns: Readonly<Record<string, ColumnBatch['values']>>,
  rowCount: number,
  schemaName = 'CAN_DataFrame',
): TableBatch {
  const columnSchemas = Object.entries(columns).map(([name]) => ({ name, type: 'uint8' as const }));
  return {
    table: { name: 'CAN', group: 'CAN', schemaName, encoding: '', columns: columnSchemas },
    rowCount,
    timestampsNs: BigInt64Array.from({ length: rowCount }, (_, row) => BigInt(row)),
    columns: Object.values(columns).map((values) => ({ values })),
    columnSchemas,
  };
}

const THREE_PAYLOADS = {
  kind: 'variable' as const,
  offsets: Uint32Array.of(0, 8, 10, 18),
  bytes: Uint8Array.from({ length: 18 }, (_, index) => index),
};

describe('frames of a recorded table', () => {
  it('of MDF bus logging keep only the bytes that were sent', () => {
    const frames = canFramesOf(
      batchOf(
        {
          'CAN_DataFrame.BusChannel': Uint8Array.of(1, 2, 1),
          'CAN_DataFrame.ID': Uint32Array.of(5, 5, 0x80000007),
          'CAN_DataFrame.IDE': Uint8Array.of(0, 1, 0),
          'CAN_DataFrame.DataLength': Uint8Array.of(3, 8, 8),
          'CAN_DataFrame.DataBytes': THREE_PAYLOADS,
        },
        3,
      ),
    );
    assert.ok(frames);
    assert.deepEqual([...frames.ids], [5, 5, 7]);
    assert.deepEqual([...frames.extended], [0, 1, 1]);
    assert.deepEqual([...frames.bus], [1, 2, 1]);
    assert.deepEqual([...frames.payloadOffsets], [0, 3, 5, 13]);
    assert.deepEqual([...frames.payload.subarray(0, 5)], [0, 1, 2, 8, 9]);
  });

  it('of a can_msgs topic leave out remote and error frames', () => {
    const frames = canFramesOf(
      batchOf(
        {
          id: Uint32Array.of(1, 2, 3),
          is_rtr: Uint8Array.of(0, 1, 0),
          is_extended: Uint8Array.of(0, 0, 1),
          dlc: Uint8Array.of(8, 0, 2),
          data: { kind: 'list', offsets: Uint32Array.of(0, 8, 16, 24), items: new Uint8Array(24).fill(9) },
        },
        3,
      ),
    );
    assert.deepEqual([frames?.count, [...(frames?.ids.subarray(0, 2) ?? [])]], [2, [1, 3]]);
    assert.deepEqual([...(frames?.timestampsNs.subarray(0, 2) ?? [])], [0n, 2n]);
    assert.deepEqual([...(frames?.payloadOffsets.subarray(0, 3) ?? [])], [0, 8, 10]);
  });

  it('of a CAN packet topic are as long as it says', () => {
    const frames = canFramesOf(
      batchOf(
        { id: Uint32Array.of(0x123, 0x800, 3), len: Uint8Array.of(1, 2, 0), dat: THREE_PAYLOADS },
        3,
        '',
      ),
    );
    assert.deepEqual([...(frames?.extended ?? [])], [0, 1, 0]);
    assert.deepEqual([...(frames?.payloadOffsets ?? [])], [0, 1, 3, 3]);
  });

  it('of LIN, and messages that happen to have an id and bytes, are no CAN frames', () => {
    const lin = { 'LIN_Frame.ID': Uint8Array.of(1, 2, 3), 'LIN_Frame.DataBytes': THREE_PAYLOADS };
    assert.equal(canFramesOf(batchOf(lin, 3, 'LIN_Frame')), undefined);
    const image = { id: Uint32Array.of(1, 2, 3), data: THREE_PAYLOADS };
    assert.equal(canFramesOf(batchOf(image, 3, 'custom/Blob')), undefined);
  });

  it('are undefined where the table holds no frames', () => {
    assert.equal(canFramesOf(batchOf({ speed: Float64Array.of(1) }, 1)), undefined);
  });
});
