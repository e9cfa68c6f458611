import { BlockLedger } from '#domain/block-ledger.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import { totalLoss } from '#domain/stage-plan.ts';
import { copiedBytesOf, planCopy, rawDataStreamOf, rawFilesOf, rawFolderOf } from '#domain/stages/copy.ts';
import type { BatchStage } from './batch-stage.ts';
import { lastEndOf, writeDataStreamManifest } from './data-stream-manifest.ts';
import { readPinnedJson } from './run-papers.ts';
import { stageEvent } from './stage-messages.ts';

/** Copies the files to Raw and Archive, block by block from account to account, and removes them from Landing. */
export function copyStage(ports: { readonly blobs: BlobStore }): BatchStage<'landfall.measurement.copy.v1'> {
  return {
    work: 'copy',
    command: 'landfall.measurement.copy.v1',

    plan: (command) => Promise.resolve(planCopy(command.data)),

    copiedBytes: (command, tasks) => copiedBytesOf(command.data.archive, tasks),

    async conclude(command, run) {
      const { measurementId, generation, stage, attempt, ledger, raw, archive } = command.data;
      const { files } = await readPinnedJson(ports.blobs, ledger, BlockLedger);
      const dataStream = await writeDataStreamManifest(ports.blobs, run, rawDataStreamOf(command.data), {
        files: rawFilesOf(rawFolderOf(raw.locations), files),
        loss: totalLoss(files.flatMap(({ recording }) => (recording === undefined ? [] : [recording.loss]))),
        createdAt: lastEndOf(run.tasks, command.time),
      });
      return [
        stageEvent('landfall.measurement.copied.v1', {
          measurementId,
          generation,
          stage,
          attempt,
          outcome: 'succeeded',
          dataStream,
          archive,
        }),
      ];
    },
  };
}
