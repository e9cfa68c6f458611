import assert from 'node:assert/strict';
import { type DataOf, type Envelope, type MessageType, parseMessage } from '#domain/messages.ts';
import type { OutgoingMessage } from '#domain/ports/message-sender.ts';
import type { Recording, Stage } from '#domain/vocabulary.ts';
import { decide, isSagaInput } from '#saga/ingestion.ts';
import { evolve, type IngestionState, initialState, type SagaEvent } from '#saga/ingestion-state.ts';
import { changeOf } from '#saga/saga-manager.ts';
import {
  isStageCommand,
  measurementIdOfRecording,
  receivedOf,
  recordingOf,
  type StageCommand,
  succeededOf,
} from '#test/simulation/scripted-stage.ts';

export const NOON = new Date('2026-05-04T12:00:00Z');

/** One measurement whose saga is told things, one after the other, and that keeps what it said. */
export class Journey {
  readonly recording: Recording;
  readonly measurementId: string;
  readonly said: OutgoingMessage[] = [];
  readonly documents = new Map<string, Record<string, unknown>>();
  now = NOON;
  state: IngestionState;
  #inputCount = 0;

  constructor(recording = recordingOf()) {
    this.recording = recording;
    this.measurementId = measurementIdOfRecording(recording);
    this.state = initialState({
      measurementId: this.measurementId,
      fleet: recording.fleet,
      region: recording.region,
    });
  }

  /** @returns the events the input led to. */
  tell(input: Envelope): readonly SagaEvent[] {
    assert.ok(isSagaInput(input), `${input.type} is not for the saga`);
    const events = decide(this.state, input, this.now);
    const change = changeOf(this.state, input, events, this.now, `etag-${++this.#inputCount}`);
    for (const { message } of change.outputs) {
      const parsed = parseMessage(JSON.parse(JSON.stringify(message.envelope)));
      assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
      this.said.push(message);
    }
    for (const document of change.documents) this.documents.set(`${document.kind} ${document.id}`, document);
    this.state = change.state;
    return events;
  }

  receive(filesHash = 'files-1', recording = this.recording): readonly SagaEvent[] {
    return this.tell(receivedOf(recording, filesHash, this.now));
  }

  /** The last command to a stage. */
  command(stage: Stage): StageCommand {
    const found = this.said
      .map((message) => message.envelope)
      .filter(isStageCommand)
      .findLast((envelope) => envelope.data.stage === stage);
    assert.ok(found, `no command to ${stage}`);
    return found;
  }

  succeed(stage: Stage, outcome: 'succeeded' | 'partial' | 'skipped' = 'succeeded'): readonly SagaEvent[] {
    return this.tell(succeededOf(this.command(stage), this.now, outcome));
  }

  /** Drives the measurement through the stages up to and including `last`. */
  throughTo(last: Stage): this {
    if (this.state.recording === undefined) this.receive();
    for (const stage of STAGE_ORDER.slice(0, STAGE_ORDER.indexOf(last) + 1)) {
      if (this.state.stages[stage].state === 'Running') this.succeed(stage);
    }
    return this;
  }

  saidOf(type: string) {
    return this.said.map((message) => message.envelope).filter((envelope) => envelope.type === type);
  }

  /** What the last message of a type said. */
  lastDataOf<T extends MessageType>(type: T): DataOf<T> {
    const envelope = this.saidOf(type).at(-1);
    assert.ok(envelope, `nobody said ${type}`);
    return envelope.data as DataOf<T>;
  }

  dataStreamStates(kind: string): readonly string[] {
    return this.saidOf('landfall.data-stream.state-changed.v1')
      .map((envelope) => envelope.data as DataOf<'landfall.data-stream.state-changed.v1'>)
      .filter((data) => data.kind === kind)
      .map((data) => data.state);
  }

  measurementDocument(): Record<string, unknown> {
    const document = this.documents.get(`measurement ${this.measurementId}`);
    assert.ok(document, 'the measurement has no document');
    return document;
  }
}

const STAGE_ORDER: readonly Stage[] = [
  'validate',
  'register',
  'copy',
  'extract',
  'sync',
  'enrich',
  'scene-detect',
  'share',
];

/** The state that a history of events leads to. */
export function replay(before: IngestionState, events: readonly SagaEvent[]): IngestionState {
  return events.reduce(evolve, before);
}
