/**
 * AMQP 1.0 messages as bytes (OASIS AMQP 1.0 part 3, section 3.2). Sections pass through untouched, because decoding
 * and encoding again would lose AMQP types; only the header and the message annotations are written by the broker.
 */
import { randomUUID } from 'node:crypto';
import { amqpTypes, type DecodedMessage, messageCodec } from './rhea-internals.ts';
import { malformed } from './service-bus-error.ts';

/** message-format of a transfer whose data sections are messages themselves (what `sendMessages([…])` sends). */
export const BATCH_MESSAGE_FORMAT = 0x80013700;

const SECTION = {
  header: 0x70,
  messageAnnotations: 0x72,
  properties: 0x73,
  applicationProperties: 0x74,
  data: 0x75,
} as const;

const TYPE = { long: 0x81, timestamp: 0x83, smallInt: 0x54, nullValue: 0x40, boolean: 0x56 } as const;

/** Values of `x-opt-message-state`. */
const STATE_CODE = { active: 0, deferred: 1, scheduled: 2 } as const;

/** A map entry whose value is kept encoded. */
type EncodedEntry = readonly [key: string, value: Buffer];

/** A message without what the broker decides about it. Buffers are whole sections, descriptor included. */
export interface MessageContent {
  readonly durable: boolean;
  readonly priority: number | undefined;
  readonly timeToLiveMs: number | undefined;
  /** Message annotations of the sender; those that belong to the broker are left out. */
  readonly annotations: readonly EncodedEntry[];
  /** Epoch milliseconds, from `x-opt-scheduled-enqueue-time`. */
  readonly scheduledEnqueueTime: number | undefined;
  readonly properties: Buffer;
  readonly applicationProperties: Buffer | undefined;
  /** Body sections and footer. */
  readonly body: Buffer;
  readonly sizeBytes: number;
}

/** What the broker writes on a message it hands out. Times are epoch milliseconds. */
export interface BrokerStamp {
  readonly sequenceNumber: number;
  readonly enqueuedSequenceNumber: number;
  readonly enqueuedAt: number;
  readonly deliveryCount: number;
  readonly lockedUntil?: number | undefined;
  readonly state: keyof typeof STATE_CODE;
  readonly deadLetterSource?: string | undefined;
}

const BROKER_ANNOTATIONS = new Set([
  'x-opt-sequence-number',
  'x-opt-enqueued-time',
  'x-opt-locked-until',
  'x-opt-enqueue-sequence-number',
  'x-opt-message-state',
  'x-opt-lock-token',
  'x-opt-deadletter-source',
]);

export function parseMessage(bytes: Buffer): MessageContent {
  let header: DecodedMessage = {};
  let annotations: readonly EncodedEntry[] = [];
  let properties: Buffer | undefined;
  let applicationProperties: Buffer | undefined;
  let bodyAt = bytes.length;
  for (let at = 0; at < bytes.length; ) {
    const code = sectionCode(bytes, at);
    const end = endOfValue(bytes, at);
    const section = bytes.subarray(at, end);
    if (code === SECTION.header) header = decodeSection(section);
    else if (code === SECTION.messageAnnotations) annotations = senderAnnotations(section);
    else if (code === SECTION.properties) properties = section;
    else if (code === SECTION.applicationProperties) applicationProperties = section;
    else if (code >= SECTION.data) {
      bodyAt = at;
      break;
    }
    at = end;
  }
  return {
    durable: Boolean(header.durable),
    priority: header.priority,
    timeToLiveMs: header.ttl,
    annotations,
    scheduledEnqueueTime: scheduledEnqueueTimeOf(annotations),
    properties: withMessageId(properties),
    applicationProperties,
    body: bytes.subarray(bodyAt),
    sizeBytes: bytes.length,
  };
}

/** The messages inside a batch: each data section of the envelope is one encoded message. */
export function splitBatch(envelope: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < envelope.length; ) {
    const end = endOfValue(envelope, at);
    if (sectionCode(envelope, at) === SECTION.data) {
      const valueAt = endOfValue(envelope, at + 1);
      const lengthBytes = envelope[valueAt] === 0xa0 ? 1 : 4;
      messages.push(envelope.subarray(valueAt + 1 + lengthBytes, end));
    }
    at = end;
  }
  return messages;
}

/** The message as stored: exactly what the sender gave, delivery facts left out. */
export function encodeContent(content: MessageContent): Buffer {
  return joinSections(content, headerSection(content, 0), content.annotations);
}

/** The message as handed to a receiver. */
export function encodeForDelivery(content: MessageContent, stamp: BrokerStamp): Buffer {
  const annotations = content.annotations.slice();
  annotations.push(
    ['x-opt-sequence-number', eightBytes(TYPE.long, stamp.sequenceNumber)],
    ['x-opt-enqueue-sequence-number', eightBytes(TYPE.long, stamp.enqueuedSequenceNumber)],
    ['x-opt-enqueued-time', eightBytes(TYPE.timestamp, stamp.enqueuedAt)],
  );
  if (stamp.lockedUntil !== undefined) {
    annotations.push(['x-opt-locked-until', eightBytes(TYPE.timestamp, stamp.lockedUntil)]);
  }
  annotations.push(['x-opt-message-state', Buffer.from([TYPE.smallInt, STATE_CODE[stamp.state]])]);
  if (stamp.deadLetterSource !== undefined) {
    annotations.push(['x-opt-deadletter-source', encodeValue(stamp.deadLetterSource)]);
  }
  return joinSections(content, headerSection(content, stamp.deliveryCount), annotations);
}

/** A copy whose application properties have the given ones added or replaced; undefined and null values are left out. */
export function withApplicationProperties(
  content: MessageContent,
  additions: Readonly<Record<string, unknown>>,
): MessageContent {
  const kept =
    content.applicationProperties === undefined
      ? []
      : mapEntries(content.applicationProperties).filter(([key]) => !Object.hasOwn(additions, key));
  const added = Object.entries(additions)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]): EncodedEntry => [key, encodeValue(value)]);
  if (added.length === 0 && kept.length === 0) return content;
  const applicationProperties = mapSection(SECTION.applicationProperties, [...kept, ...added], 'string');
  const growth = applicationProperties.length - (content.applicationProperties?.length ?? 0);
  return { ...content, applicationProperties, sizeBytes: content.sizeBytes + growth };
}

export function decodeProperties(content: MessageContent): DecodedMessage {
  return decodeSection(content.properties);
}

export function decodeApplicationProperties(content: MessageContent): Readonly<Record<string, unknown>> {
  if (content.applicationProperties === undefined) return {};
  const decoded = { ...decodeSection(content.applicationProperties).application_properties };
  // rhea reads the two-byte encoding of a boolean, which the Python SDK uses, as a number.
  for (const [key, value] of mapEntries(content.applicationProperties)) {
    if (value[0] === TYPE.boolean) decoded[key] = value[1] === 1;
  }
  return decoded;
}

/**
 * Reads once what filters and duplicate detection will read later, so that a damaged message is refused at the door.
 *
 * @throws ServiceBusError `amqp:decode-error`
 */
export function checkReadable(content: MessageContent): void {
  decodeProperties(content);
  decodeApplicationProperties(content);
}

function decodeSection(section: Buffer): DecodedMessage {
  try {
    return messageCodec.decode(section);
  } catch (error) {
    // rhea throws errors of many kinds over foreign bytes; all of them mean that the bytes are damaged.
    throw malformed(`A section of the message cannot be read: ${String(error)}`);
  }
}

/**
 * RFC 4122 byte order to .NET Guid byte order and back: the first three groups are reversed. A delivery tag carries the
 * lock token in .NET order, the management node carries it in RFC order.
 */
export function swapGuidByteOrder(uuid: Buffer): Buffer {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Buffer.from(order.map((index) => uuid[index] ?? 0));
}

/** The position after the value that starts at `at`, by its constructor (part 1, section 1.2). */
function endOfValue(bytes: Buffer, at: number, depth = 0): number {
  if (depth > MAX_DESCRIPTOR_DEPTH)
    throw malformed('A value of the message has a descriptor within a descriptor.');
  if (at >= bytes.length) throw malformed('The message ends in the middle of a value.');
  const code = bytes[at]!;
  let end: number;
  if (code === 0) end = endOfValue(bytes, endOfValue(bytes, at + 1, depth + 1), depth + 1);
  else if (code >= 0x40 && code <= 0x9f) end = at + 1 + (FIXED_WIDTH_BYTES[code >>> 4] ?? 0);
  else if (code >= 0xa0) end = endOfVariableValue(bytes, at, code);
  else throw malformed(`The message has an unknown AMQP type code 0x${code.toString(16)}.`);
  if (end > bytes.length) throw malformed('A length in the message points behind its end.');
  return end;
}

const MAX_DESCRIPTOR_DEPTH = 8;

const FIXED_WIDTH_BYTES: Readonly<Record<number, number>> = { 4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16 };

function endOfVariableValue(bytes: Buffer, at: number, code: number): number {
  // Codes 0xA., 0xC., 0xE. have a size of one byte, 0xB., 0xD., 0xF. of four.
  const sizeBytes = (code >>> 4) % 2 === 0 ? 1 : 4;
  if (at + 1 + sizeBytes > bytes.length) throw malformed('The message ends in the middle of a length.');
  const size = sizeBytes === 1 ? bytes[at + 1]! : bytes.readUInt32BE(at + 1);
  return at + 1 + sizeBytes + size;
}

function sectionCode(bytes: Buffer, at: number): number {
  if (bytes[at] === 0 && bytes[at + 1] === 0x53 && at + 2 < bytes.length) return bytes[at + 2]!;
  if (bytes[at] === 0 && bytes[at + 1] === 0x80 && at + 10 <= bytes.length) return bytes.readUInt32BE(at + 6);
  throw malformed('A section of the message has no numeric descriptor.');
}

/** Where the elements of a list or map begin, and how many there are. */
function compoundStart(bytes: Buffer, at: number): { count: number; at: number } {
  const code = bytes[at]!;
  if (code === 0x45 || code === TYPE.nullValue) return { count: 0, at: at + 1 };
  if (code === 0xc0 || code === 0xc1) return { count: bytes[at + 2] ?? 0, at: at + 3 };
  if ((code === 0xd0 || code === 0xd1) && at + 9 <= bytes.length)
    return { count: bytes.readUInt32BE(at + 5), at: at + 9 };
  throw malformed(`Expected a list or map, found AMQP type code 0x${code.toString(16)}.`);
}

function mapEntries(section: Buffer): EncodedEntry[] {
  const start = compoundStart(section, endOfValue(section, 1));
  const entries: EncodedEntry[] = [];
  let at = start.at;
  for (let index = 0; index < start.count; index += 2) {
    const keyEnd = endOfValue(section, at);
    const isShort = section[at] === 0xa1 || section[at] === 0xa3;
    const valueEnd = endOfValue(section, keyEnd);
    entries.push([
      section.toString('utf8', at + (isShort ? 2 : 5), keyEnd),
      section.subarray(keyEnd, valueEnd),
    ]);
    at = valueEnd;
  }
  return entries;
}

function mapSection(code: number, entries: readonly EncodedEntry[], keys: 'symbol' | 'string'): Buffer {
  const parts: Buffer[] = [Buffer.alloc(12)];
  let sizeBytes = 4;
  for (const [key, value] of entries) {
    const keyBytes = Buffer.from(key, 'utf8');
    const prefix =
      keyBytes.length < 256
        ? Buffer.from([keys === 'symbol' ? 0xa3 : 0xa1, keyBytes.length])
        : Buffer.from([keys === 'symbol' ? 0xb3 : 0xb1, 0, 0, 0, 0]);
    if (prefix.length === 5) prefix.writeUInt32BE(keyBytes.length, 1);
    parts.push(prefix, keyBytes, value);
    sizeBytes += prefix.length + keyBytes.length + value.length;
  }
  const head = parts[0]!;
  head.set([0, 0x53, code, 0xd1]);
  head.writeUInt32BE(sizeBytes, 4);
  head.writeUInt32BE(entries.length * 2, 8);
  return Buffer.concat(parts);
}

function senderAnnotations(section: Buffer): EncodedEntry[] {
  return mapEntries(section).filter(([key]) => !BROKER_ANNOTATIONS.has(key));
}

function scheduledEnqueueTimeOf(annotations: readonly EncodedEntry[]): number | undefined {
  const entry = annotations.find(([key]) => key === 'x-opt-scheduled-enqueue-time');
  if (entry === undefined || entry[1][0] !== TYPE.timestamp) return undefined;
  return Number(entry[1].readBigInt64BE(1));
}

/** The SDK's lock renewer fails on a message without message-id, so the broker gives it one, as Service Bus does. */
function withMessageId(section: Buffer | undefined): Buffer {
  let count = 1;
  let rest: Buffer = Buffer.alloc(0);
  if (section !== undefined) {
    const start = compoundStart(section, endOfValue(section, 1));
    if (start.count > 0 && section[start.at] !== TYPE.nullValue) return section;
    if (start.count > 0) {
      count = start.count;
      rest = section.subarray(start.at + 1);
    }
  }
  const messageId = encodeValue(randomUUID().replaceAll('-', ''));
  const head = Buffer.from([0, 0x53, SECTION.properties, 0xd0, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(4 + messageId.length + rest.length, 4);
  head.writeUInt32BE(count, 8);
  return Buffer.concat([head, messageId, rest]);
}

/** list8 [durable, priority, ttl, first-acquirer, delivery-count] */
function headerSection(content: MessageContent, deliveryCount: number): Buffer {
  const header = Buffer.alloc(32);
  header.set([0, 0x53, SECTION.header, 0xc0, 0, 5, content.durable ? 0x41 : 0x42]);
  let at = 7;
  if (content.priority === undefined) header[at++] = TYPE.nullValue;
  else {
    header[at++] = 0x50;
    header[at++] = content.priority;
  }
  if (content.timeToLiveMs === undefined) header[at++] = TYPE.nullValue;
  else {
    header[at++] = 0x70;
    at = header.writeUInt32BE(content.timeToLiveMs, at);
  }
  header[at++] = TYPE.nullValue;
  header[at++] = 0x70;
  at = header.writeUInt32BE(deliveryCount, at);
  header[4] = at - 5;
  return header.subarray(0, at);
}

function joinSections(content: MessageContent, header: Buffer, annotations: readonly EncodedEntry[]): Buffer {
  const sections = [header];
  if (annotations.length > 0) {
    sections.push(mapSection(SECTION.messageAnnotations, annotations, 'symbol'));
  }
  sections.push(content.properties);
  if (content.applicationProperties !== undefined) sections.push(content.applicationProperties);
  sections.push(content.body);
  return Buffer.concat(sections);
}

function eightBytes(typeCode: number, value: number): Buffer {
  const bytes = Buffer.allocUnsafe(9);
  bytes[0] = typeCode;
  bytes.writeInt32BE(Math.floor(value / 2 ** 32), 1);
  bytes.writeUInt32BE(value % 2 ** 32, 5);
  return bytes;
}

function encodeValue(value: unknown): Buffer {
  const writer = new amqpTypes.Writer();
  writer.write(amqpTypes.wrap(value));
  return Buffer.from(writer.toBuffer());
}
