import type { ServiceBusClient, ServiceBusMessage, ServiceBusSender } from '@azure/service-bus';
import { TerminalFailure } from '#domain/failures.ts';
import type { MessageResender, MessageSender, OutgoingMessage } from '#domain/ports/message-sender.ts';
import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import { timedCall } from '../timed-call.ts';
import { connectServiceBus, type ServiceBusAccess, serviceBusFailure } from './service-bus-connection.ts';
import { wireMessageOf } from './wire-message.ts';

/** Sends in batches as large as the entity takes, one sender link per topic or queue. */
export class ServiceBusMessageSender implements MessageSender, MessageResender {
  readonly #client: ServiceBusClient;
  readonly #senders = new Map<string, ServiceBusSender>();

  readonly #calls: ServiceCalls | undefined;

  /** `calls` is told of every send. */
  constructor(access: ServiceBusAccess, calls?: ServiceCalls) {
    this.#client = connectServiceBus(access);
    this.#calls = calls;
  }

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    const byEntity = Map.groupBy(messages, ({ destination }) => destination.name);
    await Promise.all([...byEntity].map(([entity, sent]) => this.#say(entity, sent.map(wireMessageOf))));
  }

  async resend(queue: string, body: unknown, messageId: string): Promise<void> {
    await this.#say(queue, [{ body, messageId, contentType: 'application/json' }]);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  #say(entity: string, messages: readonly ServiceBusMessage[]): Promise<void> {
    const name = { service: 'Service Bus', operation: 'send', target: entity } as const;
    return timedCall(this.#calls, name, () => this.#sendTo(entity, messages));
  }

  async #sendTo(entity: string, messages: readonly ServiceBusMessage[]): Promise<void> {
    let sender = this.#senders.get(entity);
    if (sender === undefined) {
      sender = this.#client.createSender(entity);
      this.#senders.set(entity, sender);
    }
    try {
      if (messages.length === 1) await sender.sendMessages(messages[0]!);
      else await sendInBatches(sender, entity, messages);
    } catch (error) {
      if (error instanceof TerminalFailure) throw error;
      if ((error as { code?: unknown }).code === 'MessageSizeExceeded')
        throw tooLarge(entity, messages[0]!, error);
      // The next send opens a new link: one that failed for good would fail again.
      this.#senders.delete(entity);
      await sender.close().catch(() => undefined);
      throw serviceBusFailure(error, `${messages.length} messages to ${entity} were not all accepted`);
    }
  }
}

async function sendInBatches(
  sender: ServiceBusSender,
  entity: string,
  messages: readonly ServiceBusMessage[],
): Promise<void> {
  let batch = await sender.createMessageBatch();
  for (const message of messages) {
    if (batch.tryAddMessage(message)) continue;
    if (batch.count > 0) await sender.sendMessages(batch);
    batch = await sender.createMessageBatch();
    if (!batch.tryAddMessage(message)) throw tooLarge(entity, message);
  }
  if (batch.count > 0) await sender.sendMessages(batch);
}

function tooLarge(entity: string, message: ServiceBusMessage, cause?: unknown): TerminalFailure {
  return new TerminalFailure(
    'message-invalid',
    `Message ${String(message.messageId)} (${message.subject}) is larger than ${entity} takes. Put the long part into a blob and refer to it.`,
    { cause },
  );
}
