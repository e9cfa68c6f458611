import type { MetadataStore, SceneDocument } from '#domain/ports/metadata-store.ts';
import type {
  DeadlineQuery,
  MetadataDocument,
  OutboxEntry,
  OutboxFeed,
  SagaChange,
  SagaStore,
} from '#domain/ports/saga-store.ts';

interface Partition<State> {
  state: State;
  etag: string;
  readonly inputIds: Set<string>;
  readonly outputs: { readonly entry: OutboxEntry; dispatched: boolean; gone: boolean }[];
  readonly documents: Map<string, MetadataDocument>;
  readonly records: SagaChange<State>['record'][];
}

/** The container `measurements`, in memory: all of a change or nothing of it, one partition per measurement. */
export class MemorySagaStore<State> implements SagaStore<State>, OutboxFeed, DeadlineQuery, MetadataStore {
  readonly #partitions = new Map<string, Partition<State>>();
  readonly #feed: { readonly measurementId: string; readonly index: number }[] = [];
  readonly #scenes = new Map<string, SceneDocument>();
  readonly #continuations = new Map<string, string>();
  #etagCount = 0;

  async load(measurementId: string): Promise<{ readonly state: State; readonly etag: string } | undefined> {
    const partition = this.#partitions.get(measurementId);
    return partition === undefined ? undefined : { state: partition.state, etag: partition.etag };
  }

  async wasHandled(measurementId: string, inputId: string): Promise<boolean> {
    return this.#partitions.get(measurementId)?.inputIds.has(inputId) ?? false;
  }

  async commit(change: SagaChange<State>): Promise<'committed' | 'conflict' | 'already-handled'> {
    const known = this.#partitions.get(change.measurementId);
    if (known?.inputIds.has(change.inputId)) return 'already-handled';
    if (known?.etag !== change.expectedEtag) return 'conflict';
    this.apply(change);
    return 'committed';
  }

  /** Writes a change whatever was there: what `commit` does once it has checked. */
  protected apply(change: SagaChange<State>): void {
    const partition: Partition<State> = this.#partitions.get(change.measurementId) ?? {
      state: change.state,
      etag: '',
      inputIds: new Set(),
      outputs: [],
      documents: new Map(),
      records: [],
    };
    this.#partitions.set(change.measurementId, partition);
    partition.state = change.state;
    partition.etag = `etag-${++this.#etagCount}`;
    partition.inputIds.add(change.inputId);
    partition.records.push(change.record);
    for (const entry of change.outputs) {
      this.#feed.push({ measurementId: change.measurementId, index: partition.outputs.length });
      partition.outputs.push({ entry, dispatched: false, gone: false });
    }
    for (const document of change.documents) {
      partition.documents.set(`${document.kind} ${document.id}`, document);
    }
  }

  async pendingOutputs(measurementId: string): Promise<readonly OutboxEntry[]> {
    const outputs = this.#partitions.get(measurementId)?.outputs ?? [];
    return outputs.filter((output) => !output.dispatched && !output.gone).map((output) => output.entry);
  }

  async markDispatched(measurementId: string, outboxIds: readonly string[]): Promise<void> {
    for (const output of this.#partitions.get(measurementId)?.outputs ?? []) {
      if (outboxIds.includes(output.entry.id)) output.dispatched = true;
    }
  }

  async read(
    continuation: string | undefined,
  ): Promise<{ readonly entries: readonly OutboxEntry[]; readonly continuation: string }> {
    const entries = this.#feed.slice(Number(continuation ?? 0)).flatMap(({ measurementId, index }) => {
      const output = this.#partitions.get(measurementId)?.outputs[index];
      return output === undefined || output.dispatched || output.gone ? [] : [output.entry];
    });
    return { entries, continuation: String(this.#feed.length) };
  }

  async loadContinuation(reader: string): Promise<string | undefined> {
    return this.#continuations.get(reader);
  }

  async saveContinuation(reader: string, continuation: string): Promise<void> {
    this.#continuations.set(reader, continuation);
  }

  async overdue(now: Date, limit: number): ReturnType<DeadlineQuery['overdue']> {
    return [...this.#partitions.values()]
      .flatMap((partition) => [...partition.documents.values()])
      .filter((document) => document.kind === 'measurement')
      .filter((document) => typeof document['dueAt'] === 'string' && new Date(document['dueAt']) <= now)
      .slice(0, limit)
      .map((document) => ({
        measurementId: document.measurementId,
        fleet: String(document['fleet']),
        region: String(document['region']),
        ...(document['due'] as {
          readonly generation: number;
          readonly stage: string;
          readonly attempt: number;
        }),
      }));
  }

  async measurement(measurementId: string): Promise<MetadataDocument | undefined> {
    return this.#partitions.get(measurementId)?.documents.get(`measurement ${measurementId}`);
  }

  async measurements(
    filter: { readonly fleet?: string; readonly vin?: string; readonly state?: string },
    limit: number,
  ): Promise<readonly MetadataDocument[]> {
    const wanted = Object.entries(filter).filter(([, value]) => value !== undefined);
    return [...this.#partitions.values()]
      .flatMap((partition) => [...partition.documents.values()])
      .filter((document) => document.kind === 'measurement')
      .filter((document) => wanted.every(([field, value]) => document[field] === value))
      .toSorted((one, other) => String(other['updatedAt']).localeCompare(String(one['updatedAt'])))
      .slice(0, limit);
  }

  async documents(
    measurementId: string,
    kind: MetadataDocument['kind'],
  ): Promise<readonly MetadataDocument[]> {
    const documents = this.#partitions.get(measurementId)?.documents.values() ?? [];
    return [...documents].filter((document) => document.kind === kind);
  }

  async dataStream(measurementId: string, dataStreamId: string): Promise<MetadataDocument | undefined> {
    return this.#partitions.get(measurementId)?.documents.get(`data-stream ${dataStreamId}`);
  }

  async scenes(measurementId: string): Promise<readonly SceneDocument[]> {
    return [...this.#scenes.values()]
      .filter((scene) => scene.measurementId === measurementId)
      .toSorted((one, other) => one.startTime.localeCompare(other.startTime));
  }

  async writeScenes(scenes: readonly SceneDocument[]): Promise<void> {
    for (const scene of scenes) this.#scenes.set(`${scene.measurementId} ${scene.sceneId}`, scene);
  }

  // What the checkers look at; not part of a port.

  measurementIds(): readonly string[] {
    return [...this.#partitions.keys()];
  }

  records(measurementId: string): readonly SagaChange<State>['record'][] {
    return this.#partitions.get(measurementId)?.records ?? [];
  }

  stateOf(measurementId: string): State | undefined {
    return this.#partitions.get(measurementId)?.state;
  }

  documentOf(
    kind: MetadataDocument['kind'],
    measurementId: string,
    id: string,
  ): MetadataDocument | undefined {
    return this.#partitions.get(measurementId)?.documents.get(`${kind} ${id}`);
  }

  outputs(measurementId: string): readonly OutboxEntry[] {
    return (this.#partitions.get(measurementId)?.outputs ?? []).map((output) => output.entry);
  }

  undispatchedCount(): number {
    return [...this.#partitions.values()].reduce(
      (sum, { outputs }) => sum + outputs.filter((output) => !output.dispatched && !output.gone).length,
      0,
    );
  }

  /** Deletes what was not sent yet, as a time-to-live on the outbox would. @returns how many outputs. */
  forgetUndispatched(): number {
    let count = 0;
    for (const partition of this.#partitions.values()) {
      for (const output of partition.outputs) {
        if (output.dispatched || output.gone) continue;
        output.gone = true;
        count++;
      }
    }
    return count;
  }
}
