import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import type { TaskDefinition, TaskTools } from '#composition/task-tools.ts';
import { numbersOf, textsOf, timesOf } from '#domain/column-values.ts';
import {
  cocoOf,
  openLabelOf,
  type PackageFrame,
  type PackageScene,
  selectFrames,
} from '#domain/labeling-package.ts';
import type { TableRows } from '#domain/ports/table-writer.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import { FRAME_INDEX_COLUMNS } from '#domain/table-columns.ts';
import { PackageTask } from '#domain/tasks/package-task.ts';
import type { BlobReference } from '#domain/vocabulary.ts';

/** A frame with the place of its bytes. */
interface StoredFrame extends PackageFrame {
  readonly shard: BlobReference;
  readonly byteOffset: number;
  readonly sizeBytes: number;
}

/** Puts the selected frames, OpenLABEL and COCO skeletons into one tar file for the partner. */
export const packageFrames: TaskDefinition<PackageTask> = {
  image: 'landfall/package',
  configuration: PackageTask,
  work: async (task, tools) => {
    const all = await storedFrames(task, tools);
    const scenes = task.scenes === undefined ? [] : await storedScenes(task.scenes, tools);
    const frames = selectFrames(all, scenes, task.framesMax).map((index) => all[index]!);
    const content = { measurementId: task.measurementId, dataStreamId: task.dataStreamId, frames, scenes };
    const localPath = join(tools.scratchFolder, 'package.tar');
    await writePackage(
      localPath,
      frames,
      [
        { name: 'openlabel.json', value: openLabelOf(content) },
        { name: 'coco.json', value: cocoOf(content) },
      ],
      tools,
    );
    const { size } = await stat(localPath);
    const file = await tools.upload(localPath, task.output.structured!, 'package.tar', {
      mediaType: 'application/x-tar',
      sensor: 'structured',
    });
    tools.progress(size, size);
    return {
      outcome: 'succeeded',
      files: [file],
      loss: NO_LOSS,
      facts: { frameCount: frames.length, sceneCount: scenes.length },
    };
  },
};

/** All frames of all cameras in order of time. */
async function storedFrames(task: PackageTask, tools: TaskTools): Promise<readonly StoredFrame[]> {
  const names = FRAME_INDEX_COLUMNS.map((column) => column.name);
  const column = (name: (typeof names)[number]) => names.indexOf(name);
  const frames: StoredFrame[] = [];
  const folders = new Map<string, number>();
  for (const [number, { sensor, index, shards }] of task.frameIndexes.entries()) {
    const localPath = join(tools.scratchFolder, `frames-${number}.parquet`);
    await tools.download(index, localPath);
    const batches: TableRows[] = [];
    for await (const rows of tools.tableReader.read(localPath, names)) batches.push(rows);
    const folder = folderOf(sensor, folders);
    const times = timesOf(batches, 0);
    const shardNames = textsOf(batches, column('shard'));
    const mediaTypes = textsOf(batches, column('media_type'));
    const [numbers, offsets, sizes, widths, heights] = (
      ['frame_number', 'byte_offset', 'size_bytes', 'width_pixels', 'height_pixels'] as const
    ).map((name) => numbersOf(batches, column(name)).values);
    times.forEach((timestampNs, row) => {
      const extension = mediaTypes[row] === 'image/png' ? 'png' : 'jpg';
      frames.push({
        fileName: `frames/${folder}/${String(numbers![row]).padStart(8, '0')}.${extension}`,
        timestampNs,
        widthPixels: widths![row]!,
        heightPixels: heights![row]!,
        sensor,
        shard: shards[shardNames[row]!]!,
        byteOffset: offsets![row]!,
        sizeBytes: sizes![row]!,
      });
    });
  }
  return frames.sort((a, b) => (a.timestampNs < b.timestampNs ? -1 : a.timestampNs > b.timestampNs ? 1 : 0));
}

/** Of a recording split over files each part counts its frames from 0: each gets a folder of its own. */
function folderOf(sensor: string, taken: Map<string, number>): string {
  const plain = sensor.replaceAll(/[^A-Za-z0-9._-]+/g, '_').replaceAll(/^[_.]+|_+$/g, '') || 'camera';
  const count = (taken.get(plain.toLowerCase()) ?? 0) + 1;
  taken.set(plain.toLowerCase(), count);
  return count === 1 ? plain : `${plain}-${count}`;
}

async function storedScenes(table: BlobReference, tools: TaskTools): Promise<readonly PackageScene[]> {
  const localPath = join(tools.scratchFolder, 'scenes.parquet');
  await tools.download(table, localPath);
  const batches: TableRows[] = [];
  const wanted = ['start_time', 'end_time', 'scene_id', 'type', 'confidence'];
  for await (const rows of tools.tableReader.read(localPath, wanted)) batches.push(rows);
  const [starts, ends] = [timesOf(batches, 0), timesOf(batches, 1)];
  const [ids, types] = [textsOf(batches, 2), textsOf(batches, 3)];
  const { values: confidences } = numbersOf(batches, 4);
  return ids.map((sceneId, row) => ({
    sceneId,
    type: types[row]!,
    startTimeNs: starts[row]!,
    endTimeNs: ends[row]!,
    confidence: confidences[row]!,
  }));
}

/** Frames are read from their shards by range, one at a time: a package needs the memory of one frame. */
async function writePackage(
  localPath: string,
  frames: readonly StoredFrame[],
  documents: readonly { readonly name: string; readonly value: object }[],
  tools: TaskTools,
): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createWriteStream(localPath));
  // The time of the package is that of its content, so that the same content is the same file.
  const mtime = new Date(0);
  for (const { name, value } of documents) tar.entry({ name, mtime }, JSON.stringify(value, null, 2));
  const shards = new Map<string, Awaited<ReturnType<TaskTools['blobs']['open']>>>();
  for (const frame of frames) {
    const key = frame.shard.path;
    const shard = shards.get(key) ?? (await tools.blobs.open(frame.shard));
    shards.set(key, shard);
    const bytes = await shard.read(frame.byteOffset, frame.sizeBytes);
    await new Promise<void>((resolve, reject) => {
      tar.entry({ name: frame.fileName, mtime }, Buffer.from(bytes), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }
  tar.finalize();
  await written;
}
