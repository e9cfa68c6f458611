import type { LedgerFile } from '../block-ledger.ts';
import type { DataOf } from '../messages.ts';
import type { ResultFile } from '../result-manifest.ts';
import { definitionOf } from '../stage-graph.ts';
import {
  below,
  type EndedTask,
  type PlannedDataStream,
  type PlannedTask,
  type StagePlan,
} from '../stage-plan.ts';
import { CopyFacts, CopyTask } from '../tasks/copy-task.ts';
import type { BlobLocation } from '../vocabulary.ts';

/** Landing to Raw, Landing to Archive, remove from Landing: three tasks, the last only after the other two. */
export function planCopy(command: DataOf<'landfall.measurement.copy.v1'>): StagePlan {
  const { recording, ledger, raw, archive } = command;
  const target = rawFolderOf(raw.locations);
  const task = (work: object, dependsOn: number[]): PlannedTask => ({
    image: 'landfall/copy',
    pool: 'orchestrator',
    dependsOn,
    wallClockSecondsMax: definitionOf('copy').deadlineSeconds,
    output: {},
    own: { work },
  });
  const source = recording.folder;
  return {
    schemaVersion: 1,
    tasks: [
      task({ action: 'copy', ledger, source, target }, []),
      task({ action: 'copy', ledger, source, target: archive }, []),
      task({ action: 'remove', ledger, source, copies: [target, archive] }, [0, 1]),
    ],
    dataStream: rawDataStreamOf(command),
  };
}

export interface CopiedBytes {
  /** Into all zones, those that were there already from an earlier attempt included. */
  readonly copiedBytes: number;
  /** Of these, into the archive. */
  readonly archivedBytes: number;
}

/** What the tasks of a copy have put into Raw and Archive. */
export function copiedBytesOf(archive: BlobLocation, tasks: readonly EndedTask[]): CopiedBytes {
  const copies = tasks.flatMap(({ planned, result }) => {
    const work = CopyTask.shape.work.parse(planned.own['work']);
    if (work.action !== 'copy') return [];
    const { account, container, path } = work.target;
    const isArchive = account === archive.account && container === archive.container && path === archive.path;
    return [{ isArchive, sizeBytes: CopyFacts.parse(result.facts).sizeBytes }];
  });
  const sumOf = (of: typeof copies) => of.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { copiedBytes: sumOf(copies), archivedBytes: sumOf(copies.filter(({ isArchive }) => isArchive)) };
}

export function rawDataStreamOf({ raw }: DataOf<'landfall.measurement.copy.v1'>): PlannedDataStream {
  const { dataStreamId, locations } = raw;
  return { dataStreamId, kind: 'raw', zone: 'raw', locations, parents: [] };
}

/** Whole files lie in one folder, whatever the number of accounts of the zone. */
export function rawFolderOf(locations: readonly BlobLocation[]): BlobLocation {
  const [folder] = locations;
  if (folder === undefined) throw new Error('a raw data stream has one location');
  return folder;
}

const MEDIA_TYPES = {
  mdf4: 'application/x-mdf4',
  tdms: 'application/x-tdms',
  rosbag: 'application/x-rosbag',
  mcap: 'application/x-mcap',
  rosbag2: 'application/x-rosbag2',
} as const;

/** The raw data stream's files: what the ledger names, where the copy put it. */
export function rawFilesOf(folder: BlobLocation, files: readonly LedgerFile[]): ResultFile[] {
  return files.map(({ path, sizeBytes, sha256, recording }) => ({
    ...below(folder, path),
    sizeBytes,
    sha256,
    mediaType: recording === undefined ? 'application/octet-stream' : MEDIA_TYPES[recording.format],
    sensor: 'structured',
    sourceFile: path,
    ...(recording === undefined ? {} : { recording }),
  }));
}
