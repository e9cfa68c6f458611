// One measurement in a process of its own, so that its memory is its own: node measure.ts <file> <columns|parquet> <folder>
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { openFileByteSource } from '#adapters/file/file-byte-source.ts';
import { ParquetTableWriter } from '#adapters/parquet/parquet-table-writer.ts';
import { openRecording } from '#composition/open-recording.ts';
import type { OpenTable } from '#domain/ports/table-writer.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import type { Measurement } from './measurement.ts';

const [path = '', mode = 'columns', folder = '.'] = process.argv.slice(2);

const writer = new ParquetTableWriter();
const tables = new Map<string, OpenTable>();

async function write(batch: TableBatch): Promise<void> {
  const { name } = batch.table;
  let table = tables.get(name);
  if (table === undefined) {
    const columns = [{ name: 'time', type: 'timestamp' as const }, ...batch.columnSchemas];
    table = await writer.open(join(folder, `${tables.size}.parquet`), { columns, metadata: { table: name } });
    tables.set(name, table);
  }
  await table.append({
    rowCount: batch.rowCount,
    columns: [{ values: batch.timestampsNs }, ...batch.columns],
  });
}

/** Of this process alone; what getrusage says counts the parent's memory at the fork as well. */
function peakRssBytes(): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match?.[1]) * 1024;
}

const startedAt = performance.now();
const cpu = process.cpuUsage();
const source = await openFileByteSource(path);
const reader = await openRecording(source, { name: basename(path), decompressors: createDecompressors() });
let rows = 0;
let values = 0;
for await (const batch of reader.read()) {
  rows += batch.rowCount;
  values += batch.rowCount * batch.columns.length;
  if (mode === 'parquet') await write(batch);
}
for (const table of tables.values()) await table.close();
const { user, system } = process.cpuUsage(cpu);
const measurement: Measurement = {
  seconds: (performance.now() - startedAt) / 1000,
  cpuSeconds: (user + system) / 1e6,
  rows,
  values,
  share: 1,
  peakRssBytes: peakRssBytes(),
};
const { records, bytes } = reader.loss();
if (records + bytes > 0) throw new Error(`${path} was not read whole: ${reader.loss().reasons.join('; ')}`);
await writer.dispose();
await source.close();
console.log(JSON.stringify(measurement));
