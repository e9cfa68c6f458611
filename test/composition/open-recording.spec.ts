import assert from 'node:assert/strict';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { openRecording } from '#composition/open-recording.ts';
import { byteSourceOf } from '#formats/byte-source.ts';
import { bagOf, FLOAT_TOPIC, float, START_NS } from '#test/support/rosbag2-files.ts';

describe('a recording that is read', () => {
  it('lets the event loop turn between two batches, although all its bytes are in memory', async () => {
    const messages = Array.from({ length: 20_000 }, (_, i) => ({
      topicId: 7,
      timeNs: START_NS + BigInt(i),
      data: float(i),
    }));
    const bytes = bagOf({ topics: [FLOAT_TOPIC], messages });
    const name = 'in-memory.db3';
    const reader = await openRecording(byteSourceOf(bytes), { name, decompressors: createDecompressors() });
    let turnCount = 0;
    const turnsBefore: number[] = [];
    const countTurns = () => {
      turnCount += 1;
      counting = setImmediate(countTurns);
    };
    let counting = setImmediate(countTurns);
    for await (const _ of reader.read()) turnsBefore.push(turnCount);
    clearImmediate(counting);
    await reader.close();
    assert.ok(turnsBefore.length > 1, 'there are several batches');
    assert.equal(new Set(turnsBefore).size, turnsBefore.length, `turns before each batch: ${turnsBefore}`);
  });
});
