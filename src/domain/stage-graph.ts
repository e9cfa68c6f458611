import type { DataStreamKind, Stage, Zone } from './vocabulary.ts';

/**
 * The road as data. The saga's decisions, the Service Bus entities, the diagrams, the AsyncAPI document and the
 * simulator's alphabet are derived from this table and from nothing else.
 */
export interface StageDefinition {
  readonly stage: Stage;
  /** CloudEvents type of the command that starts it. */
  readonly command: string;
  /** CloudEvents type of the event that ends it well (succeeded, partial or skipped). */
  readonly succeededBy: string;
  /** What it produces; absent where it only judges. */
  readonly output?: { readonly kind: DataStreamKind; readonly zone: Zone };
  /** Silence longer than this is a failure of the attempt. */
  readonly deadlineSeconds: number;
  /** Attempts in all, the first included. */
  readonly attemptsMax: number;
  /** Pause before the second attempt, before the third, …; the last one holds for all further attempts. */
  readonly retryDelaysSeconds: readonly number[];
  /** What happens when no attempt is left. */
  readonly compensation: 'move-to-error-zone' | 'none';
  /** Whether the work is done by tasks in Batch. */
  readonly runsInBatch: boolean;
}

const HOUR_SECONDS = 3600;
const RETRY_DELAYS_SECONDS = [10, 120];

export const STAGE_GRAPH_VERSION = 1;

export const STAGE_GRAPH: readonly StageDefinition[] = [
  {
    stage: 'validate',
    command: 'landfall.measurement.validate.v1',
    succeededBy: 'landfall.measurement.validated.v1',
    deadlineSeconds: 6 * HOUR_SECONDS,
    attemptsMax: 3,
    retryDelaysSeconds: RETRY_DELAYS_SECONDS,
    compensation: 'move-to-error-zone',
    runsInBatch: true,
  },
  {
    stage: 'register',
    command: 'landfall.measurement.register.v1',
    succeededBy: 'landfall.measurement.registered.v1',
    deadlineSeconds: HOUR_SECONDS,
    attemptsMax: 3,
    retryDelaysSeconds: RETRY_DELAYS_SECONDS,
    compensation: 'move-to-error-zone',
    runsInBatch: false,
  },
  {
    stage: 'copy',
    command: 'landfall.measurement.copy.v1',
    succeededBy: 'landfall.measurement.copied.v1',
    output: { kind: 'raw', zone: 'raw' },
    deadlineSeconds: 12 * HOUR_SECONDS,
    attemptsMax: 3,
    retryDelaysSeconds: RETRY_DELAYS_SECONDS,
    compensation: 'move-to-error-zone',
    runsInBatch: true,
  },
  {
    stage: 'extract',
    command: 'landfall.measurement.extract.v1',
    succeededBy: 'landfall.extraction.completed.v1',
    output: { kind: 'extracted', zone: 'extracted' },
    deadlineSeconds: 24 * HOUR_SECONDS,
    attemptsMax: 3,
    retryDelaysSeconds: RETRY_DELAYS_SECONDS,
    compensation: 'none',
    runsInBatch: true,
  },
  {
    stage: 'sync',
    command: 'landfall.measurement.sync.v1',
    succeededBy: 'landfall.data-stream.synchronized.v1',
    output: { kind: 'synchronized', zone: 'synchronized' },
    deadlineSeconds: 12 * HOUR_SECONDS,
    attemptsMax: 3,
    retryDelaysSeconds: RETRY_DELAYS_SECONDS,
    compensation: 'none',
    runsInBatch: true,
  },
  {
    stage: 'enrich',
    command: 'landfall.measurement.enrich.v1',
    succeededBy: 'landfall.data-stream.enriched.v1',
    output: { kind: 'enriched', zone: 'enriched' },
    deadlineSeconds: 12 * HOUR_SECONDS,
    attemptsMax: 3,
    retryDelaysSeconds: RETRY_DELAYS_SECONDS,
    compensation: 'none',
    runsInBatch: true,
  },
  {
    stage: 'scene-detect',
    command: 'landfall.measurement.scene-detect.v1',
    succeededBy: 'landfall.scenes.detected.v1',
    output: { kind: 'scenes', zone: 'scenes' },
    deadlineSeconds: 12 * HOUR_SECONDS,
    attemptsMax: 3,
    retryDelaysSeconds: RETRY_DELAYS_SECONDS,
    compensation: 'none',
    runsInBatch: true,
  },
  {
    stage: 'share',
    command: 'landfall.measurement.share.v1',
    succeededBy: 'landfall.measurement.shared.v1',
    output: { kind: 'labeled', zone: 'labeled' },
    deadlineSeconds: 12 * HOUR_SECONDS,
    attemptsMax: 3,
    retryDelaysSeconds: RETRY_DELAYS_SECONDS,
    compensation: 'none',
    runsInBatch: true,
  },
];

/**
 * The graph a measurement was started with. A measurement keeps its version until its next generation.
 * @throws {Error} when this program does not know the version: it is older than the one that started the measurement.
 */
export function stageGraphOf(version: number): readonly StageDefinition[] {
  if (version === STAGE_GRAPH_VERSION) return STAGE_GRAPH;
  throw new Error(`stage graph ${version} is not known; this version knows ${STAGE_GRAPH_VERSION}`);
}

const BY_STAGE = new Map(STAGE_GRAPH.map((definition) => [definition.stage, definition]));

export function definitionOf(stage: Stage): StageDefinition {
  const definition = BY_STAGE.get(stage);
  if (definition === undefined) throw new Error(`stage ${stage} is not in the stage graph`);
  return definition;
}
