import { deflateSync } from 'node:zlib';
import { compressLz4Frame, compressZstd } from '#adapters/compression/compressors.ts';
import { writeBag, writeMcap, writeRosbag2 } from './message-files.ts';
import { CHANNELS, writeCanLog, writeMdf, writeTdms } from './signal-files.ts';

/** What a file is read into. `bytes` only reads the file, and is what reading can at most reach. */
export type Mode = 'bytes' | 'columns' | 'channel' | 'parquet';

/** A file to be read, and what its rows are. */
export interface Workload {
  readonly name: string;
  /** What `peer.py` calls the format. */
  readonly peer: 'mdf4' | 'tdms' | 'rosbag' | 'mcap' | 'rosbag2';
  readonly fileName: string;
  readonly what: string;
  /** The one column that is read alone, where the file is of channels. */
  readonly channel?: string;
  /** The peer holds a file's columns in memory: of large files it is not asked. */
  readonly peerHoldsFile: boolean;
  /** Writes about `sizeBytes`, in memory that does not depend on it. */
  write(path: string, sizeBytes: number): Promise<void>;
}

const CHANNEL_WORDS = `${CHANNELS} float64, ${CHANNELS} int16 with a linear scale`;
const MESSAGE_WORDS = 'sensor_msgs/Imu, 42 values each';
const PACKED_WORDS = 'MB are those of the compressed file';
const CHANNEL = 'float3';

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'MDF 4, sorted',
    peer: 'mdf4',
    fileName: 'sorted.mf4',
    what: `one group: time, ${CHANNEL_WORDS}, blocks of 4 MiB`,
    channel: CHANNEL,
    peerHoldsFile: true,
    write: (path, sizeBytes) => writeMdf(path, sizeBytes, undefined),
  },
  {
    name: 'MDF 4, deflate',
    peer: 'mdf4',
    fileName: 'deflate.mf4',
    what: `the same, transposed deflate; ${PACKED_WORDS}`,
    channel: CHANNEL,
    peerHoldsFile: true,
    write: (path, sizeBytes) => writeMdf(path, sizeBytes, (bytes) => deflateSync(bytes, { level: 1 })),
  },
  {
    name: 'MDF 4, CAN log',
    peer: 'mdf4',
    fileName: 'can-log.mf4',
    what: 'unfinalized and unsorted, frames of two buses mixed, payloads of 8 bytes in groups of their own',
    peerHoldsFile: true,
    write: writeCanLog,
  },
  {
    name: 'TDMS, contiguous',
    peer: 'tdms',
    fileName: 'contiguous.tdms',
    what: `segments of 10,000 rows: ${CHANNEL_WORDS}`,
    channel: CHANNEL,
    peerHoldsFile: true,
    write: (path, sizeBytes) => writeTdms(path, sizeBytes, { rows: 10_000, isInterleaved: false }),
  },
  {
    name: 'TDMS, interleaved',
    peer: 'tdms',
    fileName: 'interleaved.tdms',
    what: 'the same, row by row',
    channel: CHANNEL,
    peerHoldsFile: true,
    write: (path, sizeBytes) => writeTdms(path, sizeBytes, { rows: 10_000, isInterleaved: true }),
  },
  {
    name: 'TDMS, small segments',
    peer: 'tdms',
    fileName: 'small-segments.tdms',
    what: `segments of 100 rows: ${CHANNEL_WORDS}`,
    channel: CHANNEL,
    peerHoldsFile: true,
    write: (path, sizeBytes) => writeTdms(path, sizeBytes, { rows: 100, isInterleaved: false }),
  },
  {
    name: 'ROS 1 bag, plain',
    peer: 'rosbag',
    fileName: 'plain.bag',
    what: MESSAGE_WORDS,
    peerHoldsFile: false,
    write: (path, sizeBytes) => writeBag(path, sizeBytes, {}),
  },
  {
    name: 'ROS 1 bag, lz4',
    peer: 'rosbag',
    fileName: 'lz4.bag',
    what: `${MESSAGE_WORDS}; ${PACKED_WORDS}`,
    peerHoldsFile: false,
    write: (path, sizeBytes) =>
      writeBag(path, sizeBytes, { compression: { name: 'lz4', compress: compressLz4Frame } }),
  },
  {
    name: 'MCAP, plain',
    peer: 'mcap',
    fileName: 'plain.mcap',
    what: `CDR, ${MESSAGE_WORDS}`,
    peerHoldsFile: false,
    write: (path, sizeBytes) => writeMcap(path, sizeBytes, {}),
  },
  {
    name: 'MCAP, zstd',
    peer: 'mcap',
    fileName: 'zstd.mcap',
    what: `CDR, ${MESSAGE_WORDS}; ${PACKED_WORDS}`,
    peerHoldsFile: false,
    write: (path, sizeBytes) =>
      writeMcap(path, sizeBytes, { compression: { name: 'zstd', compress: compressZstd } }),
  },
  {
    name: 'ROS 2 bag',
    peer: 'rosbag2',
    fileName: 'rosbag2/plain.db3',
    what: `SQLite, CDR, ${MESSAGE_WORDS}`,
    peerHoldsFile: false,
    write: writeRosbag2,
  },
];
