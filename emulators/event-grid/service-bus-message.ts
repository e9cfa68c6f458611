// An event as a Service Bus message: one event per message, as one JSON object and not an array.
// "Service Bus queues and topics as event handlers for Azure Event Grid events", section "Message headers".
import { randomUUID } from 'node:crypto';
import rhea, { type Message } from 'rhea';
import type { Subscription } from './configuration.ts';
import type { Delivery } from './delivery-store.ts';
import { inSchema } from './event-schema.ts';

/** `attempt` counts from 0, as the first delivery does in Event Grid. */
export function serviceBusMessage(delivery: Delivery, subscription: Subscription, attempt: number): Message {
  const { schema, event } = inSchema(delivery.published, subscription.schema);
  const isCloudEvent = schema === 'CloudEventSchemaV1_0';
  return {
    message_id: delivery.messageId,
    content_type: isCloudEvent
      ? 'application/cloudevents+json; charset=utf-8'
      : 'application/json; charset=utf-8',
    application_properties: {
      'aeg-subscription-name': subscription.name,
      'aeg-delivery-count': attempt,
      'aeg-event-type': 'Notification',
      'aeg-metadata-version': isCloudEvent ? '1.0' : '1',
      'aeg-data-version': isCloudEvent ? '' : event.dataVersion,
      'aeg-output-event-id': randomUUID(),
    },
    body: rhea.message.data_section(Buffer.from(JSON.stringify(event))),
  };
}
