/** A link on which the client receives: deliveries out, settlements in. */
import type { Broker, ReceivableNode, Settlement } from './broker.ts';
import type { FaultEffect } from './faults.ts';
import { encodeForDelivery, swapGuidByteOrder } from './message-codec.ts';
import type { StoredMessage } from './message-queue.ts';
import type { Consumer } from './queue-node.ts';
import {
  ACCEPTED,
  messageCodec,
  type RemoteOutcome,
  type RheaDelivery,
  type RheaSender,
  rejectedWith,
} from './rhea-internals.ts';
import { ServiceBusError, serverBusy } from './service-bus-error.ts';

const PRE_SETTLED = 1;
const DELIVERY_FORMAT = 0;

export type OutcomeName = 'accepted' | 'rejected' | 'released' | 'modified';

export class ReceiverLink implements Consumer {
  readonly mode: Consumer['mode'];
  readonly #link: RheaSender;
  readonly #target: ReceivableNode;
  readonly #broker: Broker;
  readonly #tokens = new Map<RheaDelivery, string>();
  /** Messages given to rhea so far. rhea lowers `credit` only when a frame is written, so credit is counted here. */
  #sentCount = 0;
  /** Removed from the queue, and sent as soon as the removal is on disk. */
  #promisedCount = 0;
  #answersUnderWay = 0;
  #isDetachHeld = false;
  #isClosed = false;

  constructor(link: RheaSender, target: ReceivableNode, broker: Broker) {
    this.#link = link;
    this.#target = target;
    this.#broker = broker;
    this.mode = link.snd_settle_mode === PRE_SETTLED ? 'receiveAndDelete' : 'peekLock';
    this.#answerDrains();
  }

  get entityPath(): string {
    return this.#target.entity.path;
  }

  credit(): number {
    if (this.#isClosed || !this.#link.is_open()) return 0;
    const granted = this.#link.credit + this.#link.delivery_count - this.#sentCount;
    return Math.min(granted, this.#link.session.outgoing.available()) - this.#promisedCount;
  }

  deliver(message: StoredMessage): void {
    if (this.mode === 'peekLock') {
      this.#send(message);
      return;
    }
    this.#promisedCount++;
    this.#broker.whenStored(() => {
      this.#promisedCount--;
      if (this.#isClosed) return;
      this.#send(message);
      this.pause();
    });
  }

  pause(): void {
    if (!this.#link._draining || this.#promisedCount > 0 || !this.#link.is_open()) return;
    this.#link.set_drained(true);
    this.#link.connection._register();
  }

  detach(reason: ServiceBusError): void {
    this.#link.close(reason.asAmqpError());
    this.close();
  }

  /** New credit or a drain request came in. */
  flow(): void {
    this.#broker.serve(this.#target.node);
  }

  settle(delivery: RheaDelivery, name: OutcomeName, effect: FaultEffect | undefined): void {
    const token = this.#tokens.get(delivery);
    if (token === undefined) return;
    this.#tokens.delete(delivery);
    this.#answersUnderWay++;
    if (effect === undefined || effect.delayMs === 0) this.#conclude(delivery, token, name, effect);
    else setTimeout(() => this.#conclude(delivery, token, name, effect), effect.delayMs).unref();
  }

  /**
   * The client detached. Our own detach waits until settlements under way are answered; without that the SDK's promises
   * for them hang until they time out.
   */
  peerDetached(): void {
    if (this.#answersUnderWay > 0) {
      this.#isDetachHeld = true;
      this.#link.close = () => undefined;
      this.#link.remove = () => undefined;
    }
    this.close();
  }

  /** Stops deliveries. Messages that are locked stay locked until their lock expires, as in Service Bus. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#broker.detach(this.#target.node, this);
    for (const delivery of this.#tokens.keys()) forget(delivery);
    this.#tokens.clear();
  }

  #send(message: StoredMessage): void {
    const lock = message.lock;
    const payload = encodeForDelivery(message.content, {
      ...message,
      lockedUntil: this.mode === 'peekLock' ? lock?.until : undefined,
    });
    this.#sentCount++;
    if (this.mode === 'receiveAndDelete' || lock === undefined) {
      this.#link.send(payload, Buffer.from(String(this.#sentCount)), DELIVERY_FORMAT);
      return;
    }
    const tag = swapGuidByteOrder(Buffer.from(lock.token, 'hex'));
    this.#tokens.set(this.#link.send(payload, tag, DELIVERY_FORMAT), lock.token);
  }

  #conclude(delivery: RheaDelivery, token: string, name: OutcomeName, effect: FaultEffect | undefined): void {
    const refusal = effect?.isBusy
      ? serverBusy()
      : this.#apply(token, settlementOf(name, delivery.remote_state));
    this.#broker.whenStored(() => {
      if (effect?.dropsConnection) this.#link.connection.socket.destroy();
      else if (effect?.losesAnswer || this.#link.connection.socket.destroyed) forget(delivery);
      else answer(delivery, name, refusal);
      this.#answersUnderWay--;
      this.#releaseDetach();
    });
  }

  #apply(token: string, settlement: Settlement): ServiceBusError | undefined {
    try {
      this.#broker.settle(this.#target, token, settlement);
      return undefined;
    } catch (error) {
      if (error instanceof ServiceBusError) return error;
      throw error;
    }
  }

  #releaseDetach(): void {
    if (!this.#isDetachHeld || this.#answersUnderWay > 0) return;
    this.#isDetachHeld = false;
    const link = this.#link;
    Reflect.deleteProperty(link, 'close');
    Reflect.deleteProperty(link, 'remove');
    link.close();
    process.nextTick(() => process.nextTick(() => link.remove()));
  }

  /** rhea answers a drain only when credit is left; Service Bus clients wait for the answer in every case. */
  #answerDrains(): void {
    const link = this.#link;
    link._get_drain = () => {
      if (!link._draining || !link._drained) return false;
      link.delivery_count += link.credit;
      link.credit = 0;
      this.#sentCount = link.delivery_count;
      link._draining = false;
      return true;
    };
  }
}

/** What the client's outcome means (reference: complete, abandon, defer, dead-letter of the SDKs). */
function settlementOf(name: OutcomeName, state: RemoteOutcome | undefined): Settlement {
  if (name === 'accepted') return { kind: 'complete' };
  if (name === 'released') return { kind: 'abandon', changes: {} };
  if (name === 'modified') {
    const changes = state?.message_annotations ?? {};
    return { kind: state?.undeliverable_here ? 'defer' : 'abandon', changes };
  }
  const { DeadLetterReason, DeadLetterErrorDescription, ...changes } = state?.error?.info ?? {};
  const condition = state?.error?.condition;
  return {
    kind: 'deadLetter',
    reason: textOf(DeadLetterReason) ?? (condition === 'com.microsoft:dead-letter' ? undefined : condition),
    description: textOf(DeadLetterErrorDescription) ?? textOf(state?.error?.description),
    changes,
  };
}

function textOf(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}

/**
 * Service Bus answers a settlement with the outcome it applied, which the Python SDK compares with what it asked for. An
 * error in the answer means that it was refused, so the client's own reason for a dead letter is not sent back.
 */
function answer(delivery: RheaDelivery, name: OutcomeName, refusal: ServiceBusError | undefined): void {
  delivery.update(
    true,
    refusal === undefined ? appliedOutcome(name, delivery.remote_state) : rejectedWith(refusal.asAmqpError()),
  );
  // The SDKs never settle back; without this rhea keeps the slot and stalls after 2048 deliveries.
  delivery.remote_settled = true;
}

function appliedOutcome(name: OutcomeName, state: RemoteOutcome | undefined): object {
  switch (name) {
    case 'accepted':
      return ACCEPTED;
    case 'released':
      return messageCodec.released().described();
    case 'modified':
      return messageCodec.modified({ undeliverable_here: Boolean(state?.undeliverable_here) }).described();
    case 'rejected':
      return messageCodec.rejected({}).described();
  }
}

/** Frees rhea's slot of a delivery without a word to the client. */
function forget(delivery: RheaDelivery): void {
  delivery.settled = true;
  delivery.remote_settled = true;
}
