import { parseDocument } from '#domain/documents.ts';
import { measurementIdOf } from '#domain/identity.ts';
import {
  DataStreamFields,
  type Lineage,
  LineageEdge,
  MeasurementFields,
  MeasurementLine,
  type MeasurementStatus,
  ShareFields,
} from '#domain/measurement-status.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { LandingStore } from '#domain/ports/landing-store.ts';
import type { MetadataStore } from '#domain/ports/metadata-store.ts';
import type { MetadataDocument } from '#domain/ports/saga-store.ts';
import { DataStreamManifest, ResultFile } from '#domain/result-manifest.ts';
import { type BlobReference, STAGES } from '#domain/vocabulary.ts';
import { firstObjectsOf } from './first-objects.ts';

export interface StatusPorts {
  readonly metadata: MetadataStore;
  readonly landing: LandingStore;
  readonly blobs: BlobStore;
}

const LIST_MAX = 1000;
/** A larger manifest is read up to here: the files that a status shows lie at its beginning. */
const MANIFEST_READ_BYTES_MAX = 16 * 1024 * 1024;

/** Undefined when nobody has ever seen anything of it. */
export async function measurementStatus(
  ports: StatusPorts,
  measurementId: string,
): Promise<MeasurementStatus | undefined> {
  const document = await ports.metadata.measurement(measurementId);
  if (document === undefined) return receivingStatus(ports, measurementId);
  const [dataStreams, scenes, shares] = await Promise.all([
    ports.metadata.documents(measurementId, 'data-stream'),
    ports.metadata.scenes(measurementId),
    ports.metadata.documents(measurementId, 'share'),
  ]);
  const measurement = MeasurementFields.parse(document);
  return {
    measurementId,
    fleet: measurement.fleet,
    ...(measurement.recordingId === undefined ? {} : { recordingId: measurement.recordingId }),
    vehicle: { vin: measurement.vin ?? 'UNKNOWN' },
    generation: measurement.generation,
    state: measurement.state,
    ...(measurement.reason === undefined ? {} : { reason: measurement.reason }),
    ...(measurement.lastRefusal === undefined ? {} : { lastRefusal: measurement.lastRefusal }),
    stages: STAGES.map((stage) => ({ stage, ...measurement.stages[stage] })),
    dataStreams: await Promise.all(dataStreams.map((stream) => dataStreamStatus(ports, stream))),
    scenes: scenes
      .filter((scene) => scene.generation === measurement.generation)
      .slice(0, LIST_MAX)
      .map(({ sceneId, type, startTime, endTime, confidence }) => ({
        sceneId,
        type,
        startTime,
        endTime,
        confidence,
      })),
    shares: shares.map((share) => ShareFields.parse(share)),
    ...(measurement.updatedAt === undefined ? {} : { updatedAt: measurement.updatedAt }),
  };
}

async function dataStreamStatus(
  ports: StatusPorts,
  document: MetadataDocument,
): Promise<MeasurementStatus['dataStreams'][number]> {
  const { dataStreamKind: kind, manifest, ...stream } = DataStreamFields.parse(document);
  const status = { ...stream, kind, files: [] };
  if (manifest === undefined) return status;
  const files = await firstFiles(ports.blobs, manifest);
  return {
    ...status,
    manifest,
    files: files.slice(0, LIST_MAX).map(({ account, container, path, sizeBytes, rowCount, table }) => ({
      account,
      container,
      path,
      sizeBytes,
      ...(rowCount === undefined ? {} : { rows: rowCount }),
      ...(table === undefined ? {} : { table: table.name }),
    })),
  };
}

async function firstFiles(blobs: BlobStore, manifest: BlobReference): Promise<readonly ResultFile[]> {
  if (manifest.sizeBytes <= MANIFEST_READ_BYTES_MAX) {
    const bytes = await blobs.read(manifest, MANIFEST_READ_BYTES_MAX);
    return parseDocument(bytes, DataStreamManifest, manifest.path).files;
  }
  const source = await blobs.open(manifest);
  const beginning = new TextDecoder().decode(await source.read(0, MANIFEST_READ_BYTES_MAX));
  return firstObjectsOf(beginning, 'files', LIST_MAX).map((file) => ResultFile.parse(file));
}

/** What is in Landing and not yet announced: only its manifest tells which measurement it will be. */
async function receivingStatus(
  ports: StatusPorts,
  measurementId: string,
): Promise<MeasurementStatus | undefined> {
  const folders = await ports.landing.waiting(LIST_MAX);
  const folder = folders.find(
    ({ manifest }) =>
      manifest !== undefined && measurementIdOf(manifest.fleet, manifest.recordingId) === measurementId,
  );
  if (folder?.manifest === undefined) return undefined;
  const { fleet, recordingId, vin } = folder.manifest;
  return {
    measurementId,
    fleet,
    recordingId,
    vehicle: { vin },
    generation: 1,
    state: 'Receiving',
    stages: STAGES.map((stage) => ({ stage, state: 'Pending', attempt: 0 })),
    dataStreams: [],
    scenes: [],
    shares: [],
  };
}

/** One line per measurement, the newest first, and what is still arriving. */
export async function listMeasurements(
  ports: StatusPorts,
  filter: { readonly fleet?: string; readonly vin?: string; readonly state?: string },
  limit: number,
): Promise<readonly MeasurementLine[]> {
  const documents = await ports.metadata.measurements(filter, limit);
  const known = new Set(documents.map((document) => document.measurementId));
  const arriving = (await ports.landing.waiting(limit)).flatMap(({ manifest }) => {
    if (manifest === undefined) return [];
    const { fleet, recordingId, vin } = manifest;
    const measurementId = measurementIdOf(fleet, recordingId);
    const line = { measurementId, fleet, recordingId, vin, generation: 1, state: 'Receiving' as const };
    const fits = (wanted: string | undefined, value: string) => wanted === undefined || wanted === value;
    const wanted = fits(filter.fleet, fleet) && fits(filter.vin, vin) && fits(filter.state, line.state);
    return known.has(measurementId) || !wanted ? [] : [line];
  });
  return [...arriving, ...documents.map((document) => MeasurementLine.parse(document))];
}

export async function lineage(ports: StatusPorts, measurementId: string): Promise<Lineage> {
  const edges = await ports.metadata.documents(measurementId, 'lineage-edge');
  return {
    measurementId,
    edges: edges.map((edge) => LineageEdge.parse(edge)),
  };
}
