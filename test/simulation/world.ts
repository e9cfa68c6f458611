import type { BlobEvent } from '#domain/blob-event.ts';
import { isFailure, TerminalFailure } from '#domain/failures.ts';
import { measurementIdOf } from '#domain/identity.ts';
import type { Envelope } from '#domain/messages.ts';
import type { BlobProperties } from '#domain/ports/blob-store.ts';
import type { MessageSender, OutgoingMessage } from '#domain/ports/message-sender.ts';
import {
  COMMANDS_TOPIC,
  CUSTODY_QUEUE,
  EVENTS_TOPIC,
  FAILED_MESSAGES_QUEUE,
  LANDING_QUEUE,
  SAGA_QUEUE,
} from '#domain/topology.ts';
import { type BlobLocation, type BlobReference, STAGES } from '#domain/vocabulary.ts';
import { Landing } from '#handlers/landing.ts';
import { collectDeadLetter } from '#handlers/operations/collect-dead-letters.ts';
import { relayOutbox } from '#handlers/operations/relay-outbox.ts';
import { replayDeadLetters } from '#handlers/operations/replay-dead-letters.ts';
import { sweepDeadlines } from '#handlers/operations/sweep-deadlines.ts';
import { sweepLanding } from '#handlers/operations/sweep-landing.ts';
import type { IngestionState } from '#saga/ingestion-state.ts';
import { SagaManager } from '#saga/saga-manager.ts';
import { type ConsumerPorts, consume } from './consumer.ts';
import { MemoryBlobStore, sha256Of } from './fakes/memory-blob-store.ts';
import { type BrokerMessage, MemoryBroker } from './fakes/memory-broker.ts';
import { MemoryFailedMessageStore } from './fakes/memory-failed-message-store.ts';
import { MemoryLandingStore } from './fakes/memory-landing-store.ts';
import { QuietTelemetry } from './fakes/quiet-telemetry.ts';
import { Faults } from './faults.ts';
import { type Mutant, markFirst, SimulatedSagaStore } from './mutants.ts';
import {
  inventoryOf,
  locationIn,
  remove,
  touch,
  touchedContentIn,
  type UploadedFolder,
  upload,
} from './recordings.ts';
import { type Process, Scheduler } from './scheduler.ts';
import {
  failedOf,
  messageOf,
  rejectedOf,
  type StageCommand,
  startedOf,
  succeededOf,
} from './scripted-stage.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedCustody } from './simulated-custody.ts';
import { type StageVerdict, type Story, type StoryAction, storyOf } from './stories.ts';

const START_MS = Date.parse('2026-05-04T08:00:00Z');
const MINUTE_MS = 60_000;
const STEPS_MAX = 40_000;

export interface Told {
  readonly story: Story;
  readonly folder: UploadedFolder;
  readonly measurementId: string;
  actionsDone: number;
}

/** The whole of Landfall between Event Grid and Batch, on fakes, with one seed for everything that is left to chance. */
export class World {
  readonly random: SeededRandom;
  readonly scheduler: Scheduler;
  readonly broker: MemoryBroker;
  readonly faults: Faults;
  readonly sagas: SimulatedSagaStore;
  readonly failed = new MemoryFailedMessageStore();
  readonly landing = new MemoryLandingStore();
  readonly blobs: MemoryBlobStore;
  readonly telemetry = new QuietTelemetry();
  readonly told: Told[] = [];
  readonly mistakes: string[] = [];
  /** `<queue> <CloudEvents id>` of every message that was handled well. */
  readonly handled = new Set<string>();
  readonly replayed: { readonly queue: string; readonly cloudEventId: string }[] = [];
  readonly isRelayOn: boolean;
  readonly #mutant: Mutant | undefined;
  readonly #wakeRelay: (() => void)[] = [];
  readonly #custody: SimulatedCustody;
  /** How attempts to validate and to copy ended, by their command. */
  readonly #verdicts = new Map<string, StageVerdict>();
  /** What validation saw in Landing, by its command. */
  readonly #ledgers = new Map<string, readonly BlobProperties[]>();
  #replayCount = 1;
  #outageUntilMs = 0;
  #outageQueue: string | undefined;

  constructor(
    seed: number,
    mutant?: Mutant,
    /** Off for the mutant whose mistake the relay alone would heal. */
    isRelayOn = mutant !== 'complete-before-dispatch',
  ) {
    this.isRelayOn = isRelayOn;
    this.#mutant = mutant;
    this.random = new SeededRandom(seed);
    this.scheduler = new Scheduler(this.random, START_MS);
    const chance = () => this.random.next();
    this.broker = new MemoryBroker({
      now: () => this.scheduler.now(),
      after: (ms, run) => this.scheduler.after(ms, run),
      chance,
      lockMs: MINUTE_MS,
      deliveryCountMax: 10,
      duplicateDetectionMs:
        mutant === 'replay-keeps-message-id' || this.random.chance(0.5) ? 24 * 60 * MINUTE_MS : 0,
      duplicateProbability: 0.05,
    });
    const plan = { probability: 0.03, countMax: this.random.below(12) };
    this.faults = new Faults(this.scheduler, this.random, plan, this.broker, (process) => {
      this.scheduler.after(1000 + this.random.below(20_000), () => this.#start(process.name));
    });
    this.blobs = new MemoryBlobStore(() => this.scheduler.now());
    this.#custody = new SimulatedCustody({
      ...this,
      mutant,
      start: (name) => this.#start(name),
      announce: (events) => this.#announce(events),
    });
    this.sagas = new SimulatedSagaStore({
      mutant,
      onCommit: (state) => this.#afterCommit(state),
      isStale: () => this.random.chance(0.02),
    });
  }

  /** @returns whether everything came to rest, with every story over. */
  async run(): Promise<boolean> {
    if (this.random.chance(0.3) || this.#mutant === 'replay-keeps-message-id') {
      this.#outageQueue = this.random.pick([...STAGES, SAGA_QUEUE]);
      this.#outageUntilMs = START_MS + this.random.below(90) * MINUTE_MS;
    }
    const count = this.random.chance(0.3) ? 2 : 1;
    for (let number = 1; number <= count; number++) this.#tell(`drive-${number}`);
    for (const name of PROCESSES) this.#start(name);
    return this.scheduler.run(() => this.#isAtRest(), STEPS_MAX);
  }

  #isAtRest(): boolean {
    if (this.broker.activeCount() > 0 || this.#wakeRelay.length === 0) return false;
    if (this.isRelayOn && this.sagas.undispatchedCount() > 0) return false;
    if (this.failed.openCount() > 0 || !this.#custody.isAtRest()) return false;
    return this.told.every(({ story, measurementId, actionsDone }) => {
      const state = this.sagas.stateOf(measurementId);
      return state !== undefined && actionsDone === story.actions.length && story.isOver(state);
    });
  }

  /** Why the world is not at rest, for whoever repeats a seed. */
  unrest(): string {
    const stories = this.told.map(({ story, measurementId, actionsDone }) => {
      const state = this.sagas.stateOf(measurementId);
      return `${story.name} (${actionsDone} actions): ${state?.state} ${state?.generation}`;
    });
    return `${this.broker.activeCount()} messages, ${this.sagas.undispatchedCount()} outputs, ${this.failed.openCount()} dead letters; ${stories.join('; ')}`;
  }

  // Outside -----------------------------------------------------------------------------------------------------

  #tell(recordingId: string): void {
    const folder = { fleet: 'north', recordingId };
    const measurementId = measurementIdOf(folder.fleet, recordingId);
    const told: Told = { story: storyOf(this.random), folder, measurementId, actionsDone: 0 };
    this.told.push(told);
    this.scheduler.after(
      this.random.below(MINUTE_MS),
      () => void this.#act(told, { kind: 'upload', version: 1 }),
    );
  }

  async #act(told: Told, action: StoryAction): Promise<void> {
    const { folder } = told;
    const identity = [told.measurementId, action.kind, told.actionsDone];
    const time = this.scheduler.now();
    const about = { measurementId: told.measurementId, actor: 'ann', reason: 'because' };
    switch (action.kind) {
      case 'upload':
        this.#announce(await upload(this.blobs, folder, action.version));
        return;
      case 'touch':
        this.#announce([await touch(this.blobs, folder, action.content)]);
        return;
      case 'cancel':
        await this.#command(messageOf('landfall.measurement.cancel.v1', about, { identity, time }));
        return;
      case 'rerun': {
        const data = { ...about, fromStage: action.fromStage };
        await this.#command(messageOf('landfall.measurement.rerun.v1', data, { identity, time }));
        return;
      }
      case 'rehydrate': {
        const data = { ...about, priority: 'High' } as const;
        await this.#command(messageOf('landfall.measurement.rehydrate.v1', data, { identity, time }));
      }
    }
  }

  async #command(envelope: Envelope): Promise<void> {
    const destination = { kind: 'topic', name: COMMANDS_TOPIC } as const;
    await this.broker.send([{ destination, envelope, messageId: envelope.id, consumer: SAGA_QUEUE }]);
  }

  /** Event Grid: late, in any order, sometimes twice, now and then not at all. */
  #announce(events: readonly BlobEvent[]): void {
    let lostCount = 0;
    for (const event of events) {
      if (lostCount === 0 && this.random.chance(0.02)) {
        lostCount++;
        continue;
      }
      const copies = this.random.chance(0.1) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        const messageId = `eg-${this.scheduler.stepCount}-${this.random.below(1e9)}`;
        const message = { messageId, body: event, cloudEventId: messageId, copyNumber: 0, failureCount: 0 };
        this.scheduler.after(this.random.below(30_000), () => this.broker.enqueue(LANDING_QUEUE, message, 0));
      }
    }
  }

  #afterCommit(state: IngestionState): void {
    for (const wake of this.#wakeRelay.splice(0)) wake();
    const told = this.told.find((candidate) => candidate.measurementId === state.measurementId);
    const next = told?.story.actions[told.actionsDone];
    if (told !== undefined && next?.when(state)) {
      told.actionsDone++;
      this.scheduler.after(this.random.below(10_000), () => void this.#act(told, next.action));
    }
  }

  // Processes ---------------------------------------------------------------------------------------------------

  #start(name: string): void {
    const process: Process = { name, alive: true, inHand: new Set() };
    const loops = this.#loopsOf(process);
    for (const loop of loops) {
      loop.catch((error: unknown) => this.mistakes.push(`${name} died of ${String(error)}`));
    }
  }

  #loopsOf(process: Process): readonly Promise<never>[] {
    const kind = process.name.split('-')[0];
    switch (kind) {
      case 'saga':
        return [this.#runSaga(process)];
      case 'landing':
        return [this.#runLanding(process)];
      case 'relay':
        return [this.#runRelay(process)];
      case 'sweeps':
        return [this.#runDeadlineSweep(process), this.#runLandingSweep(process)];
      case 'failures':
        return [this.#runCollector(process), this.#runReplay(process)];
      case 'expiry':
        return [this.#runExpiry(process)];
      case 'batch':
        return [this.#custody.runTasks(process)];
      default:
        return [
          ...STAGES.map((stage) =>
            this.#consume(process, stage, (message) => this.#execute(process, message)),
          ),
          this.#consume(process, CUSTODY_QUEUE, (message) => this.#keep(process, message)),
        ];
    }
  }

  #consume<R>(
    process: Process,
    queue: string,
    handle: (message: BrokerMessage) => Promise<R>,
    afterComplete?: (message: BrokerMessage, result: R) => Promise<void>,
  ): Promise<never> {
    const ports: ConsumerPorts = {
      scheduler: this.scheduler,
      broker: this.broker,
      faults: this.faults,
      onHandled: (name, { cloudEventId }) => this.handled.add(`${name} ${cloudEventId}`),
      onMistake: (error, { body }) =>
        this.mistakes.push(`${process.name}: ${String(error)} on ${JSON.stringify(body).slice(0, 200)}`),
    };
    const guarded = async (message: BrokerMessage): Promise<R> => {
      if (queue === this.#outageQueue && this.scheduler.now().getTime() < this.#outageUntilMs) {
        throw new TerminalFailure('message-invalid', 'a release that cannot read anything');
      }
      return handle(message);
    };
    return consume(ports, process, queue, guarded, afterComplete);
  }

  #around<P extends object>(process: Process, name: string, port: P): P {
    return this.faults.around(process, name, port);
  }

  #sagaPorts(process: Process) {
    const store = this.#around(process, 'sagas', this.sagas);
    const sender = this.#around(process, 'broker', this.broker);
    return this.#mutant === 'mark-before-send'
      ? { ...markFirst(store, sender), feed: store }
      : { store, sender, feed: store };
  }

  #runSaga(process: Process): Promise<never> {
    const { store, sender } = this.#sagaPorts(process);
    const clock = this.scheduler.clockOf(process);
    const chance = () => this.random.next();
    const manager = new SagaManager({ store, sender, clock, telemetry: this.telemetry, chance });
    const envelopeIn = (message: BrokerMessage) => message.body as Envelope;
    if (this.#mutant !== 'complete-before-dispatch') {
      return this.#consume(process, SAGA_QUEUE, (message) => manager.handle(envelopeIn(message)));
    }
    return this.#consume(
      process,
      SAGA_QUEUE,
      (message) => manager.record(envelopeIn(message)),
      (message, recorded) => manager.dispatch(envelopeIn(message).subject, recorded),
    );
  }

  async #runLanding(process: Process): Promise<never> {
    const landing = this.#landing(process);
    return this.#consume(process, LANDING_QUEUE, (message) => landing.handle(message.body as BlobEvent));
  }

  #landing(process: Process): Landing {
    return new Landing(
      {
        store: this.#around(process, 'landing', this.landing),
        blobs: this.#around(process, 'blobs', this.blobs),
        sender: this.#landingSender(process),
        clock: this.scheduler.clockOf(process),
        telemetry: this.telemetry,
        sha256: sha256Of,
      },
      {
        region: 'westeurope',
        waitMs: 60 * MINUTE_MS,
        defaultFleet: 'default',
        papers: { account: 'operations', container: 'tasks' },
      },
    );
  }

  #landingSender(process: Process): MessageSender {
    const sender = this.#around(process, 'broker', this.broker);
    if (this.#mutant !== 'corrections-are-not-noticed') return sender;
    const isSaid = ({ envelope }: OutgoingMessage) => envelope.type !== 'landfall.measurement.incomplete.v1';
    return { send: (messages) => sender.send(messages.filter(isSaid)) };
  }

  async #runRelay(process: Process): Promise<never> {
    const { store, sender, feed } = this.#sagaPorts(process);
    for (;;) {
      const isDone = await this.#attempt(async () => {
        if (this.isRelayOn) await relayOutbox({ feed, store, sender, telemetry: this.telemetry }, 'relay');
      });
      if (isDone) await new Promise<void>((resolve) => this.#wakeRelay.push(resolve));
      await this.scheduler.sleep(process, 1000 + this.random.below(4000));
    }
  }

  async #runDeadlineSweep(process: Process): Promise<never> {
    const deadlines = this.#around(process, 'sagas', this.sagas);
    const sender = this.#around(process, 'broker', this.broker);
    const clock = this.scheduler.clockOf(process);
    for (;;) {
      await this.scheduler.sleep(process, 30 * MINUTE_MS);
      await this.#attempt(() => sweepDeadlines({ deadlines, sender, clock }));
    }
  }

  async #runLandingSweep(process: Process): Promise<never> {
    const landing = this.#landing(process);
    const store = this.#around(process, 'landing', this.landing);
    const clock = this.scheduler.clockOf(process);
    for (;;) {
      await this.scheduler.sleep(process, 10 * MINUTE_MS);
      await this.#attempt(() => sweepLanding({ store, clock, telemetry: this.telemetry }, landing));
    }
  }

  #runCollector(process: Process): Promise<never> {
    const store = this.#around(process, 'failed', this.failed);
    const clock = this.scheduler.clockOf(process);
    const messages = this.#around(process, 'broker', this.broker);
    return this.#consume(process, FAILED_MESSAGES_QUEUE, (message) =>
      collectDeadLetter(
        { store, clock, telemetry: this.telemetry, runs: this.#custody.runs, messages },
        message,
      ),
    );
  }

  /** An operator who presses "replay all" now and then, and again when it did not work. */
  async #runReplay(process: Process): Promise<never> {
    const store = this.#around(process, 'failed', this.failed);
    const broker = this.#around(process, 'broker', this.broker);
    const resender = {
      resend: async (queue: string, body: unknown, messageId: string) => {
        const { id: cloudEventId = messageId } = body as { readonly id?: string };
        const keeps = this.#mutant === 'replay-keeps-message-id';
        await broker.resend(queue, body, keeps ? cloudEventId : messageId);
        this.replayed.push({ queue, cloudEventId });
      },
    };
    const clock = this.scheduler.clockOf(process);
    const ports = { store, resender, clock, telemetry: this.telemetry };
    const request = {
      all: true,
      why: 'the release was corrected',
      actor: 'ann',
      ratePerSecond: 50,
      dryRun: false,
    };
    for (;;) {
      await this.scheduler.sleep(process, 45 * MINUTE_MS);
      if (this.failed.openCount() === 0) continue;
      const isDone = await this.#attempt(() =>
        replayDeadLetters(ports, request, `replay-${this.#replayCount}`),
      );
      if (isDone) this.#replayCount++;
    }
  }

  /** Cosmos deleting documents whose time to live is over; only in the mutant do such documents exist. */
  async #runExpiry(process: Process): Promise<never> {
    for (;;) {
      await this.scheduler.sleep(process, 500 + this.random.below(4000));
      if (this.#mutant === 'outbox-expires') this.sagas.forgetUndispatched();
      if (this.sagas.undispatchedCount() === 0)
        await new Promise<void>((resolve) => this.#wakeRelay.push(resolve));
    }
  }

  async #attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!isFailure(error)) throw error;
      return false;
    }
  }

  // Stages and custody ------------------------------------------------------------------------------------------

  async #execute(process: Process, message: BrokerMessage): Promise<void> {
    const envelope = message.body as StageCommand;
    const told = this.told.find((candidate) => candidate.measurementId === envelope.subject);
    const { stage, generation, attempt } = envelope.data;
    const scripted = told?.story.verdict(stage, generation, attempt) ?? 'succeeded';
    const verdict = told === undefined ? scripted : await this.#verdictOf(told, envelope, scripted);
    const sender = this.#around(process, 'broker', this.broker);
    const time = this.scheduler.now();
    const isConcluding = message.messageId.startsWith('conclude');
    if (!isConcluding && this.random.chance(0.7)) await sender.send([published(startedOf(envelope, time))]);
    if (verdict === 'silent') return;
    if (!isConcluding && this.random.chance(0.5)) {
      // Its tasks are with Batch; their end is a message of its own.
      const { cloudEventId } = message;
      const later = {
        ...message,
        messageId: `conclude ${cloudEventId}`,
        cloudEventId: `conclude ${cloudEventId}`,
      };
      await this.faults.call(process, `${process.name}: batch`, async () =>
        this.broker.enqueue(stage, later, this.random.below(5 * MINUTE_MS)),
      );
      return;
    }
    if (stage === 'copy' && verdict === 'succeeded') await this.#clearLanding(this.#ledgerOf(envelope));
    const answer =
      verdict === 'rejects'
        ? rejectedOf(envelope, time)
        : verdict === 'fails' || verdict === 'fails-for-good'
          ? failedOf(envelope, verdict === 'fails', time)
          : withLedger(succeededOf(envelope, time, verdict), envelope.id);
    await sender.send([published(answer)]);
  }

  /** Validation looks at what is there, and the copy needs just those versions. Asked again, both say the same. */
  async #verdictOf(told: Told, command: StageCommand, scripted: StageVerdict): Promise<StageVerdict> {
    const { stage } = command.data;
    if (scripted !== 'succeeded' || (stage !== 'validate' && stage !== 'copy')) return scripted;
    const known = this.#verdicts.get(command.id);
    if (known !== undefined) return known;
    const verdict =
      stage === 'validate' ? await this.#validate(told, command.id) : await this.#copy(told, command);
    this.#verdicts.set(command.id, verdict);
    return verdict;
  }

  async #validate(told: Told, commandId: string): Promise<StageVerdict> {
    const content = await touchedContentIn(this.blobs, told.folder);
    if (content === undefined || told.story.isRight?.(content) === false) return 'rejects';
    this.#ledgers.set(commandId, await inventoryOf(this.blobs, told.folder));
    return 'succeeded';
  }

  async #copy(told: Told, command: StageCommand): Promise<StageVerdict> {
    for (const { location, eTag } of this.#ledgerOf(command)) {
      const now = await this.blobs.head(location);
      if (now?.eTag !== eTag) return 'fails';
      await this.#archive(told, location);
    }
    return 'succeeded';
  }

  /** Nothing leaves a folder with another version of one of its files, as in the container. */
  async #clearLanding(ledger: readonly BlobProperties[]): Promise<void> {
    for (const { location, eTag } of ledger) {
      const now = await this.blobs.head(location);
      if (now !== undefined && now.eTag !== eTag) return;
    }
    this.#announce(await remove(this.blobs, ledger));
  }

  #ledgerOf({ data }: StageCommand): readonly BlobProperties[] {
    const { ledger } = data as { readonly ledger?: BlobReference };
    return this.#ledgers.get(ledger?.path ?? '') ?? [];
  }

  async #archive(told: Told, location: BlobLocation): Promise<void> {
    const path = location.path.slice(locationIn(told.folder, '').path.length);
    const copy = {
      account: 'archive1',
      container: 'recordings',
      path: `${told.measurementId}/${path}`,
    };
    await this.blobs.write(copy, await this.blobs.read(location), { contentType: 'application/x' });
  }

  async #keep(process: Process, message: BrokerMessage): Promise<void> {
    const envelope = message.body as Envelope;
    const told = this.told.find((candidate) => candidate.measurementId === envelope.subject);
    if (envelope.type !== 'landfall.measurement.restore.v1') {
      await this.#custody.handle(process, envelope);
      return;
    }
    const { measurementId, generation, number } = envelope.data;
    if (told?.story.restoreFails?.(number)) {
      const reason = { code: 'not-found', message: 'there is nothing to restore' };
      const failed = { measurementId, generation, number, reason };
      const sender = this.#around(process, 'broker', this.broker);
      const options = { identity: [envelope.id], time: this.scheduler.now() };
      await sender.send([published(messageOf('landfall.restore.failed.v1', failed, options))]);
      return;
    }
    const { after: _, ...hasty } = envelope.data;
    const data = this.#mutant === 'restore-does-not-wait' ? hasty : envelope.data;
    await this.#custody.handle(process, { ...envelope, data });
  }
}

const PROCESSES = [
  'saga-1',
  'saga-2',
  'landing-1',
  'landing-2',
  'relay-1',
  'sweeps-1',
  'failures-1',
  'stages-1',
  'stages-2',
  'expiry-1',
];

function published(envelope: Envelope): OutgoingMessage {
  return { destination: { kind: 'topic', name: EVENTS_TOPIC }, envelope, messageId: envelope.id };
}

/** A validation's answer with a ledger of its own. */
function withLedger(answer: Envelope, commandId: string): Envelope {
  if (answer.type !== 'landfall.measurement.validated.v1') return answer;
  return { ...answer, data: { ...answer.data, ledger: { ...answer.data.ledger, path: commandId } } };
}
