import { Conflict, isFailure, RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import { type Envelope, messageDefinition } from '#domain/messages.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { MessageSender, OutgoingMessage } from '#domain/ports/message-sender.ts';
import type { OutboxEntry, SagaChange, SagaStore } from '#domain/ports/saga-store.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { report } from '#domain/reported-events.ts';
import { COMMANDS_TOPIC, consumerOf, EVENTS_TOPIC, SAGA_QUEUE } from '#domain/topology.ts';
import { documentsOf, type IngestionDocument, measurementDocument } from './documents.ts';
import { decide, isSagaInput, type SagaInput } from './ingestion.ts';
import { evolve, type IngestionState, initialState, type SagaEvent } from './ingestion-state.ts';
import { outputsOf, type SagaOutput } from './outputs.ts';

/** A batch in Cosmos holds 100 operations; inbox, record and saga are three of them. */
const CHANGE_OPERATIONS_MAX = 90;
const COMMIT_TRIES_MAX = 8;
const CONFLICT_WAIT_MS = 25;

export interface SagaManagerPorts {
  readonly store: SagaStore<IngestionState>;
  readonly sender: MessageSender;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Chance in 0 … 1, for the jitter between tries. */
  readonly chance: () => number;
  /** Multiplies deadlines and pauses; 1 when absent. */
  readonly timeScale?: number;
}

export type Handled = 'applied' | 'already-handled';

export interface Recorded {
  readonly handled: Handled;
  /** What was committed just now and is to be sent; absent when an earlier delivery committed it. */
  readonly outputs?: readonly OutboxEntry[];
}

/**
 * Takes the saga's messages, one at a time, in any order, any number of times:
 *
 * 1. read the state and whether this input was handled; 2. decide; 3. commit inbox, record, outbox, state and
 * documents as one batch; 4. send what is in the outbox; 5. mark it sent. Whoever calls completes the message after
 * that, so a crash anywhere leads to a redelivery that goes on where this stopped. The relay does 4 and 5 as well.
 */
export class SagaManager {
  readonly #ports: SagaManagerPorts;

  constructor(ports: SagaManagerPorts) {
    this.#ports = ports;
  }

  /**
   * @throws {TerminalFailure} `message-invalid` when the saga does not take this type.
   * @throws {Conflict} when others changed the measurement at every try: deliver the message again later.
   * @throws {RetryableFailure} when the store or the broker does not answer; `not-found` when nothing is known of the
   *   measurement yet: what comes too early is delivered again, what was mistaken becomes a dead letter.
   */
  async handle(envelope: Envelope): Promise<Handled> {
    const recorded = await this.record(envelope);
    await this.dispatch(envelope.subject, recorded);
    return recorded.handled;
  }

  /** Steps 1 to 3. */
  async record(envelope: Envelope): Promise<Recorded> {
    if (!isSagaInput(envelope)) {
      throw new TerminalFailure(
        'message-invalid',
        `The saga does not take ${envelope.type}; check the subscription.`,
      );
    }
    const { store, clock, chance, telemetry } = this.#ports;
    let lastProblem: RetryableFailure | undefined;
    for (let attempt = 1; attempt <= COMMIT_TRIES_MAX; attempt++) {
      if (attempt > 1) await clock.wait(CONFLICT_WAIT_MS * attempt * (0.5 + chance()));
      const [isHandled, loaded] = await Promise.all([
        store.wasHandled(envelope.subject, envelope.id),
        store.load(envelope.subject),
      ]);
      if (isHandled) return { handled: 'already-handled' };
      const before = loaded === undefined ? newState(envelope) : readState(loaded.state);
      const now = clock.now();
      const events = decide(before, envelope, now, this.#ports.timeScale ?? 1);
      if (loaded === undefined && events.length === 0) throw unknownMeasurement(envelope);
      const change = changeOf(before, envelope, events, now, loaded?.etag);
      try {
        const result = await store.commit(change);
        if (result === 'already-handled') return { handled: result };
        if (result === 'committed') {
          reportChange(telemetry, envelope, change.state, events);
          return { handled: 'applied', outputs: change.outputs };
        }
      } catch (error) {
        // The answer was lost, so the change may be in: the next round looks before it decides again.
        if (!(isFailure(error) && error instanceof RetryableFailure)) throw error;
        lastProblem = error;
      }
    }
    if (lastProblem !== undefined) throw lastProblem;
    throw new Conflict(
      `${envelope.type} for ${envelope.subject}: others changed the measurement at each of ${COMMIT_TRIES_MAX} tries.`,
    );
  }

  /** Steps 4 and 5: for what was committed just now, else for everything that is not known to be sent. */
  async dispatch(measurementId: string, recorded: Recorded): Promise<void> {
    const { store, sender } = this.#ports;
    const pending = recorded.outputs ?? (await store.pendingOutputs(measurementId));
    if (pending.length === 0) return;
    await sender.send(pending.map((entry) => entry.message));
    await store.markDispatched(
      measurementId,
      pending.map((entry) => entry.id),
    );
  }
}

function unknownMeasurement(envelope: Envelope): RetryableFailure {
  return new RetryableFailure(
    'not-found',
    `${envelope.type}: there is no measurement ${envelope.subject}. If it has just arrived, this heals itself.`,
  );
}

function newState(envelope: Envelope): IngestionState {
  return initialState({
    measurementId: envelope.subject,
    fleet: envelope.fleet,
    region: envelope.region,
  });
}

/** @throws {TerminalFailure} when a newer program wrote the state: this one must not touch it. */
function readState(state: IngestionState): IngestionState {
  if (state.schemaVersion === 1) return state;
  throw new TerminalFailure(
    'message-invalid',
    `The saga of a measurement has schema version ${JSON.stringify(state['schemaVersion'])}; this program reads 1. Update the program.`,
  );
}

/** Everything one input changes. */
export function changeOf(
  before: IngestionState,
  input: SagaInput,
  events: readonly SagaEvent[],
  now: Date,
  expectedEtag: string | undefined,
): SagaChange<IngestionState> {
  const { measurementId } = before;
  const version = before.version + 1;
  const outputs: SagaOutput[] = [];
  const documents = new Map<string, IngestionDocument>();
  let state: IngestionState = { ...before, version };
  for (const event of events) {
    const after = evolve(state, event);
    outputs.push(...outputsOf(state, event, after, input));
    for (const document of documentsOf(after, event))
      documents.set(`${document.kind} ${document.id}`, document);
    state = after;
  }
  if (events.length > 0) documents.set('measurement', measurementDocument(state));
  if (outputs.length + documents.size > CHANGE_OPERATIONS_MAX) {
    throw new Error(
      `${input.type} ${input.id} leads to ${outputs.length} messages and ${documents.size} documents; one batch holds ${CHANGE_OPERATIONS_MAX}`,
    );
  }
  return {
    measurementId,
    inputId: input.id,
    expectedEtag,
    state,
    record: { version, input, events, at: now.toISOString() },
    outputs: outputs.map((output, index) => outboxEntryOf(measurementId, version, index, output)),
    documents: [...documents.values()],
  };
}

function outboxEntryOf(
  measurementId: string,
  version: number,
  index: number,
  output: SagaOutput,
): OutboxEntry {
  const id = `out:${String(version).padStart(8, '0')}:${String(index).padStart(2, '0')}`;
  return { id, measurementId, message: addressed(output) };
}

/** Which entity a message goes to. Deadlines go straight to the saga's own queue: nobody else waits for them. */
function addressed({ envelope, enqueueAt }: SagaOutput): OutgoingMessage {
  const common = {
    envelope,
    messageId: envelope.id,
    ...(enqueueAt === undefined ? {} : { enqueueAt }),
  };
  if (envelope.type === 'landfall.stage.expire.v1') {
    return { ...common, destination: { kind: 'queue', name: SAGA_QUEUE } };
  }
  if (messageDefinition(envelope.type)?.kind === 'command') {
    return {
      ...common,
      destination: { kind: 'topic', name: COMMANDS_TOPIC },
      consumer: consumerOf(envelope.type),
    };
  }
  return { ...common, destination: { kind: 'topic', name: EVENTS_TOPIC } };
}

/** One custom event per ended stage, with how long it took, and one per changed state of the measurement. */
function reportChange(
  telemetry: Telemetry,
  input: SagaInput,
  state: IngestionState,
  events: readonly SagaEvent[],
): void {
  const about = {
    measurementId: state.measurementId,
    fleet: state.fleet,
    generation: state.generation,
    input: input.type,
  };
  for (const event of events) {
    if (event.kind === 'stage-ended') {
      const { commandedAt } = state.stages[event.stage];
      const durationMs = commandedAt === undefined ? 0 : Date.parse(event.at) - Date.parse(commandedAt);
      report(
        telemetry,
        'stage ended',
        { ...about, stage: event.stage, outcome: event.outcome ?? 'failed' },
        { durationMs },
      );
    } else if (event.kind === 'refused') {
      telemetry.event('request refused', { ...about, request: event.request, actor: event.actor });
    }
  }
  if (events.length > 0) report(telemetry, 'measurement changed', { ...about, state: state.state }, {});
}
