import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { serviceBusEntities } from '#adapters/azure/service-bus/entities.ts';
import { asyncApiDocument } from '#adapters/published/asyncapi.ts';
import { envelopeOf, MESSAGES } from '#domain/messages.ts';

interface Reference {
  readonly $ref: string;
}
interface AsyncApi {
  readonly channels: Record<string, { address: string; messages: Record<string, Reference> }>;
  readonly operations: Record<string, { action: string; channel: Reference; messages: Reference[] }>;
  readonly components: { messages: Record<string, { payload: object }> };
}
interface Entities {
  readonly UserConfig: {
    readonly Namespaces: readonly {
      readonly Queues: readonly { Name: string }[];
      readonly Topics: readonly { Name: string }[];
    }[];
  };
}

/** The JSON Schema that the AsyncAPI project publishes for documents of version 3.0.0. */
const SPECIFICATION = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json');

describe('the AsyncAPI document', () => {
  const document = JSON.parse(JSON.stringify(asyncApiDocument())) as AsyncApi;

  it('is a valid AsyncAPI 3.0.0 document', () => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    addFormats.default(ajv);
    const validate = ajv.compile(SPECIFICATION);
    assert.ok(validate(document), ajv.errorsText(validate.errors?.slice(0, 10)));
    assert.equal(validate({ ...document, channels: { events: { address: 7 } } }), false);
  });

  it('has a channel for each topic and queue of Service Bus, and no others but the Event Grid topic', () => {
    const [namespace] = (serviceBusEntities() as Entities).UserConfig.Namespaces;
    const entities = [...namespace!.Queues, ...namespace!.Topics].map((entity) => entity.Name);
    const addresses = Object.values(document.channels).map((channel) => channel.address);
    assert.deepEqual(addresses.toSorted(), [...entities, '/api/events'].toSorted());
  });

  it('has no reference that leads nowhere', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
      (match) => match[1]!,
    );
    assert.ok(references.length > 100);
    for (const reference of references) {
      let place: unknown = document;
      for (const key of reference.split('/')) place = (place as Record<string, unknown>)[key];
      assert.notEqual(place, undefined, reference);
    }
  });

  it('sends each event to the subscribers, and each command to a queue where somebody receives it', () => {
    const received = new Set<string>();
    for (const { action, messages } of Object.values(document.operations)) {
      if (action === 'receive')
        for (const { $ref } of messages)
          if (!$ref.includes('/failed-messages/')) received.add($ref.split('/').at(-1)!);
    }
    for (const { kind, type } of MESSAGES) {
      assert.ok(document.channels[kind === 'event' ? 'events' : 'commands']?.messages[type], type);
      assert.ok(received.has(type), `${type} is received nowhere`);
    }
  });

  it('describes messages as they are', () => {
    const type = 'landfall.measurement.cancelled.v1';
    const measurementId = '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11';
    const event = envelopeOf(
      type,
      { measurementId, generation: 1, actor: 'ada', reason: 'wrong car' },
      { id: '1', source: 'landfall/saga', time: new Date(0), fleet: 'test', region: 'local', sequence: 7 },
    );
    const ajv = new Ajv({ strict: false });
    addFormats.default(ajv);
    const validate = ajv.compile(document.components.messages[type]!.payload);
    assert.ok(validate(event), ajv.errorsText(validate.errors));
    assert.equal(validate({ ...event, data: { measurementId } }), false);
  });
});
