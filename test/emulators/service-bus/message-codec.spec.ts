import assert from 'node:assert/strict';
import fc from 'fast-check';
import rhea from 'rhea';
import sinon from 'sinon';
import {
  checkReadable,
  decodeApplicationProperties,
  encodeContent,
  encodeForDelivery,
  parseMessage,
  splitBatch,
  swapGuidByteOrder,
  withApplicationProperties,
} from '#emulators/service-bus/message-codec.ts';
import { ServiceBusError } from '#emulators/service-bus/service-bus-error.ts';

const STAMP = {
  sequenceNumber: 2 ** 40,
  enqueuedSequenceNumber: 7,
  enqueuedAt: 1_700_000_000_000,
  deliveryCount: 3,
  lockedUntil: 1_700_000_060_000,
  state: 'active',
  deadLetterSource: 'landing',
} as const;

interface Decoded {
  readonly durable?: boolean;
  readonly priority?: number;
  readonly ttl?: number;
  readonly delivery_count?: number;
  readonly message_id?: string;
  readonly subject?: string;
  readonly body?: unknown;
  readonly application_properties?: Readonly<Record<string, unknown>>;
  readonly message_annotations?: Readonly<Record<string, unknown>>;
}

/** rhea as a second opinion on our bytes. */
function decode(bytes: Buffer): Decoded {
  return rhea.message.decode(bytes) as unknown as Decoded;
}

function sampleMessage(): Buffer {
  return rhea.message.encode({
    durable: true,
    priority: 5,
    ttl: 60_000,
    message_id: 'm-1',
    subject: 'x',
    message_annotations: {
      'x-opt-partition-key': 'p',
      'x-opt-sequence-number': 99,
      'x-opt-scheduled-enqueue-time': rhea.types.wrap_timestamp(1_800_000_000_000),
    },
    application_properties: { text: 'ü', count: 5, [`long-${'k'.repeat(300)}`]: true },
    body: rhea.message.data_section(Buffer.from('body')),
  });
}

describe('Service Bus: messages as bytes', () => {
  afterEach(() => sinon.restore());

  it('keeps what the sender wrote, and writes what belongs to the broker', () => {
    const content = parseMessage(sampleMessage());
    assert.equal(content.scheduledEnqueueTime, 1_800_000_000_000);
    const delivered = decode(encodeForDelivery(content, STAMP));
    assert.deepEqual([delivered.durable, delivered.priority, delivered.ttl], [true, 5, 60_000]);
    assert.equal(delivered.delivery_count, 3);
    assert.equal(delivered.message_id, 'm-1');
    assert.equal(delivered.application_properties?.['text'], 'ü');
    const annotations = delivered.message_annotations ?? {};
    assert.equal(annotations['x-opt-sequence-number'], 2 ** 40);
    assert.equal(annotations['x-opt-enqueue-sequence-number'], 7);
    assert.equal(annotations['x-opt-partition-key'], 'p');
    assert.equal(annotations['x-opt-deadletter-source'], 'landing');
    assert.equal(Number(annotations['x-opt-locked-until']), STAMP.lockedUntil);
  });

  it('stores a message so that it reads back as the same', () => {
    const content = parseMessage(sampleMessage());
    const again = parseMessage(encodeContent(content));
    assert.deepEqual({ ...again, sizeBytes: 0 }, { ...content, sizeBytes: 0 });
  });

  it('gives a message without id one of its own, and keeps its other properties', () => {
    const bytes = rhea.message.encode({ subject: 'kept', body: 1 });
    const first = decode(encodeContent(parseMessage(bytes)));
    const second = decode(encodeContent(parseMessage(bytes)));
    assert.match(String(first.message_id), /^[0-9a-f]{32}$/);
    assert.notEqual(first.message_id, second.message_id);
    assert.equal(first.subject, 'kept');
  });

  it('adds and replaces application properties, and leaves out those without a value', () => {
    const changed = withApplicationProperties(parseMessage(sampleMessage()), {
      count: 6,
      added: 'a',
      none: undefined,
    });
    const { text, count, added } = decodeApplicationProperties(changed);
    assert.deepEqual([text, count, added], ['ü', 6, 'a']);
    assert.equal('none' in decodeApplicationProperties(changed), false);
  });

  it('reads a boolean in either of its two encodings', () => {
    const long = Buffer.from([
      0x00, 0x53, 0x74, 0xc1, 0x0b, 0x04, 0xa1, 0x01, 0x79, 0x56, 0x01, 0xa1, 0x01, 0x6e, 0x56, 0x00,
    ]);
    long[4] = long.length - 5;
    const body = Buffer.from([0x00, 0x53, 0x77, 0x41]);
    assert.deepEqual(decodeApplicationProperties(parseMessage(Buffer.concat([long, body]))), {
      y: true,
      n: false,
    });
  });

  it('takes a batch apart into its messages, however large each is', () => {
    const messages = ['short', 'l'.repeat(1000)].map((body) =>
      rhea.message.encode({ message_id: body.slice(0, 1), body }),
    );
    const envelope = rhea.message.encode({ body: rhea.message.data_sections(messages) });
    assert.deepEqual(
      splitBatch(envelope).map((bytes) => decode(bytes).body),
      ['short', 'l'.repeat(1000)],
    );
  });

  it('swaps the byte order of a Guid both ways', () => {
    const uuid = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
    assert.equal(swapGuidByteOrder(uuid).toString('hex'), '33221100554477668899aabbccddeeff');
    assert.deepEqual(swapGuidByteOrder(swapGuidByteOrder(uuid)), uuid);
  });

  it('refuses a value nested in itself without end', () => {
    const nested = Buffer.concat([Buffer.from([0, 0x53, 0x77]), Buffer.alloc(100_000)]);
    assert.throws(() => parseMessage(nested), ServiceBusError);
  });

  it('refuses damaged bytes by name, and never reads behind their end', () => {
    // rhea prints a line about some of these bytes.
    sinon.stub(console, 'warn');
    const whole = sampleMessage();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(whole.length), fc.nat(255), (at, length, value) => {
        const damaged = Buffer.from(whole.subarray(0, length));
        if (at < length) damaged[at] = value;
        try {
          checkReadable(parseMessage(damaged));
          splitBatch(damaged);
        } catch (error) {
          assert.ok(error instanceof ServiceBusError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
