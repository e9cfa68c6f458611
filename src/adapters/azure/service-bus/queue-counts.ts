import type { ServiceBusAdministrationClient } from '@azure/service-bus';
import { connectAdministration, type ServiceBusAccess, serviceBusFailure } from './service-bus-connection.ts';

export interface EntityCounts {
  /** `extract`, or `events/Subscriptions/analytics`. */
  readonly entity: string;
  readonly active: number;
  readonly scheduled: number;
  readonly deadLetter: number;
  /** All of them, also those that are locked or on their way to another entity. */
  readonly total: number;
  readonly sizeBytes?: number;
}

/** What lies in the queues, for operations. */
export class QueueCounts {
  readonly #administration: ServiceBusAdministrationClient;

  constructor(access: ServiceBusAccess) {
    this.#administration = connectAdministration(access);
  }

  async queue(name: string): Promise<EntityCounts> {
    const counts = await asked(`queue ${name}`, () => this.#administration.getQueueRuntimeProperties(name));
    return {
      entity: name,
      active: counts.activeMessageCount,
      scheduled: counts.scheduledMessageCount,
      deadLetter: counts.deadLetterMessageCount,
      total: counts.totalMessageCount ?? 0,
      ...(counts.sizeInBytes === undefined ? {} : { sizeBytes: counts.sizeInBytes }),
    };
  }

  async queues(): Promise<readonly EntityCounts[]> {
    const names: string[] = [];
    await asked('the queues', async () => {
      for await (const { name } of this.#administration.listQueues()) names.push(name);
    });
    return Promise.all(names.map((name) => this.queue(name)));
  }

  /** Subscriptions of other teams too: their backlog may fill the topic. */
  async subscriptions(topic: string): Promise<readonly EntityCounts[]> {
    return asked(`the subscriptions of ${topic}`, async () => {
      const all: EntityCounts[] = [];
      for await (const counts of this.#administration.listSubscriptionsRuntimeProperties(topic)) {
        all.push({
          entity: `${topic}/Subscriptions/${counts.subscriptionName}`,
          active: counts.activeMessageCount,
          scheduled: 0,
          deadLetter: counts.deadLetterMessageCount,
          total: counts.totalMessageCount,
        });
      }
      return all;
    });
  }
}

async function asked<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw serviceBusFailure(error, `Service Bus did not tell the counts of ${what}`);
  }
}
