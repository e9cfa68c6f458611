import type { Envelope } from '#domain/messages.ts';
import { SAGA_QUEUE } from '#domain/topology.ts';
import { STAGES } from '#domain/vocabulary.ts';
import { measurementDocument } from '#saga/documents.ts';
import { evolve, type IngestionState, initialState, type SagaEvent } from '#saga/ingestion-state.ts';
import { locationIn } from './recordings.ts';
import type { World } from './world.ts';

/** What must be true of a world at rest. Each checker returns sentences, one per thing that is wrong. */

type Checker = (world: World) => readonly string[];

interface Recorded {
  readonly version: number;
  readonly input: Envelope;
  readonly events: readonly SagaEvent[];
}

function recordsOf(world: World, measurementId: string): readonly Recorded[] {
  return world.sagas.records(measurementId) as readonly Recorded[];
}

const inputsAreAppliedOnce: Checker = (world) =>
  world.sagas.measurementIds().flatMap((measurementId) => {
    const ids = recordsOf(world, measurementId).map((record) => record.input.id);
    const doubled = new Set(ids.filter((id, index) => ids.indexOf(id) !== index));
    return [...doubled].map((id) => `input ${id} was applied more than once`);
  });

const noInputIsLost: Checker = (world) => {
  const applied = new Set(
    world.sagas.measurementIds().flatMap((id) => recordsOf(world, id).map((record) => record.input.id)),
  );
  return [...(world.broker.arrived.get(SAGA_QUEUE) ?? [])]
    .filter((id) => !applied.has(id))
    .map((id) => `input ${id} came to the saga and was never applied`);
};

const versionsAreInputs: Checker = (world) =>
  world.sagas.measurementIds().flatMap((measurementId) => {
    const records = recordsOf(world, measurementId);
    const state = world.sagas.stateOf(measurementId);
    const isCounted = records.every((record, index) => record.version === index + 1);
    if (isCounted && state?.version === records.length) return [];
    return [`lost update: version ${state?.version} after ${records.length} inputs of ${measurementId}`];
  });

const noOutputIsLost: Checker = (world) =>
  world.sagas.measurementIds().flatMap((measurementId) =>
    world.sagas
      .outputs(measurementId)
      .filter(({ message }) => !world.broker.accepted.has(`${message.destination.name} ${message.messageId}`))
      .map(({ message }) => `output ${message.envelope.type} ${message.messageId} never reached the broker`),
  );

const replaysAreHandled: Checker = (world) =>
  world.replayed
    .filter(({ queue, cloudEventId }) => !world.handled.has(`${queue} ${cloudEventId}`))
    .map(({ queue, cloudEventId }) => `${cloudEventId} was replayed to ${queue} and never handled`);

const historyLeadsToState: Checker = (world) =>
  world.sagas.measurementIds().flatMap((measurementId) => {
    const state = world.sagas.stateOf(measurementId);
    if (state === undefined) return [`${measurementId} has no state`];
    const { fleet, region } = state;
    let replayed: IngestionState = initialState({ measurementId, fleet, region });
    for (const record of recordsOf(world, measurementId)) {
      replayed = record.events.reduce(evolve, { ...replayed, version: record.version });
    }
    return JSON.stringify(sorted(replayed)) === JSON.stringify(sorted(state))
      ? []
      : [`the history of ${measurementId} leads to another state than the one stored`];
  });

const documentsShowState: Checker = (world) =>
  world.sagas.measurementIds().flatMap((measurementId) => {
    const state = world.sagas.stateOf(measurementId);
    const document = world.sagas.documentOf('measurement', measurementId, measurementId);
    if (state === undefined || document === undefined) return [`${measurementId} has no document`];
    const { version: _, ...shown } = document;
    const { version: __, ...expected } = measurementDocument(state);
    const problems =
      JSON.stringify(shown) === JSON.stringify(expected) ? [] : ['the document is not the state'];
    for (const dataStream of Object.values(state.dataStreams)) {
      const stream = world.sagas.documentOf('data-stream', measurementId, dataStream.dataStreamId);
      if (stream?.['state'] !== dataStream.state) {
        problems.push(`data stream ${dataStream.dataStreamId} is shown as ${stream?.['state']}`);
      }
    }
    return problems;
  });

const sequenceNumbersAreUnique: Checker = (world) =>
  world.sagas.measurementIds().flatMap((measurementId) => {
    const numbers = world.sagas.outputs(measurementId).map(({ message }) => message.envelope.sequence);
    return new Set(numbers).size === numbers.length ? [] : [`${measurementId} gave a sequence number twice`];
  });

/** Whatever went wrong underneath, a plain measurement goes through each stage once, and nothing is left half done. */
const plainStoriesArePlain: Checker = (world) =>
  world.told
    .filter(({ story }) => story.name === 'plain')
    .flatMap(({ measurementId }) => {
      const records = recordsOf(world, measurementId);
      const wasDisturbed = records.some(
        ({ input, events }) => input.type === 'landfall.stage.expire.v1' && events.length > 0,
      );
      const ended = records
        .flatMap((record) => record.events)
        .filter((event) => event.kind === 'stage-ended')
        .map((event) => event.stage);
      const problems: string[] = [];
      if (ended.join() !== STAGES.join()) problems.push(`stages ended as ${ended.join()}`);
      const state = world.sagas.stateOf(measurementId);
      const attempts = STAGES.map((stage) => state?.stages[stage].attempt);
      const restarts = records.filter(({ events }) => events.some((event) => event.kind === 'run-restarted'));
      if (!wasDisturbed && restarts.length === 0 && attempts.some((attempt) => attempt !== 1)) {
        problems.push(`attempts were ${attempts.join()}`);
      }
      const unfinished = Object.values(state?.dataStreams ?? {}).filter(
        (dataStream) => dataStream.state !== 'Completed',
      );
      if (unfinished.length > 0) problems.push(`${unfinished.length} data streams are not Completed`);
      return problems;
    });

/** What came again does not stay, and what was restored, moved or copied is not there either. */
const duplicatesLeaveLanding: Checker = (world) =>
  world.told
    .filter(({ story }) => story.name === 'uploaded twice')
    .flatMap(({ folder }) =>
      world.blobs
        .pathsBelow(locationIn(folder, ''))
        .map((path) => `${path} came again and is still in Landing`),
    );

const programsMakeNoMistakes: Checker = (world) => world.mistakes;

export const CHECKERS: Readonly<Record<string, Checker>> = {
  inputsAreAppliedOnce,
  noInputIsLost,
  versionsAreInputs,
  noOutputIsLost,
  replaysAreHandled,
  historyLeadsToState,
  documentsShowState,
  sequenceNumbersAreUnique,
  plainStoriesArePlain,
  duplicatesLeaveLanding,
  programsMakeNoMistakes,
};

/** The same content, the same text: keys in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
