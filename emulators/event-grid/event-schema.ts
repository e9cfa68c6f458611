// The two shapes an event has: what a publisher may send, and what a subscriber gets.
// "Azure Event Grid event schema"; "CloudEvents v1.0 schema with Azure Event Grid".
import { z } from 'zod';

const EventGridEventSchema = z.looseObject({
  id: z.string().min(1),
  subject: z.string(),
  eventType: z.string().min(1),
  eventTime: z.iso.datetime({ offset: true }),
  data: z.unknown(),
  dataVersion: z.string(),
  topic: z.string().optional(),
  metadataVersion: z.string().optional(),
});

const CloudEventSchema = z.looseObject({
  specversion: z.literal('1.0'),
  id: z.string().min(1),
  source: z.string().min(1),
  type: z.string().min(1),
  subject: z.string().optional(),
  time: z.iso.datetime({ offset: true }).optional(),
});

export type EventGridEvent = z.output<typeof EventGridEventSchema>;
export type CloudEvent = z.output<typeof CloudEventSchema>;
export type PublishedEvent =
  | { readonly schema: 'EventGridSchema'; readonly event: EventGridEvent }
  | { readonly schema: 'CloudEventSchemaV1_0'; readonly event: CloudEvent };

/** What was published is not what Event Grid accepts. */
export class InvalidEventError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvalidEventError';
  }
}

/**
 * The events of a publish request: one object or an array of either shape. `topic` is written into events of the
 * Event Grid schema, which publishers leave empty. Throws `InvalidEventError`.
 */
export function parsePublished(body: string, topic: string | undefined): PublishedEvent[] {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) throw new InvalidEventError(`The body is not JSON: ${error.message}`);
    throw error;
  }
  const events = Array.isArray(json) ? json : [json];
  return events.map((event, index) => parseOne(event, index, topic));
}

function parseOne(json: unknown, index: number, topic: string | undefined): PublishedEvent {
  const isCloudEvent = typeof json === 'object' && json !== null && 'specversion' in json;
  if (isCloudEvent) {
    const parsed = CloudEventSchema.safeParse(json);
    if (parsed.success) return { schema: 'CloudEventSchemaV1_0', event: parsed.data };
    throw new InvalidEventError(`Event ${index} is not a CloudEvent 1.0: ${z.prettifyError(parsed.error)}`);
  }
  const parsed = EventGridEventSchema.safeParse(json);
  if (!parsed.success)
    throw new InvalidEventError(
      `Event ${index} is not an event of the Event Grid schema: ${z.prettifyError(parsed.error)}`,
    );
  const event = { ...parsed.data, metadataVersion: '1' };
  return { schema: 'EventGridSchema', event: topic === undefined ? event : { ...event, topic } };
}

/** The event as a subscription gets it. A CloudEvent stays one: Event Grid does not turn it back. */
export function inSchema(published: PublishedEvent, wanted: PublishedEvent['schema']): PublishedEvent {
  if (published.schema === wanted || published.schema === 'CloudEventSchemaV1_0') return published;
  const { topic, id, eventType, subject, eventTime, data } = published.event;
  const event = {
    id,
    source: topic ?? '',
    type: eventType,
    subject,
    time: eventTime,
    data,
    specversion: '1.0',
  };
  return { schema: 'CloudEventSchemaV1_0', event: event as CloudEvent };
}

/** What filters look at, whatever the shape. */
export function typeAndSubject({ schema, event }: PublishedEvent): { type: string; subject: string } {
  return schema === 'EventGridSchema'
    ? { type: event.eventType, subject: event.subject }
    : { type: event.type, subject: event.subject ?? '' };
}
