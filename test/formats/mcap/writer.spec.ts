import assert from 'node:assert/strict';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { compressLz4Frame, compressZstd } from '#adapters/compression/compressors.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { byteSourceOf, memorySink } from '#formats/byte-source.ts';
import { crc32 } from '#formats/mcap/crc32.ts';
import { openMcap } from '#formats/mcap/open-mcap.ts';
import { McapWriter, type McapWriterOptions } from '#formats/mcap/writer.ts';
import { collectTable } from '../../support/table-columns.ts';
import { MAGIC } from './mcap-bytes.ts';

const SCHEMA = { name: 'acme/Speed', encoding: 'ros1msg', data: Buffer.from('float64 value\n') };
const f64 = (value: number) => new Uint8Array(new Float64Array([value]).buffer);

async function write(options: McapWriterOptions): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = await McapWriter.create(sink, { chunkSizeBytes: 500, ...options });
  const schemaId = writer.addSchema(SCHEMA);
  const channel = writer.addChannel({ schemaId, topic: '/speed', messageEncoding: 'ros1' });
  for (let i = 0; i < 100; i += 1) await writer.addMessage(channel, 1000n + BigInt(i), f64(i));
  await writer.addAttachment('cal.yaml', 'text/yaml', 5n, Buffer.from('a: 1'));
  await writer.addMetadata('vehicle', { vin: 'WVW' });
  await writer.close();
  return sink.bytes();
}

describe('an MCAP file written here', () => {
  for (const [name, compression] of Object.entries({
    'without compression': undefined,
    'with lz4': { name: 'lz4' as const, compress: compressLz4Frame },
    'with zstd': { name: 'zstd' as const, compress: compressZstd },
  })) {
    it(`reads back ${name}`, async () => {
      const bytes = await write({ profile: 'ros1', ...(compression === undefined ? {} : { compression }) });
      const reader = await openMcap(byteSourceOf(bytes), {
        name: 'x.mcap',
        decompressors: createDecompressors(),
      });
      assert.equal(reader.summary.tables[0]?.rowCount, 100);
      assert.equal(reader.summary.startTimeNs, 1000n);
      assert.equal(reader.summary.endTimeNs, 1099n);
      assert.equal(reader.summary.properties['vehicle.vin'], 'WVW');
      assert.equal(reader.summary.attachments[0]?.name, 'cal.yaml');
      const { timestampsNs, columns } = await collectTable(reader, '/speed');
      assert.equal(timestampsNs[99], 1099n);
      assert.deepEqual(
        columns.get('value'),
        Array.from({ length: 100 }, (_, i) => i),
      );
      assert.deepEqual(reader.loss(), { records: 0, bytes: 0, reasons: [] });
    });
  }

  it('ends with a footer whose checksum covers summary and footer', async () => {
    const bytes = Buffer.from(await write({}));
    assert.deepEqual(bytes.subarray(-8), MAGIC);
    const summaryStart = Number(bytes.readBigUInt64LE(bytes.length - 28));
    assert.equal(bytes[summaryStart], 0x03, 'the summary begins with a schema');
    const covered = bytes.subarray(summaryStart, bytes.length - 12);
    assert.equal(bytes.readUInt32LE(bytes.length - 12), zlibCrc32(covered));
  });

  it('refuses a message or channel for what was never added', async () => {
    const writer = await McapWriter.create(memorySink());
    assert.throws(() => writer.addChannel({ schemaId: 4, topic: '/x', messageEncoding: 'json' }), /schema 4/);
    await assert.rejects(writer.addMessage(9, 0n, f64(0)), /channel 9/);
  });
});

describe('the CRC-32', () => {
  it('is that of zlib, for any bytes in any pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (a, b) => {
        assert.equal(crc32(b, crc32(a)), zlibCrc32(Buffer.concat([a, b])));
      }),
    );
  });
});
