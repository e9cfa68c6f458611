import { ServiceBusClient } from '@azure/service-bus';

/** A domain event of Landfall: CloudEvents 1.0; `data` is what docs/schemas/<type>.json says. */
export interface DomainEvent {
  readonly id: string;
  readonly type: string;
  /** The measurement. */
  readonly subject: string;
  /** Order within one measurement; ten digits, so that text order is number order. */
  readonly sequence: string;
  readonly time: string;
  readonly fleet: string;
  readonly region: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Hands every event of a subscription to `handle`, one after the other, until it answers `stop` or `signal` is
 * aborted. An event is removed from the subscription only after `handle` is done with it: when `handle` throws, the
 * process dies, or it takes longer than the lock (a minute), the event comes again. So write down the ids you have
 * dealt with, and let a second time change nothing.
 */
export async function receiveEvents(
  connectionString: string,
  subscription: string,
  signal: AbortSignal,
  handle: (event: DomainEvent) => Promise<'go on' | 'stop'>,
): Promise<void> {
  const client = new ServiceBusClient(connectionString);
  try {
    const receiver = client.createReceiver('events', subscription);
    while (!signal.aborted) {
      // Returns with what there is, at most ten; with nothing after five seconds.
      for (const message of await receiver.receiveMessages(10, { maxWaitTimeInMs: 5000 })) {
        const next = await handle(message.body as DomainEvent);
        await receiver.completeMessage(message);
        // What else was received is locked, not lost: it comes again to whoever asks next.
        if (next === 'stop') return;
      }
    }
  } finally {
    await client.close();
  }
}
