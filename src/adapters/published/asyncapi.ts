import { z } from 'zod';
import { EnvelopeAttributes, MESSAGES, type MessageDefinition } from '#domain/messages.ts';
import { STAGE_GRAPH } from '#domain/stage-graph.ts';
import {
  COMMANDS_TOPIC,
  CONSUMERS,
  CUSTODY_QUEUE,
  consumerOf,
  EVENT_GRID_QUEUE,
  EVENTS_TOPIC,
  FAILED_MESSAGES_QUEUE,
  LANDING_QUEUE,
  SAGA_INPUTS,
  SAGA_QUEUE,
  TABLE_EVENTS,
  TABLES_QUEUE,
} from '#domain/topology.ts';

/**
 * What Landfall says and hears, as AsyncAPI 3.0.0: channels are the topics and queues, operations are seen from
 * Landfall (it sends to `events`; other teams receive there). Payloads are JSON Schema draft-07, which is AsyncAPI's
 * own default, so that every tool reads them; docs/schemas has the same in draft 2020-12.
 */

const EVENT_GRID_CHANNEL = 'eventGridTopic';
const BLOB_EVENT = 'Microsoft.Storage.BlobEvent';

const EVENTS = MESSAGES.filter((message) => message.kind === 'event').map((message) => message.type);
const COMMANDS = MESSAGES.filter((message) => message.kind === 'command').map((message) => message.type);

export function asyncApiDocument(): object {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Landfall messages',
      version: '1.0.0',
      description:
        'Commands and domain events of the measurement road, as CloudEvents 1.0 in structured mode. Other teams receive from `events`, each from a subscription of its own. A type never changes its meaning: a new meaning is a new `.vN`.',
    },
    defaultContentType: 'application/cloudevents+json',
    servers: SERVERS,
    channels: channels(),
    operations: operations(),
    components: {
      messages: Object.fromEntries([
        ...MESSAGES.map((message) => [message.type, messageObject(message)] as const),
        [BLOB_EVENT, blobEventObject()] as const,
      ]),
    },
  };
}

const SERVERS = {
  azure: {
    host: '{namespace}.servicebus.windows.net',
    protocol: 'amqps',
    protocolVersion: '1.0',
    description: 'Azure Service Bus; Microsoft Entra ID, role Azure Service Bus Data Receiver.',
    variables: { namespace: { description: 'the Service Bus namespace of the environment' } },
  },
  local: {
    host: '127.0.0.1:5672',
    protocol: 'amqp',
    protocolVersion: '1.0',
    description: 'The local stack; `landfall env` prints its connection string.',
  },
  eventGrid: {
    host: '{topic}.{region}-1.eventgrid.azure.net',
    protocol: 'https',
    description: 'The Event Grid topic with the same events, for those who want push.',
    variables: {
      topic: { description: 'the Event Grid topic of the environment' },
      region: { description: 'the Azure region of the environment' },
    },
  },
};

function channels(): object {
  return Object.fromEntries([
    channel(EVENTS_TOPIC, 'Topic: every domain event, to every team that subscribes.', EVENTS),
    channel(
      COMMANDS_TOPIC,
      'Topic: commands; each goes to the one consumer named in its property `consumer`.',
      COMMANDS,
    ),
    ...CONSUMERS.map((consumer) => channel(consumer, queueDescription(consumer), messagesOf(consumer))),
    channel(FAILED_MESSAGES_QUEUE, 'Queue: dead letters of all our queues, drained to the metadata store.', [
      ...COMMANDS,
      ...EVENTS,
      BLOB_EVENT,
    ]),
    [
      EVENT_GRID_CHANNEL,
      {
        ...channelObject('/api/events', 'Event Grid topic: the same domain events, pushed.', EVENTS),
        servers: [{ $ref: '#/servers/eventGrid' }],
      },
    ] as const,
  ]);
}

function channel(name: string, description: string, messages: readonly string[]) {
  const servers = [{ $ref: '#/servers/azure' }, { $ref: '#/servers/local' }];
  return [name, { ...channelObject(name, description, messages), servers }] as const;
}

function channelObject(address: string, description: string, messages: readonly string[]) {
  return {
    address,
    description,
    messages: Object.fromEntries(
      messages.map((type) => [type, { $ref: `#/components/messages/${type}` }] as const),
    ),
  };
}

function operations(): object {
  return {
    announceEvents: operation('send', EVENTS_TOPIC, 'Says what has happened to a measurement.', EVENTS),
    pushEvents: operation('send', EVENT_GRID_CHANNEL, 'Passes every domain event on.', EVENTS),
    sendCommands: operation('send', COMMANDS_TOPIC, 'Asks a stage, or the saga, to do something.', COMMANDS),
    ...Object.fromEntries(
      CONSUMERS.map((consumer) => [
        `consume:${consumer}`,
        operation('receive', consumer, queueDescription(consumer), messagesOf(consumer)),
      ]),
    ),
    collectDeadLetters: operation('receive', FAILED_MESSAGES_QUEUE, 'Keeps what failed for good.', [
      ...COMMANDS,
      ...EVENTS,
      BLOB_EVENT,
    ]),
  };
}

function operation(action: 'send' | 'receive', channel: string, summary: string, types: readonly string[]) {
  return {
    action,
    channel: { $ref: `#/channels/${channel}` },
    summary,
    messages: types.map((type) => ({ $ref: `#/channels/${channel}/messages/${type}` })),
  };
}

/** What lies in the queue of a consumer. */
function messagesOf(consumer: string): readonly string[] {
  if (consumer === LANDING_QUEUE) return [BLOB_EVENT];
  if (consumer === EVENT_GRID_QUEUE) return EVENTS;
  if (consumer === TABLES_QUEUE) return TABLE_EVENTS;
  if (consumer === SAGA_QUEUE) return SAGA_INPUTS;
  return COMMANDS.filter((type) =>
    type === 'landfall.stage.conclude.v1'
      ? consumer === CUSTODY_QUEUE ||
        STAGE_GRAPH.some(({ stage, runsInBatch }) => stage === consumer && runsInBatch)
      : consumerOf(type) === consumer,
  );
}

function queueDescription(consumer: string): string {
  switch (consumer) {
    case LANDING_QUEUE:
      return 'Queue of the landing handler: blob events of the landing account, from Event Grid.';
    case SAGA_QUEUE:
      return 'Queue of the saga: everything it decides on.';
    case CUSTODY_QUEUE:
      return 'Queue of the moves between Landing, the error zone and the archive.';
    case EVENT_GRID_QUEUE:
      return 'Queue of the relay to the Event Grid topic.';
    case TABLES_QUEUE:
      return 'Queue of the committer of the tables of fleets.';
    default:
      return `Queue of the stage ${consumer}.`;
  }
}

function messageObject(message: MessageDefinition): object {
  const envelope = EnvelopeAttributes.extend({ type: z.literal(message.type), data: message.data });
  const { $schema: _, ...payload } = z.toJSONSchema(envelope, { target: 'draft-7', io: 'input' });
  return {
    name: message.type,
    title: message.type,
    summary: message.summary,
    contentType: 'application/cloudevents+json',
    correlationId: { location: '$message.payload#/correlationid' },
    tags: [{ name: message.kind }],
    payload,
  };
}

function blobEventObject(): object {
  return {
    name: BLOB_EVENT,
    title: 'Blob created, deleted or renamed',
    summary: 'What Event Grid says of the landing account, in the CloudEvents 1.0 schema.',
    contentType: 'application/cloudevents+json',
    externalDocs: { url: 'https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage' },
    tags: [{ name: 'foreign' }],
    payload: {
      type: 'object',
      required: ['id', 'source', 'type', 'subject', 'data'],
      properties: {
        id: { type: 'string' },
        source: { type: 'string' },
        type: { type: 'string', pattern: '^Microsoft\\.Storage\\.' },
        subject: { type: 'string' },
        data: { type: 'object' },
      },
    },
  };
}
