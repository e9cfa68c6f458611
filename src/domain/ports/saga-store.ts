import type { OutgoingMessage } from './message-sender.ts';

/** A message the saga has decided to send, kept with the state until it is sent. */
export interface OutboxEntry {
  /** `out:<version>:<index>`: unique in the measurement. */
  readonly id: string;
  readonly measurementId: string;
  readonly message: OutgoingMessage;
}

/**
 * A document other people read: the measurement, a data stream, a stage run, a lineage edge. Replaced whole. The
 * measurement's document carries what the deadline sweep looks for: `dueAt` (RFC 3339) and
 * `due: { generation, stage, attempt }`, both absent while nothing is awaited, with `fleet` and `region`.
 */
export interface MetadataDocument {
  /** Unique within the measurement and the kind; the same id may name a document of another kind. */
  readonly id: string;
  readonly kind: 'measurement' | 'data-stream' | 'stage-run' | 'lineage-edge' | 'share';
  readonly measurementId: string;
  readonly [field: string]: unknown;
}

/** What one input changes; applied whole or not at all, in the measurement's partition. */
export interface SagaChange<State> {
  readonly measurementId: string;
  /** CloudEvents id of the input; a second commit of the same input is refused. */
  readonly inputId: string;
  /** The etag that was loaded; undefined when there was no saga yet. */
  readonly expectedEtag: string | undefined;
  readonly state: State;
  /** The input and what was decided, for audit and for replaying histories. */
  readonly record: {
    readonly version: number;
    readonly input: unknown;
    readonly events: readonly unknown[];
    readonly at: string;
  };
  readonly outputs: readonly OutboxEntry[];
  readonly documents: readonly MetadataDocument[];
}

export interface SagaStore<State> {
  load(measurementId: string): Promise<{ readonly state: State; readonly etag: string } | undefined>;
  wasHandled(measurementId: string, inputId: string): Promise<boolean>;
  /**
   * `conflict`: the saga changed since it was loaded; `already-handled`: the input was committed before. An answer
   * that was lost on the way surfaces as RetryableFailure: look with `wasHandled`, then decide again.
   * @throws {RetryableFailure} when it is unknown whether the change was applied.
   */
  commit(change: SagaChange<State>): Promise<'committed' | 'conflict' | 'already-handled'>;
  /** Outputs of the measurement that are not known to be sent, oldest first. */
  pendingOutputs(measurementId: string): Promise<readonly OutboxEntry[]>;
  /** After the outputs are sent, never before. Marking twice is harmless. */
  markDispatched(measurementId: string, outboxIds: readonly string[]): Promise<void>;
}

/** What the relay reads: outputs as they are written, in every measurement, at least once each. */
export interface OutboxFeed {
  /** Undispatched outputs written since `continuation` (undefined = from the beginning), and where to go on. */
  read(
    continuation: string | undefined,
  ): Promise<{ readonly entries: readonly OutboxEntry[]; readonly continuation: string }>;
  loadContinuation(reader: string): Promise<string | undefined>;
  saveContinuation(reader: string, continuation: string): Promise<void>;
}

/**
 * What the deadline sweep reads: stages (or `rehydrate`) whose deadline has passed, whatever became of their
 * scheduled message: measurement documents with `dueAt <= now`.
 */
export interface DeadlineQuery {
  overdue(
    now: Date,
    limit: number,
  ): Promise<
    readonly {
      readonly measurementId: string;
      readonly generation: number;
      readonly stage: string;
      readonly attempt: number;
      readonly fleet: string;
      readonly region: string;
    }[]
  >;
}
