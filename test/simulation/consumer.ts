import { afterFailure } from '#domain/after-failure.ts';
import { isFailure } from '#domain/failures.ts';
import { type BrokerMessage, type Delivered, LockLost, type MemoryBroker } from './fakes/memory-broker.ts';
import type { Faults } from './faults.ts';
import type { Process, Scheduler } from './scheduler.ts';

export interface ConsumerPorts {
  readonly scheduler: Scheduler;
  readonly broker: MemoryBroker;
  readonly faults: Faults;
  /** Called when a message was handled well, before it is completed. */
  readonly onHandled: (queue: string, message: BrokerMessage) => void;
  /** Called for an error that is none of the four failures: a mistake in the program. */
  readonly onMistake: (error: unknown, message: BrokerMessage) => void;
}

/** One receive loop of one process: receive, handle, complete; what fails goes the way `afterFailure` says. */
export async function consume<R>(
  ports: ConsumerPorts,
  process: Process,
  queue: string,
  handle: (message: BrokerMessage) => Promise<R>,
  afterComplete: (message: BrokerMessage, result: R) => Promise<void> = async () => {},
): Promise<never> {
  const { scheduler, broker } = ports;
  for (;;) {
    await broker.available(queue);
    await scheduler.turn(process);
    const delivered = broker.receive(queue);
    if (delivered === undefined) continue;
    process.inHand.add(delivered);
    try {
      const result = await handle(delivered.message);
      ports.onHandled(queue, delivered.message);
      await settle(ports, process, 'complete', () => broker.complete(delivered));
      await afterComplete(delivered.message, result);
    } catch (error) {
      if (!isFailure(error)) ports.onMistake(error, delivered.message);
      await settleFailure(ports, process, delivered, error);
    }
    process.inHand.delete(delivered);
  }
}

async function settleFailure(
  ports: ConsumerPorts,
  process: Process,
  delivered: Delivered,
  error: unknown,
): Promise<void> {
  const { broker, faults } = ports;
  const { message, queue, deliveryCount } = delivered;
  const decision = afterFailure(error, { ...message, deliveryCount });
  if (decision.action === 'abandon') {
    broker.loseLock(queue, delivered.lock);
    return;
  }
  if (decision.action === 'dead-letter') {
    const { reason, description } = decision;
    await settle(ports, process, 'deadLetter', () => broker.deadLetter(delivered, reason, description));
    return;
  }
  const { messageId, copyNumber, failureCount, delayMs } = decision;
  try {
    await faults.call(process, `${process.name}: broker.retryLater`, async () => {
      broker.enqueue(queue, { ...message, messageId, copyNumber, failureCount }, delayMs);
    });
  } catch (refused) {
    // Not accepted, or nobody knows: the original stays, and is delivered again when its lock expires.
    if (!isFailure(refused)) throw refused;
    return;
  }
  await settle(ports, process, 'complete', () => broker.complete(delivered));
}

/** A message that cannot be settled is delivered again; whoever handled it will recognise it. */
async function settle(
  { faults }: ConsumerPorts,
  process: Process,
  what: string,
  work: () => void,
): Promise<void> {
  try {
    await faults.call(process, `${process.name}: broker.${what}`, async () => work());
  } catch (error) {
    if (!(error instanceof LockLost) && !isFailure(error)) throw error;
  }
}
