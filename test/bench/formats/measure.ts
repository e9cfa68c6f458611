// One measurement in a process of its own, so that its memory is its own:
// node measure.ts <file> <bytes|columns|channel|parquet> <folder> [column]
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { openFileByteSource } from '#adapters/file/file-byte-source.ts';
import { ParquetTableWriter } from '#adapters/parquet/parquet-table-writer.ts';
import { openRecording } from '#composition/open-recording.ts';
import type { OpenTable } from '#domain/ports/table-writer.ts';
import { byteSourceOf } from '#formats/byte-source.ts';
import { RecordingFormatError, type TableBatch } from '#formats/recording-reader.ts';
import type { Measurement } from './measurement.ts';

const [path = '', mode = 'columns', folder = '.', channel] = process.argv.slice(2);
const READ_BYTES = 1 << 22;
/** Enough to tell the format, too little to read anything. */
const FRONT_BYTES = 100;
/** Of the timer that watches the event loop; not part of a delay. */
const RESOLUTION_MS = 2;

const decompressors = createDecompressors();
const writer = new ParquetTableWriter();
const tables = new Map<string, OpenTable>();
const source = await openFileByteSource(path);
const totals = { rows: 0, values: 0 };

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

async function readBytes(): Promise<void> {
  for (let at = 0; at < source.sizeBytes; at += READ_BYTES) {
    await source.read(at, Math.min(READ_BYTES, source.sizeBytes - at));
  }
}

async function readRecording(): Promise<void> {
  const reader = await openRecording(source, { name: basename(path), decompressors });
  for await (const batch of reader.read(mode === 'channel' ? { columns: [channel ?? ''] } : {})) {
    totals.rows += batch.rowCount;
    totals.values += batch.rowCount * batch.columns.length;
    if (mode === 'parquet') await write(batch);
  }
  for (const table of tables.values()) await table.close();
  const { records, bytes, reasons } = reader.loss();
  if (records + bytes > 0) throw new Error(`${path} was not read whole: ${reasons.join('; ')}`);
}

/** Readers are loaded when a file needs them; the peers' libraries are loaded before they are measured, too. */
async function loadReader(): Promise<void> {
  const front = await source.read(0, Math.min(source.sizeBytes, FRONT_BYTES));
  await openRecording(byteSourceOf(front), { name: basename(path), decompressors }).catch(
    (error: unknown) => {
      if (!(error instanceof RecordingFormatError)) throw error;
    },
  );
}

await loadReader();
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
loop.enable();
const startedAt = performance.now();
const cpu = process.cpuUsage();
await (mode === 'bytes' ? readBytes() : readRecording());
const seconds = (performance.now() - startedAt) / 1000;
const { user, system } = process.cpuUsage(cpu);
loop.disable();
const delayMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
const measurement: Measurement = {
  seconds,
  cpuSeconds: (user + system) / 1e6,
  ...totals,
  share: 1,
  peakRssBytes: peakRssBytes(),
  loopDelayMsMax: delayMs(loop.max),
  loopDelayMsP99: delayMs(loop.percentile(99)),
};
await writer.dispose();
await source.close();
console.log(JSON.stringify(measurement));
