import type { BlockLedger } from '#domain/block-ledger.ts';
import { TerminalFailure } from '#domain/failures.ts';
import { type Manifest, parseManifest } from '#domain/manifest.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import { below } from '#domain/stage-plan.ts';
import { judgeValidation, planValidation } from '#domain/stages/validate.ts';
import { ValidateFacts } from '#domain/tasks/validate-task.ts';
import type { BlobLocation, Recording } from '#domain/vocabulary.ts';
import type { BatchStage } from './batch-stage.ts';
import { writeJson } from './run-papers.ts';
import { stageEvent } from './stage-messages.ts';

/** Reads every file once, and judges whether the recording is what its manifest says. */
export function validateStage(ports: {
  readonly blobs: BlobStore;
}): BatchStage<'landfall.measurement.validate.v1'> {
  const { blobs } = ports;
  return {
    work: 'validate',
    command: 'landfall.measurement.validate.v1',

    async plan(command) {
      const { recording } = command.data;
      const [manifest, landedETags] = await Promise.all([
        readManifest(blobs, recording),
        eTagsIn(blobs, recording.folder),
      ]);
      return planValidation({ recording, manifest, landedETags });
    },

    async conclude(command, run) {
      const { recording, measurementId, generation, stage, attempt } = command.data;
      const manifest = await readManifest(blobs, recording);
      const findings = run.tasks.flatMap((task) => ValidateFacts.parse(task.result.facts).findings);
      const place = { measurementId, generation, stage, attempt };
      const judgement = judgeValidation(manifest, recording.vehicle.vin, findings);
      if (judgement.verdict === 'rejected')
        return [stageEvent('landfall.measurement.rejected.v1', { ...place, reason: judgement.reason })];
      const ledger: BlockLedger = {
        schemaVersion: 1,
        measurementId,
        generation,
        files: [...judgement.files],
      };
      const { reference } = await writeJson(blobs, below(run.workFolder, 'ledger.json'), ledger);
      const { partialReason } = judgement;
      return [
        stageEvent('landfall.measurement.validated.v1', {
          ...place,
          outcome: partialReason === undefined ? 'succeeded' : 'partial',
          ...(partialReason === undefined ? {} : { reason: partialReason }),
          ledger: reference,
          quality: judgement.quality,
        }),
      ];
    },
  };
}

/** @throws {TerminalFailure} `file-changed` when it is another than the one that was complete, `manifest-invalid`. */
async function readManifest(blobs: BlobStore, recording: Recording): Promise<Manifest> {
  const parsed = parseManifest(await blobs.readPinned(recording.manifest));
  if (!parsed.ok) throw new TerminalFailure('manifest-invalid', parsed.problem);
  return parsed.manifest;
}

async function eTagsIn(blobs: BlobStore, folder: BlobLocation): Promise<ReadonlyMap<string, string>> {
  const eTags = new Map<string, string>();
  const prefix = below(folder, '').path;
  for await (const blob of blobs.list({ ...folder, path: prefix }))
    eTags.set(blob.location.path.slice(prefix.length), blob.eTag);
  return eTags;
}
