/** A Service Bus emulator of its own for one spec, with the real SDK connected to it. */
import {
  ServiceBusAdministrationClient,
  ServiceBusClient,
  type ServiceBusClientOptions,
  type ServiceBusReceivedMessage,
  type ServiceBusReceiver,
} from '@azure/service-bus';
import type { EntitiesFile } from '#emulators/service-bus/entities-file.ts';
import type { FaultRequest } from '#emulators/service-bus/faults.ts';
import { type ServiceBusEmulator, startServiceBus } from '#emulators/service-bus/service-bus.ts';

type Namespace = EntitiesFile['UserConfig']['Namespaces'][number];
export type Queues = NonNullable<Namespace['Queues']>;
export type Topics = NonNullable<Namespace['Topics']>;

export const QUICK_RETRIES = { maxRetries: 3, retryDelayInMs: 20, maxRetryDelayInMs: 50, timeoutInMs: 3000 };

export function entitiesOf(queues: Queues, topics: Topics = []): EntitiesFile {
  return { UserConfig: { Namespaces: [{ Name: 'landfall', Queues: queues, Topics: topics }] } };
}

export interface LocalNamespace {
  readonly emulator: ServiceBusEmulator;
  readonly client: ServiceBusClient;
  readonly administration: ServiceBusAdministrationClient;
  send(
    entity: string,
    ...messages: Parameters<ReturnType<ServiceBusClient['createSender']>['sendMessages']>
  ): Promise<void>;
  receive(
    receiver: ServiceBusReceiver,
    count?: number,
    waitMs?: number,
  ): Promise<ServiceBusReceivedMessage[]>;
  /** Bodies of what lies in a queue, without receiving. */
  bodies(
    queue: string | readonly [topic: string, subscription: string],
    subQueue?: 'deadLetter',
  ): Promise<unknown[]>;
  addFault(fault: FaultRequest): Promise<void>;
  close(): Promise<void>;
}

export async function openNamespace(
  entities: EntitiesFile,
  options: {
    client?: ServiceBusClientOptions;
    dataFolder?: string;
    idleTimeoutMs?: number;
    report?: (line: string) => void;
  } = {},
): Promise<LocalNamespace> {
  const emulator = await startServiceBus({
    entities,
    port: 0,
    adminPort: 0,
    dataFolder: options.dataFolder,
    idleTimeoutMs: options.idleTimeoutMs,
    report: options.report,
  });
  const client = new ServiceBusClient(emulator.connectionString, {
    retryOptions: QUICK_RETRIES,
    ...options.client,
  });
  return {
    emulator,
    client,
    administration: administrationOf(emulator),
    async send(entity, ...messages) {
      const sender = client.createSender(entity);
      await sender.sendMessages(...messages);
      await sender.close();
    },
    receive: (receiver, count = 1, waitMs = 2000) =>
      receiver.receiveMessages(count, { maxWaitTimeInMs: waitMs }),
    async bodies(queue, subQueue) {
      // A client of its own, because the SDK lets the peeks of one client go on where the last one ended.
      const peeker = new ServiceBusClient(emulator.connectionString, { retryOptions: QUICK_RETRIES });
      const receiverOptions = subQueue === undefined ? {} : { subQueueType: subQueue };
      const receiver =
        typeof queue === 'string'
          ? peeker.createReceiver(queue, receiverOptions)
          : peeker.createReceiver(queue[0], queue[1], receiverOptions);
      const messages = await receiver.peekMessages(1000);
      await peeker.close();
      return messages.map((message) => message.body);
    },
    async addFault(fault) {
      const response = await fetch(`${emulator.adminEndpoint}/control/faults`, {
        method: 'POST',
        body: JSON.stringify(fault),
      });
      if (response.status !== 201) throw new Error(`The fault was refused: ${await response.text()}`);
    },
    async close() {
      await client.close();
      await emulator.close();
    },
  };
}

/** The SDK's administration client always speaks https; a policy leads it to the plain port. */
export function administrationOf(emulator: ServiceBusEmulator): ServiceBusAdministrationClient {
  const connectionString = emulator.connectionString.replace(`:${emulator.port};`, `:${emulator.adminPort};`);
  const administration = new ServiceBusAdministrationClient(connectionString);
  administration.pipeline.addPolicy({
    name: 'plainHttp',
    sendRequest(request, next) {
      request.url = request.url.replace(/^https:/, 'http:');
      request.allowInsecureConnection = true;
      return next(request);
    },
  });
  return administration;
}

export async function fetchJson<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init);
  return (await response.json()) as T;
}

/** Waits for a condition, and says what it waited for when it does not come true in time. */
export async function eventually(
  what: string,
  isTrue: () => Promise<boolean> | boolean,
  withinMs = 5000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The error a promise rejects with; several attempts of the SDK come wrapped in one AggregateError. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; retryable?: boolean }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AggregateError) return error.errors.at(-1);
    if (error instanceof Error) return error;
  }
  throw new Error('It was expected to fail, and did not.');
}
