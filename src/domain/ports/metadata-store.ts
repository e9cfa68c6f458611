import type { MetadataDocument } from './saga-store.ts';

/** What the metadata API, the command line and the handlers read. States are written by the saga only. */
export interface MetadataStore {
  measurement(measurementId: string): Promise<MetadataDocument | undefined>;
  measurements(
    filter: { readonly fleet?: string; readonly vin?: string; readonly state?: string },
    limit: number,
  ): Promise<readonly MetadataDocument[]>;
  documents(measurementId: string, kind: MetadataDocument['kind']): Promise<readonly MetadataDocument[]>;
  /** One data stream, wherever it belongs; the id alone is not a partition, so the measurement is asked too. */
  dataStream(measurementId: string, dataStreamId: string): Promise<MetadataDocument | undefined>;
  scenes(measurementId: string): Promise<readonly SceneDocument[]>;
  /** Written by scene-detect, idempotent by computed id. */
  writeScenes(scenes: readonly SceneDocument[]): Promise<void>;
}

export interface SceneDocument {
  readonly sceneId: string;
  readonly measurementId: string;
  readonly dataStreamId: string;
  readonly generation: number;
  readonly type: string;
  readonly startTime: string;
  readonly endTime: string;
  readonly confidence: number;
  readonly rule: { readonly name: string; readonly version: string };
  /** What the rule saw: values, thresholds. */
  readonly evidence: Readonly<Record<string, number | string>>;
}
