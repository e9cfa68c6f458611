import { QueueCounts } from '#adapters/azure/service-bus/queue-counts.ts';
import { QueueReceiver } from '#adapters/azure/service-bus/service-bus-receiver.ts';
import { afterFailure, type Delivery } from '#domain/after-failure.ts';
import { TerminalFailure } from '#domain/failures.ts';
import { type Envelope, parseMessage } from '#domain/messages.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import type { Role } from './role.ts';
import { serviceBusAccessOf } from './service-bus.ts';
import type { Settings } from './settings.ts';

/** How long what is in hand may take to end when the process stops. */
const DRAIN_MS = 10_000;

/** A message as its queue delivers it; landing's are no CloudEvents of ours. */
export interface QueuedMessage {
  readonly body: unknown;
  readonly traceparent?: string;
  readonly deadLetter?: { readonly queue: string; readonly reason: string; readonly description: string };
  readonly messageId: string;
  readonly cloudEventId: string;
}

export interface ConsumerPorts {
  readonly settings: Settings;
  readonly telemetry: Telemetry;
}

/** Consumes a queue of whatever bodies. */
export function consumerRole(
  ports: ConsumerPorts,
  queue: string,
  concurrency: number,
  handle: (message: QueuedMessage, signal: AbortSignal) => Promise<void>,
): Role {
  const { settings, telemetry } = ports;
  const delaysMs = settings.timings.retryDelaysSeconds.map((seconds) => seconds * 1000);
  const access = serviceBusAccessOf(settings);
  const counts = new QueueCounts(access);
  const receiver = new QueueReceiver({
    access,
    queue,
    concurrency,
    telemetry,
    handle,
    // Locked messages are in the total only; those that are scheduled are not to be received yet.
    messageCount: async (name) => {
      const { total, scheduled, deadLetter } = await counts.queue(name);
      return total - scheduled - deadLetter;
    },
    decide: (error: unknown, delivery: Delivery) => afterFailure(error, delivery, delaysMs),
  });
  return {
    name: queue,
    async start() {
      receiver.start();
    },
    stop: () => receiver.stop(DRAIN_MS),
  };
}

/** Consumes a queue of our own messages. */
export function messageRole(
  ports: ConsumerPorts,
  queue: string,
  concurrency: number,
  handle: (message: Envelope, signal: AbortSignal) => Promise<unknown>,
): Role {
  return consumerRole(ports, queue, concurrency, async ({ body, traceparent }, signal) => {
    const parsed = parseMessage(body);
    if (!parsed.ok)
      throw new TerminalFailure('message-invalid', `${parsed.problem}; nobody here can handle it`);
    // What the handler sends continues the span it runs in.
    const envelope = traceparent === undefined ? parsed.envelope : { ...parsed.envelope, traceparent };
    await handle(envelope as Envelope, signal);
  });
}
