import type { MessageType } from './messages.ts';
import { STAGE_GRAPH } from './stage-graph.ts';
import { isCustodyWork } from './vocabulary.ts';

/**
 * The Service Bus entities, derived from the stage graph. One topic for commands, one for events; each of our
 * subscriptions forwards to one queue per consumer, so that a retry or a replay reaches only the consumer that
 * failed; dead letters of our queues are forwarded to one queue that the collector drains.
 */
export const COMMANDS_TOPIC = 'commands';
export const EVENTS_TOPIC = 'events';
export const LANDING_QUEUE = 'landing';
export const SAGA_QUEUE = 'saga';
/** Moves files between Landing, the error zone and the archive. */
export const CUSTODY_QUEUE = 'custody';
/** Passes events on to the Event Grid topic. */
export const EVENT_GRID_QUEUE = 'event-grid';
/** Commits to the tables over all measurements of a fleet. */
export const TABLES_QUEUE = 'tables';
export const FAILED_MESSAGES_QUEUE = 'failed-messages';

/** The queue of a consumer is named as the consumer; each stage is one. */
export const CONSUMERS: readonly string[] = [
  LANDING_QUEUE,
  SAGA_QUEUE,
  ...STAGE_GRAPH.map((definition) => definition.stage),
  CUSTODY_QUEUE,
  EVENT_GRID_QUEUE,
  TABLES_QUEUE,
];

/** What makes rows for the tables of fleets. */
export const TABLE_EVENTS = [
  'landfall.data-stream.synchronized.v1',
  'landfall.data-stream.enriched.v1',
  'landfall.scenes.detected.v1',
] as const satisfies readonly MessageType[];
export type TableEventType = (typeof TABLE_EVENTS)[number];

const SAGA_COMMANDS: readonly MessageType[] = [
  'landfall.stage.expire.v1',
  'landfall.measurement.cancel.v1',
  'landfall.measurement.rerun.v1',
  'landfall.measurement.rehydrate.v1',
  'landfall.data-stream.create.v1',
  'landfall.data-stream.report-state.v1',
];

const CUSTODY_COMMANDS: readonly MessageType[] = [
  'landfall.measurement.quarantine.v1',
  'landfall.measurement.restore.v1',
  'landfall.duplicate.remove.v1',
];

/** The consumer of each command. `landfall.stage.conclude.v1` goes to the stage, or the work of custody, it names. */
export function consumerOf(type: MessageType, stage?: string): string {
  const definition = STAGE_GRAPH.find((candidate) => candidate.command === type);
  if (definition !== undefined) return definition.stage;
  if (type === 'landfall.stage.conclude.v1' && stage !== undefined)
    return isCustodyWork(stage) ? CUSTODY_QUEUE : stage;
  if (CUSTODY_COMMANDS.includes(type)) return CUSTODY_QUEUE;
  if (SAGA_COMMANDS.includes(type)) return SAGA_QUEUE;
  throw new Error(`${type} is not a command with a consumer`);
}

/** The events the saga listens to: arrivals, starts, ends and failures of stages, moves of files. */
export const SAGA_EVENTS: readonly MessageType[] = [
  'landfall.measurement.received.v1',
  'landfall.measurement.incomplete.v1',
  'landfall.measurement.rejected.v1',
  'landfall.stage.started.v1',
  'landfall.stage.failed.v1',
  'landfall.measurement.quarantined.v1',
  'landfall.measurement.rehydrated.v1',
  'landfall.restore.failed.v1',
  'landfall.labels.received.v1',
  ...STAGE_GRAPH.map((definition) => definition.succeededBy as MessageType),
];

/** Everything the saga decides on: those events, and the commands to it. */
export const SAGA_INPUTS: readonly MessageType[] = [...SAGA_EVENTS, ...SAGA_COMMANDS];
