// Azure Event Grid on loopback: topics to publish to, system topics of the storage accounts, delivery to Service Bus.
//   POST /topics/<name>/api/events        publish (api-version 2018-01-01)
//   POST /internal/blob-events            events of the storage emulator
//   GET  /control/topics/<name>/events    what was published, after a sequence number
//   POST, GET /control/delivery           duplicates and disorder; counts
//   /control/faults                       faults of the endpoint itself
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import {
  closeServer,
  createLoopbackServer,
  listenOnLoopback,
  type RunningEmulator,
  type TlsIdentity,
} from '../emulator-process.ts';
import { commitFaultBeforeExecution, FaultPlan, serveFaultControl } from '../faults.ts';
import { answerJson, BodyTooLargeError, readBody, requestUrl } from '../http-messages.ts';
import { type Configuration, type ConfigurationInput, ConfigurationSchema } from './configuration.ts';
import { parseStorageConnectionString } from './dead-letter.ts';
import { type DeliveryCounts, DeliveryLoop } from './delivery.ts';
import { DisturbanceDice, DisturbanceSchema } from './delivery-disturbance.ts';
import { DeliveryStore } from './delivery-store.ts';
import { InvalidEventError, parsePublished } from './event-schema.ts';
import { publishRefusal } from './publish-authorization.ts';
import { ServiceBusSender } from './service-bus-sender.ts';

export interface EventGridOptions {
  readonly configuration: ConfigurationInput;
  /** The events that are not delivered yet, in SQLite. */
  readonly dataFolder: string;
  /** 0, the default, takes a free one. */
  readonly port?: number | undefined;
  /** Where events go; without it deliveries wait. */
  readonly serviceBusConnectionString?: string | undefined;
  /** The accounts that hold dead-letter containers. */
  readonly storageConnectionStrings?: readonly string[] | undefined;
  /** Multiplies the retry schedule: 1, the default, is Event Grid's; 0.001 makes seconds milliseconds. */
  readonly timeScale?: number | undefined;
  readonly tls?: TlsIdentity | undefined;
}

export interface RunningEventGrid extends RunningEmulator {
  readonly endpoint: string;
  readonly faults: FaultPlan;
  /** The address a publisher is given for a topic. */
  topicEndpoint(topic: string): string;
  counts(): DeliveryCounts;
}

const PUBLISH_BYTES_MAX = 1024 * 1024;

/** Starts Event Grid. Throws `PortTakenError`, and `Error` when the configuration has no meaning. */
export async function startEventGrid(options: EventGridOptions): Promise<RunningEventGrid> {
  const parsed = ConfigurationSchema.safeParse(options.configuration);
  if (!parsed.success)
    throw new Error(`The Event Grid configuration has no meaning: ${z.prettifyError(parsed.error)}`);
  const configuration = parsed.data;
  const subscriptions = subscriptionsByKey(configuration);
  const accounts = (options.storageConnectionStrings ?? []).map(parseStorageConnectionString);
  const serviceBus =
    options.serviceBusConnectionString === undefined
      ? undefined
      : new ServiceBusSender(options.serviceBusConnectionString);
  const store = new DeliveryStore(options.dataFolder);
  const loop = new DeliveryLoop(
    store,
    subscriptions,
    serviceBus,
    new Map(accounts.map((account) => [account.name, account])),
    options.timeScale ?? 1,
  );
  const faults = new FaultPlan();
  const front = new EventGridFront(configuration, loop, store, faults);
  const server = createLoopbackServer(options.tls, (request, response) => front.serve(request, response));
  const close = async (): Promise<void> => {
    await closeServer(server);
    const stopped = loop.stop();
    await serviceBus?.close();
    await stopped;
    store.close();
  };
  try {
    const port = await listenOnLoopback(server, options.port ?? 0);
    const endpoint = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
    return {
      port,
      endpoint,
      faults,
      topicEndpoint: (topic) => `${endpoint}/topics/${topic}/api/events`,
      counts: () => loop.counts(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function subscriptionsByKey({ topics, systemTopics }: Configuration) {
  const owned = [
    ...topics.map(({ name, subscriptions }) => ({ owner: name, subscriptions })),
    ...systemTopics.map(({ account, subscriptions }) => ({ owner: account, subscriptions })),
  ];
  const entries = owned.flatMap(({ owner, subscriptions }) =>
    subscriptions.map((subscription) => [`${owner}/${subscription.name}`, subscription] as const),
  );
  const byKey = new Map(entries);
  const twice = entries.find(([key, subscription]) => byKey.get(key) !== subscription);
  if (twice !== undefined)
    throw new Error(
      `The Event Grid configuration has two subscriptions ${twice[0]}: give them different names.`,
    );
  return byKey;
}

class EventGridFront {
  readonly #configuration: Configuration;
  readonly #loop: DeliveryLoop;
  readonly #store: DeliveryStore;
  readonly #faults: FaultPlan;

  constructor(configuration: Configuration, loop: DeliveryLoop, store: DeliveryStore, faults: FaultPlan) {
    this.#configuration = configuration;
    this.#loop = loop;
    this.#store = store;
    this.#faults = faults;
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.#serve(request, response).catch((error: unknown) => {
      if (error instanceof BodyTooLargeError || error instanceof InvalidEventError) {
        const status = error instanceof BodyTooLargeError ? 413 : 400;
        refuse(response, status, status === 413 ? 'RequestEntityTooLarge' : 'BadRequest', error.message);
        return;
      }
      console.error(`event-grid: ${request.method} ${request.url} failed:`, error);
      response.destroy();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (await serveFaultControl(this.#faults, request, response)) return;
    // The controls must work whatever is broken.
    const fault = request.url?.startsWith('/control/') ? undefined : this.#faults.next(request);
    if (fault !== undefined && (await commitFaultBeforeExecution(fault, response))) return;
    const { pathname, searchParams } = requestUrl(request);
    const route = `${request.method} ${pathname}`;
    const topicToPublish = /^POST \/topics\/([^/]+)\/api\/events\/?$/.exec(route)?.[1];
    const topicToList = /^GET \/control\/topics\/([^/]+)\/events$/.exec(route)?.[1];
    if (fault?.kind === 'lost-answer') response.end = () => response.destroy();
    if (topicToPublish !== undefined) await this.#publish(topicToPublish, request, response);
    else if (route === 'POST /internal/blob-events') await this.#takeBlobEvents(request, response);
    else if (topicToList !== undefined) {
      const after = Number(searchParams.get('after') ?? 0);
      answerJson(response, 200, { events: this.#store.publishedAfter(topicToList, after) });
    } else if (route === 'GET /control/delivery') answerJson(response, 200, this.#loop.counts());
    else if (route === 'POST /control/delivery') await this.#disturb(request, response);
    else refuse(response, 404, 'NotFound', `There is no ${route}.`);
  }

  async #publish(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const topic = this.#configuration.topics.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (topic === undefined) return refuse(response, 404, 'NotFound', `There is no topic ${name}.`);
    const refusal = publishRefusal(request.headers, topic.key, request.url ?? '', new Date());
    const body = await readBody(request, PUBLISH_BYTES_MAX);
    if (refusal !== undefined) return refuse(response, 401, 'Unauthorized', refusal);
    const resource = `/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/landfall/providers/Microsoft.EventGrid/topics/${topic.name}`;
    this.#loop.accept(topic.name, topic.name, parsePublished(body.toString('utf8'), resource));
    response.writeHead(200, { 'content-length': '0' }).end();
  }

  async #takeBlobEvents(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const events = parsePublished((await readBody(request)).toString('utf8'), undefined);
    for (const { account } of this.#configuration.systemTopics) {
      const ending = `/storageAccounts/${account}`;
      const own = events.filter(
        ({ schema, event }) => schema === 'EventGridSchema' && event.topic?.endsWith(ending),
      );
      if (own.length > 0) this.#loop.accept(account, undefined, own);
    }
    response.writeHead(200, { 'content-length': '0' }).end();
  }

  async #disturb(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = (await readBody(request)).toString('utf8');
    const parsed = DisturbanceSchema.safeParse(JSON.parse(text === '' ? '{}' : text));
    if (!parsed.success) return refuse(response, 400, 'BadRequest', z.prettifyError(parsed.error));
    this.#loop.disturb(new DisturbanceDice(parsed.data));
    answerJson(response, 200, parsed.data);
  }
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  answerJson(response, status, { error: { code, message, details: [{ code, message }] } });
}
