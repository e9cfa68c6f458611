/** A link on which the client sends messages to a queue or topic. */
import type { Broker } from './broker.ts';
import type { PublishableEntity } from './entity.ts';
import { MAX_MESSAGE_SIZE_BYTES } from './entity-description.ts';
import type { FaultEffect } from './faults.ts';
import { BATCH_MESSAGE_FORMAT, parseMessage, splitBatch } from './message-codec.ts';
import { ACCEPTED, type RheaDelivery, type RheaReceiver, rejectedWith } from './rhea-internals.ts';
import { messageTooLarge, ServiceBusError, serverBusy } from './service-bus-error.ts';

export class PublisherLink {
  readonly #link: RheaReceiver;
  readonly #entity: PublishableEntity;
  readonly #broker: Broker;

  constructor(link: RheaReceiver, entity: PublishableEntity, broker: Broker) {
    this.#link = link;
    this.#entity = entity;
    this.#broker = broker;
  }

  get entityPath(): string {
    return this.#entity.path;
  }

  /** One transfer: a message, or a batch that is taken whole or not at all. Answered once it is on disk. */
  receive(
    delivery: RheaDelivery,
    bytes: Buffer,
    messageFormat: number | undefined,
    effect: FaultEffect | undefined,
  ): void {
    const refusal = effect?.isBusy ? serverBusy() : this.#publish(bytes, messageFormat);
    this.#broker.whenStored(() => {
      if (effect?.dropsConnection) this.#link.connection.socket.destroy();
      else if (effect?.losesAnswer) delivery.settled = true;
      else if (refusal === undefined) delivery.update(true, ACCEPTED);
      else {
        delivery.update(true, rejectedWith(refusal.asAmqpError()));
      }
    });
  }

  #publish(bytes: Buffer, messageFormat: number | undefined): ServiceBusError | undefined {
    try {
      if (bytes.length > MAX_MESSAGE_SIZE_BYTES) throw messageTooLarge(bytes.length, MAX_MESSAGE_SIZE_BYTES);
      const messages = messageFormat === BATCH_MESSAGE_FORMAT ? splitBatch(bytes) : [bytes];
      const contents = messages.map((message) => parseMessage(withOwnMemory(message)));
      this.#broker.publish(this.#entity, contents);
      return undefined;
    } catch (error) {
      if (error instanceof ServiceBusError) return error;
      throw error;
    }
  }
}

/**
 * A message that waits must not keep the piece of network traffic it came in, nor Node's pool of small buffers
 * (64 KiB each), of which a usual copy is a part.
 */
function withOwnMemory(message: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(message.length);
  message.copy(own);
  return own;
}
