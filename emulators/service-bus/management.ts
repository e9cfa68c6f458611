/** The management node of an entity (`<entity>/$management`): request in, answer out, over AMQP. */
import type { Broker, Settlement } from './broker.ts';
import { MAX_MESSAGE_SIZE_BYTES } from './entity-description.ts';
import { encodeForDelivery, parseMessage } from './message-codec.ts';
import type { StoredMessage } from './message-queue.ts';
import { amqpTypes, type DecodedMessage, numberOf } from './rhea-internals.ts';
import type { RuleManagement } from './rule-management.ts';
import { malformed, messageTooLarge, notAllowed, ServiceBusError } from './service-bus-error.ts';

const ARRAY_OF = { long: 0x81, timestamp: 0x83, uuid: 0x98 } as const;
const NO_LOCK_TOKEN = Buffer.alloc(16);
/** receiver-settle-mode of receive-by-sequence-number: 0 receives and deletes, 1 locks. */
const SETTLE_FIRST = 0;

export interface ManagementAnswer {
  readonly statusCode: number;
  readonly statusDescription: string;
  readonly errorCondition?: string;
  readonly body?: object;
}

type Body = Readonly<Record<string, unknown>>;
type Operation = (address: string, body: Body) => object | undefined;

export class ManagementNode {
  readonly #broker: Broker;
  readonly #operations: ReadonlyMap<string, Operation>;

  constructor(broker: Broker, rules: RuleManagement) {
    this.#broker = broker;
    this.#operations = new Map<string, Operation>([
      ['com.microsoft:renew-lock', (address, body) => this.#renewLock(address, body)],
      ['com.microsoft:peek-message', (address, body) => this.#peek(address, body)],
      ['com.microsoft:schedule-message', (address, body) => this.#schedule(address, body)],
      ['com.microsoft:cancel-scheduled-message', (address, body) => this.#cancelScheduled(address, body)],
      ['com.microsoft:receive-by-sequence-number', (address, body) => this.#receiveDeferred(address, body)],
      ['com.microsoft:update-disposition', (address, body) => this.#updateDisposition(address, body)],
      ['com.microsoft:add-rule', (address, body) => rules.add(address, body)],
      ['com.microsoft:remove-rule', (address, body) => rules.remove(address, body)],
      ['com.microsoft:enumerate-rules', (address, body) => rules.enumerate(address, body)],
    ]);
  }

  /** `address` is the entity's, without `/$management`. An answer without body is 204: none. */
  answer(address: string, request: DecodedMessage): ManagementAnswer {
    const name = String(request.application_properties?.['operation']);
    try {
      const operation = this.#operations.get(name);
      if (operation === undefined) {
        throw new ServiceBusError(
          'amqp:not-implemented',
          501,
          `The operation '${name}' is not offered here.`,
        );
      }
      const body = operation(address, (request.body ?? {}) as Body);
      return body === undefined
        ? { statusCode: 204, statusDescription: 'NoContent', body: {} }
        : { statusCode: 200, statusDescription: 'OK', body };
    } catch (error) {
      if (!(error instanceof ServiceBusError)) throw error;
      return {
        statusCode: error.statusCode,
        statusDescription: error.message,
        errorCondition: error.condition,
      };
    }
  }

  #renewLock(address: string, body: Body): object {
    const { node } = this.#broker.receivable(address);
    const expirations = lockTokensOf(body).map((token) => this.#broker.renewLock(node, token));
    return { expirations: amqpTypes.wrap_array(expirations, ARRAY_OF.timestamp) };
  }

  #peek(address: string, body: Body): object | undefined {
    const { node } = this.#broker.receivable(address);
    const from = numberOf(body['from-sequence-number']);
    const messages = this.#broker.peek(node, from, numberOf(body['message-count']));
    if (messages.length === 0) return undefined;
    return { messages: messages.map((message) => ({ message: encodePeeked(message) })) };
  }

  #schedule(address: string, body: Body): object {
    const entity = this.#broker.publishable(address);
    const contents = listOf(body, 'messages').map((entry) => {
      const bytes = (entry as Body)['message'];
      if (!Buffer.isBuffer(bytes))
        throw malformed("schedule-message: each of 'messages' needs a binary 'message'.");
      if (bytes.length > MAX_MESSAGE_SIZE_BYTES) throw messageTooLarge(bytes.length, MAX_MESSAGE_SIZE_BYTES);
      return parseMessage(bytes);
    });
    const sequenceNumbers = this.#broker.publish(entity, contents);
    return { 'sequence-numbers': amqpTypes.wrap_array(sequenceNumbers, ARRAY_OF.long) };
  }

  #cancelScheduled(address: string, body: Body): object {
    this.#broker.cancelScheduled(this.#broker.publishable(address), sequenceNumbersOf(body));
    return {};
  }

  #receiveDeferred(address: string, body: Body): object {
    const { node } = this.#broker.receivable(address);
    const isDeleted = numberOf(body['receiver-settle-mode']) === SETTLE_FIRST;
    const numbers = sequenceNumbersOf(body);
    const messages = isDeleted
      ? this.#broker.removeDeferred(node, numbers)
      : this.#broker.lockDeferred(node, numbers);
    return {
      messages: messages.map((message) => ({
        'lock-token': amqpTypes.wrap_uuid(
          message.lock === undefined ? NO_LOCK_TOKEN : Buffer.from(message.lock.token, 'hex'),
        ),
        message: encodePeeked(message, message.lock?.until),
      })),
    };
  }

  #updateDisposition(address: string, body: Body): object {
    const target = this.#broker.receivable(address);
    const settlement = settlementOf(body);
    for (const token of lockTokensOf(body)) this.#broker.settle(target, token, settlement);
    return {};
  }
}

function settlementOf(body: Body): Settlement {
  const changes = (body['properties-to-modify'] ?? {}) as Body;
  const text = (field: string): string | undefined =>
    body[field] === undefined || body[field] === null ? undefined : String(body[field]);
  switch (String(body['disposition-status'])) {
    case 'completed':
      return { kind: 'complete' };
    case 'abandoned':
      return { kind: 'abandon', changes };
    // Spelled like this on the wire.
    case 'defered':
      return { kind: 'defer', changes };
    case 'suspended':
      return {
        kind: 'deadLetter',
        reason: text('deadletter-reason'),
        description: text('deadletter-description'),
        changes,
      };
    default:
      throw notAllowed(
        `update-disposition: '${String(body['disposition-status'])}' is no disposition-status.`,
      );
  }
}

function encodePeeked(message: StoredMessage, lockedUntil?: number): Buffer {
  return encodeForDelivery(message.content, { ...message, lockedUntil });
}

function lockTokensOf(body: Body): string[] {
  return listOf(body, 'lock-tokens').map((token) => {
    if (!Buffer.isBuffer(token)) throw malformed("'lock-tokens' must be an array of uuids.");
    return token.toString('hex');
  });
}

function sequenceNumbersOf(body: Body): number[] {
  return listOf(body, 'sequence-numbers').map(numberOf);
}

function listOf(body: Body, field: string): readonly unknown[] {
  const value = body[field];
  if (!Array.isArray(value)) throw malformed(`The request needs '${field}', an array.`);
  return value;
}
