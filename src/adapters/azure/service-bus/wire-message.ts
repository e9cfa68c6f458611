import type { ServiceBusMessage, ServiceBusReceivedMessage } from '@azure/service-bus';
import type { OutgoingMessage } from '#domain/ports/message-sender.ts';

/** CloudEvents AMQP binding, structured mode: the whole envelope is the body. */
const CONTENT_TYPE = 'application/cloudevents+json';

/** How often a message was retried by us. Copies carry it; the broker's own count starts again with each copy. */
const COPY_NUMBER = 'landfall-copy-number';
const FAILURE_COUNT = 'landfall-failure-count';

/** A message as a consumer gets it. */
export interface ReceivedMessage {
  /** A CloudEvent, or, on the landing queue, what Event Grid sent; text or bytes when it is no JSON. */
  readonly body: unknown;
  readonly messageId: string;
  /** The CloudEvents id; the transport's id where the body has none. */
  readonly cloudEventId: string;
  readonly deliveryCount: number;
  readonly copyNumber: number;
  readonly failureCount: number;
  readonly enqueuedAt?: Date;
  /** Of our own messages. */
  readonly measurementId?: string;
  /** W3C trace context of whoever sent it; while it is handled, of the handling. */
  readonly traceparent?: string;
  /** Of a dead letter: where it died and why. */
  readonly deadLetter?: {
    readonly queue: string;
    readonly reason: string;
    readonly description: string;
  };
}

/** Subject is the type, so that correlation filters can tell commands apart without reading bodies. */
export function wireMessageOf({
  envelope,
  messageId,
  consumer,
  enqueueAt,
}: OutgoingMessage): ServiceBusMessage {
  return {
    body: envelope,
    contentType: CONTENT_TYPE,
    messageId,
    subject: envelope.type,
    correlationId: envelope.correlationid,
    applicationProperties: {
      fleet: envelope.fleet,
      region: envelope.region,
      measurementId: envelope.subject,
      ...(consumer === undefined ? {} : { consumer }),
      ...(envelope.traceparent === undefined
        ? {}
        : { traceparent: envelope.traceparent, 'Diagnostic-Id': envelope.traceparent }),
    },
    ...(enqueueAt === undefined ? {} : { scheduledEnqueueTimeUtc: enqueueAt }),
  };
}

export function receivedMessageOf(message: ServiceBusReceivedMessage): ReceivedMessage {
  const properties = message.applicationProperties ?? {};
  const messageId = String(message.messageId ?? '');
  const body: unknown = message.body;
  const traceparent = properties['Diagnostic-Id'] ?? properties['traceparent'];
  const reason = message.deadLetterReason ?? properties['DeadLetterReason'];
  return {
    body,
    messageId,
    cloudEventId: cloudEventIdOf(body) ?? messageId,
    // The broker counts the deliveries before this one.
    deliveryCount: (message.deliveryCount ?? 0) + 1,
    copyNumber: Number(properties[COPY_NUMBER] ?? 0),
    failureCount: Number(properties[FAILURE_COUNT] ?? 0),
    ...(message.enqueuedTimeUtc === undefined ? {} : { enqueuedAt: message.enqueuedTimeUtc }),
    ...(typeof properties['measurementId'] === 'string'
      ? { measurementId: properties['measurementId'] }
      : {}),
    ...(typeof traceparent === 'string' ? { traceparent } : {}),
    ...(reason === undefined && message.deadLetterSource === undefined
      ? {}
      : {
          deadLetter: {
            queue: message.deadLetterSource ?? '',
            reason: String(reason ?? ''),
            description: String(
              message.deadLetterErrorDescription ?? properties['DeadLetterErrorDescription'] ?? '',
            ),
          },
        }),
  };
}

/** The copy of a message that is delivered again later. */
export function retryCopyOf(
  message: ServiceBusReceivedMessage,
  retry: {
    readonly messageId: string;
    readonly copyNumber: number;
    readonly failureCount: number;
    readonly delayMs: number;
  },
): ServiceBusMessage {
  const { body, contentType, subject, correlationId, applicationProperties } = message;
  return {
    body,
    messageId: retry.messageId,
    ...(contentType === undefined ? {} : { contentType }),
    ...(subject === undefined ? {} : { subject }),
    ...(correlationId === undefined ? {} : { correlationId: correlationId as string }),
    applicationProperties: {
      ...applicationProperties,
      [COPY_NUMBER]: retry.copyNumber,
      [FAILURE_COUNT]: retry.failureCount,
    },
    scheduledEnqueueTimeUtc: new Date(Date.now() + retry.delayMs),
  };
}

function cloudEventIdOf(body: unknown): string | undefined {
  const id = typeof body === 'object' && body !== null ? (body as { id?: unknown }).id : undefined;
  return typeof id === 'string' && id !== '' ? id : undefined;
}
