import { type DocumentOf, type DocumentSchema, parseDocument } from '#domain/documents.ts';
import { taskIdOf } from '#domain/identity.ts';
import { type BlobStore, readIfThere } from '#domain/ports/blob-store.ts';
import { TaskResult } from '#domain/result-manifest.ts';
import { below, type PlannedTask, type RunPlace, StagePlan } from '#domain/stage-plan.ts';
import { TaskConfiguration } from '#domain/task-configuration.ts';
import { type BlobLocation, type BlobReference, blobNameOf } from '#domain/vocabulary.ts';

/**
 * The papers of a run, as JSON blobs below its work folder: `plan.json`, `conclusion.json`, and per task
 * `<taskId>/configuration.json` and `<taskId>/result.json`.
 */
const PAPER_SIZE_BYTES_MAX = 512 * 1024 * 1024;

export async function writeJson(
  blobs: BlobStore,
  location: BlobLocation,
  value: unknown,
  options: { readonly onlyIfAbsent?: boolean } = {},
): Promise<{ readonly written: boolean; readonly reference: BlobReference }> {
  const content = new TextEncoder().encode(JSON.stringify(value));
  const { written, sha256 } = await blobs.write(location, content, {
    contentType: 'application/json',
    ...options,
  });
  return { written, reference: { ...location, sha256, sizeBytes: content.length } };
}

/** @throws {TerminalFailure} `not-found`, or `message-invalid` when the document does not fit its schema. */
async function readJson<S extends DocumentSchema>(
  blobs: BlobStore,
  location: BlobLocation,
  schema: S,
): Promise<DocumentOf<S>> {
  return parseDocument(await blobs.read(location, PAPER_SIZE_BYTES_MAX), schema, blobNameOf(location));
}

/** As `readJson`; undefined where there is no such blob. */
export async function readJsonIfThere<S extends DocumentSchema>(
  blobs: BlobStore,
  location: BlobLocation,
  schema: S,
): Promise<DocumentOf<S> | undefined> {
  const content = await readIfThere(blobs, location, PAPER_SIZE_BYTES_MAX);
  return content === undefined ? undefined : parseDocument(content, schema, blobNameOf(location));
}

/** As `readJson`, and refuses any other bytes than those referred to. */
export async function readPinnedJson<S extends DocumentSchema>(
  blobs: BlobStore,
  reference: BlobReference,
  schema: S,
): Promise<DocumentOf<S>> {
  return parseDocument(await blobs.readPinned(reference), schema, blobNameOf(reference));
}

export function readPlan(blobs: BlobStore, workFolder: BlobLocation): Promise<StagePlan> {
  return readJson(blobs, below(workFolder, 'plan.json'), StagePlan);
}

export function configurationLocationOf(workFolder: BlobLocation, taskId: string): BlobLocation {
  return below(workFolder, `${taskId}/configuration.json`);
}

export function resultLocationOf(workFolder: BlobLocation, taskId: string): BlobLocation {
  return below(workFolder, `${taskId}/result.json`);
}

/** What the task left, or undefined when it left nothing. */
export async function readResult(
  blobs: BlobStore,
  workFolder: BlobLocation,
  taskId: string,
): Promise<TaskResult | undefined> {
  return readJsonIfThere(blobs, resultLocationOf(workFolder, taskId), TaskResult);
}

/** The image's own part and the common one, as the task reads it. */
export function configurationOf(
  task: PlannedTask,
  index: number,
  place: RunPlace,
  traceparent: string | undefined,
): TaskConfiguration {
  const taskId = taskIdOf(place.stageRunId, index);
  const common = TaskConfiguration.parse({
    schemaVersion: 1,
    image: task.image,
    taskId,
    stageRunId: place.stageRunId,
    measurementId: place.measurementId,
    generation: place.generation,
    stage: place.stage,
    attempt: place.attempt,
    output: task.output,
    result: resultLocationOf(place.workFolder, taskId),
    traceparent,
  });
  return { ...task.own, ...common };
}
