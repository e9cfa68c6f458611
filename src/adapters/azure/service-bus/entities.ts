import { STAGE_GRAPH } from '#domain/stage-graph.ts';
import {
  COMMANDS_TOPIC,
  CONSUMERS,
  CUSTODY_QUEUE,
  EVENT_GRID_QUEUE,
  EVENTS_TOPIC,
  FAILED_MESSAGES_QUEUE,
  LANDING_QUEUE,
  SAGA_EVENTS,
  SAGA_QUEUE,
  TABLE_EVENTS,
  TABLES_QUEUE,
} from '#domain/topology.ts';

/**
 * The Service Bus entities in the format of Microsoft's Service Bus emulator (`Config.json`). The local stack and
 * Bicep both read the generated file bicep/service-bus-entities.json; `npm run generate` writes it.
 */

const LOCK_DURATION = 'PT1M';
const MAX_DELIVERY_COUNT = 10;
/** Messages of ours live until they are dealt with; 14 days is the longest anyone may be away. */
const OWN_TIME_TO_LIVE = 'P14D';
/** A foreign subscriber that is away for longer loses the oldest events, and cannot fill the topic. */
const FOREIGN_TIME_TO_LIVE = 'P3D';
/** Event Grid keeps its MessageId over redelivery and retries for up to 24 hours. */
const EVENT_GRID_DUPLICATE_WINDOW = 'P1D';

interface Rule {
  readonly Name: string;
  readonly Properties:
    | {
        readonly FilterType: 'Correlation';
        readonly CorrelationFilter: { readonly Properties: Readonly<Record<string, string>> };
      }
    | { readonly FilterType: 'Sql'; readonly SqlFilter: { readonly SqlExpression: string } };
}

/** Teams that listen to our events, each with a subscription of its own. */
const FOREIGN_SUBSCRIBERS = ['perception', 'simulation', 'labeling'] as const;

export function serviceBusEntities(): object {
  return {
    UserConfig: {
      Namespaces: [
        {
          Name: 'landfall',
          Queues: [...CONSUMERS.map(consumerQueue), failedMessagesQueue()],
          Topics: [
            topic(COMMANDS_TOPIC, [
              ...[...STAGE_GRAPH.map((definition) => definition.stage), CUSTODY_QUEUE, SAGA_QUEUE].map(
                (consumer) => forwardingSubscription(consumer, byConsumer(consumer)),
              ),
            ]),
            topic(EVENTS_TOPIC, [
              forwardingSubscription(SAGA_QUEUE, byTypes(SAGA_EVENTS)),
              forwardingSubscription(EVENT_GRID_QUEUE, everything()),
              forwardingSubscription(TABLES_QUEUE, byTypes(TABLE_EVENTS)),
              ...FOREIGN_SUBSCRIBERS.map(foreignSubscription),
            ]),
          ],
        },
      ],
      Logging: { Type: 'File' },
    },
  };
}

function consumerQueue(name: string): object {
  const fromEventGrid = name === LANDING_QUEUE;
  return {
    Name: name,
    Properties: {
      DeadLetteringOnMessageExpiration: true,
      DefaultMessageTimeToLive: OWN_TIME_TO_LIVE,
      DuplicateDetectionHistoryTimeWindow: fromEventGrid ? EVENT_GRID_DUPLICATE_WINDOW : 'PT10M',
      ForwardDeadLetteredMessagesTo: FAILED_MESSAGES_QUEUE,
      ForwardTo: '',
      LockDuration: LOCK_DURATION,
      MaxDeliveryCount: MAX_DELIVERY_COUNT,
      // Off for our own consumers: a replay must never be taken for a duplicate, and the inbox does the work.
      RequiresDuplicateDetection: fromEventGrid,
      RequiresSession: false,
    },
  };
}

function failedMessagesQueue(): object {
  return {
    Name: FAILED_MESSAGES_QUEUE,
    Properties: {
      DeadLetteringOnMessageExpiration: false,
      DefaultMessageTimeToLive: OWN_TIME_TO_LIVE,
      DuplicateDetectionHistoryTimeWindow: 'PT10M',
      ForwardDeadLetteredMessagesTo: '',
      ForwardTo: '',
      LockDuration: LOCK_DURATION,
      // Draining must not give up: a message that cannot be stored stays here.
      MaxDeliveryCount: 2000,
      RequiresDuplicateDetection: false,
      RequiresSession: false,
    },
  };
}

function topic(name: string, subscriptions: readonly object[]): object {
  return {
    Name: name,
    Properties: {
      DefaultMessageTimeToLive: OWN_TIME_TO_LIVE,
      DuplicateDetectionHistoryTimeWindow: 'PT10M',
      RequiresDuplicateDetection: false,
    },
    Subscriptions: subscriptions,
  };
}

function forwardingSubscription(consumer: string, rule: Rule): object {
  return {
    Name: consumer,
    Properties: {
      DeadLetteringOnMessageExpiration: false,
      DefaultMessageTimeToLive: OWN_TIME_TO_LIVE,
      ForwardDeadLetteredMessagesTo: FAILED_MESSAGES_QUEUE,
      ForwardTo: consumer,
      LockDuration: LOCK_DURATION,
      MaxDeliveryCount: MAX_DELIVERY_COUNT,
      RequiresSession: false,
    },
    Rules: [rule],
  };
}

function foreignSubscription(team: string): object {
  return {
    Name: team,
    Properties: {
      DeadLetteringOnMessageExpiration: false,
      DefaultMessageTimeToLive: FOREIGN_TIME_TO_LIVE,
      ForwardDeadLetteredMessagesTo: '',
      ForwardTo: '',
      LockDuration: LOCK_DURATION,
      MaxDeliveryCount: MAX_DELIVERY_COUNT,
      RequiresSession: false,
    },
    Rules: [everything()],
  };
}

function byConsumer(consumer: string): Rule {
  return {
    Name: 'by-consumer',
    Properties: { FilterType: 'Correlation', CorrelationFilter: { Properties: { consumer } } },
  };
}

function byTypes(types: readonly string[]): Rule {
  const list = types.map((type) => `'${type}'`).join(', ');
  return {
    Name: 'by-type',
    Properties: { FilterType: 'Sql', SqlFilter: { SqlExpression: `sys.Label IN (${list})` } },
  };
}

function everything(): Rule {
  return { Name: 'everything', Properties: { FilterType: 'Sql', SqlFilter: { SqlExpression: '1=1' } } };
}
