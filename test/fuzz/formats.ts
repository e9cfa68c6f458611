// One row per format: small whole files to damage, and what reads them. A new reader adds its row here.
import { compressLz4Frame, compressZstd } from '#adapters/compression/compressors.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { byteSourceOf } from '#formats/byte-source.ts';
import { compileDbc } from '#formats/dbc/decode.ts';
import { parseDbc } from '#formats/dbc/parse.ts';
import { openMcap } from '#formats/mcap/open-mcap.ts';
import { openMdf4 } from '#formats/mdf4/open.ts';
import type { OpenRecording, TableBatch } from '#formats/recording-reader.ts';
import { openRosbag } from '#formats/rosbag/open-rosbag.ts';
import { openRosbag2 } from '#formats/rosbag2/open-rosbag2.ts';
import { openTdms } from '#formats/tdms/open-tdms.ts';
import { mcap, rosbag, rosbag2, rosbag2Log } from './message-seeds.ts';
import { canFrames, dbc, mdf4, tdms } from './signal-seeds.ts';

export interface FuzzedFormat {
  readonly name: string;
  seeds(): Promise<readonly Uint8Array[]>;
  /** Reads a file to its end; throws a RecordingFormatError where it refuses it. */
  read(bytes: Uint8Array): Promise<void>;
}

const decompressors = createDecompressors();
const lz4 = { name: 'lz4', compress: compressLz4Frame } as const;
const zstd = { name: 'zstd', compress: compressZstd } as const;

export const FUZZED_FORMATS: readonly FuzzedFormat[] = [
  {
    name: 'rosbag',
    seeds: () => Promise.all([rosbag({}), rosbag({ compression: lz4 })]),
    read: (bytes) => readRecording(openRosbag, bytes),
  },
  {
    name: 'mcap',
    seeds: () => Promise.all([mcap({}), mcap({ compression: lz4 }), mcap({ compression: zstd })]),
    read: (bytes) => readRecording(openMcap, bytes),
  },
  {
    name: 'rosbag2',
    seeds: () => Promise.resolve([rosbag2()]),
    read: (bytes) => readRecording(openRosbag2, bytes),
  },
  {
    name: 'rosbag2 log',
    seeds: () => Promise.resolve([rosbag2Log()]),
    // The database itself is empty, as a killed recorder may leave it: every page comes from the log.
    read: (log) => readRecording(openRosbag2, new Uint8Array(0), log),
  },
  {
    name: 'tdms',
    seeds: () => Promise.all([tdms(false, false), tdms(true, false), tdms(false, true)]),
    read: (bytes) => readRecording(openTdms, bytes),
  },
  {
    name: 'mdf4',
    seeds: () => Promise.resolve(mdf4()),
    read: (bytes) => readRecording(openMdf4, bytes),
  },
  { name: 'dbc', seeds: () => Promise.resolve([dbc()]), read: decodeWithDatabase },
];

async function readRecording(open: OpenRecording, bytes: Uint8Array, log?: Uint8Array): Promise<void> {
  const companion = () => Promise.resolve(log === undefined ? undefined : byteSourceOf(log));
  const reader = await open(byteSourceOf(bytes), { name: 'damaged', decompressors, companion });
  for await (const batch of reader.read()) assertWhole(batch);
  const { startTimeNs, endTimeNs } = reader.summary;
  if (startTimeNs !== undefined && endTimeNs !== undefined) {
    // A part of the time is found by other ways than the whole.
    const middle = { startTimeNs: (startTimeNs + endTimeNs) / 2n, endTimeNs };
    for await (const batch of reader.read(middle)) assertWhole(batch);
  }
  reader.loss();
}

/** A database is never refused: what it does not say clearly is one of its problems. */
async function decodeWithDatabase(bytes: Uint8Array): Promise<void> {
  const decoder = compileDbc(parseDbc(bytes), { name: 'damaged.dbc' });
  for (const batch of decoder.decode(canFrames()).batches) assertWhole(batch);
}

/** What holds for every batch, however damaged the file. */
function assertWhole(batch: TableBatch): void {
  if (batch.columns.length !== batch.columnSchemas.length) throw new Error('columns and schemas differ');
  if (batch.timestampsNs.length !== batch.rowCount) throw new Error('rows and times differ');
}
