import {
  AzureKeyCredential,
  EventGridPublisherClient as Client,
  type EventGridPublisherClient,
} from '@azure/eventgrid';
import type { Envelope } from '#domain/messages.ts';
import type { EventPublisher } from '#domain/ports/event-publisher.ts';
import { type Access, assertLoopback, identityCredential } from '../credentials.ts';
import { retryableFailureOf } from '../service-failure.ts';

export interface EventGridSettings {
  /** Of the topic, path included: `https://<topic>.<region>-1.eventgrid.azure.net/api/events`. */
  readonly endpoint: string;
  readonly access: Access;
}

/** Pushes our CloudEvents as they are to an Event Grid topic. */
export class EventGridEventPublisher implements EventPublisher {
  readonly #client: EventGridPublisherClient<'CloudEvent'>;

  constructor({ endpoint, access }: EventGridSettings) {
    if (access.auth === 'emulator-key') assertLoopback(endpoint);
    this.#client =
      access.auth === 'emulator-key'
        ? new Client(endpoint, 'CloudEvent', new AzureKeyCredential(access.key), {
            allowInsecureConnection: endpoint.startsWith('http:'),
          })
        : new Client(endpoint, 'CloudEvent', identityCredential(access));
  }

  async publish(events: readonly Envelope[]): Promise<void> {
    try {
      await this.#client.send(events.map(cloudEventOf));
    } catch (error) {
      throw retryableFailureOf(error, `${events.length} events were not accepted by Event Grid`) ?? error;
    }
  }
}

/** The attributes of CloudEvents by the client's names; ours are extensions. */
function cloudEventOf({
  specversion: _,
  id,
  source,
  type,
  subject,
  time,
  datacontenttype,
  dataschema,
  data,
  ...extensions
}: Envelope) {
  return {
    id,
    source,
    type,
    subject,
    time: new Date(time),
    datacontenttype,
    dataschema,
    data,
    extensionAttributes: extensions,
  };
}
