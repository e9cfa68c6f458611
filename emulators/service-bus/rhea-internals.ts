/**
 * What the emulator uses of rhea 3.0.5, including members that rhea does not document and its typings do not name.
 * rhea is pinned exactly because of them. Everything that depends on them is typed here, in one place.
 */
import type { EventEmitter } from 'node:events';
import type { Server, Socket } from 'node:net';
import rhea from 'rhea';

/** A value with its AMQP type, as made by `types.wrap_…`. */
export interface TypedValue {
  readonly value: unknown;
}

export interface AmqpTypes {
  wrap(value: unknown): TypedValue;
  wrap_int(value: number): TypedValue;
  wrap_long(value: number | Buffer): TypedValue;
  wrap_ulong(value: number): TypedValue;
  wrap_symbol(value: string): TypedValue;
  wrap_string(value: string): TypedValue;
  wrap_timestamp(epochMs: number): TypedValue;
  wrap_uuid(bytes: Buffer): TypedValue;
  wrap_list(values: readonly unknown[]): TypedValue;
  /** `typeCode` is the AMQP constructor of the elements: 0x81 long, 0x83 timestamp, 0x98 uuid. */
  wrap_array(values: readonly unknown[], typeCode: number): TypedValue;
  described(descriptor: TypedValue, value: TypedValue): TypedValue;
  readonly Writer: new () => { write(value: TypedValue): void; toBuffer(): Buffer };
}

export interface AmqpErrorFields {
  readonly condition: string;
  readonly description: string;
  /** Never left out, even if empty: the Python SDK reads three fields. */
  readonly info: Readonly<Record<string, unknown>>;
}

export interface DecodedMessage {
  readonly message_id?: string | number | Buffer;
  readonly to?: string;
  readonly subject?: string;
  readonly reply_to?: string;
  readonly correlation_id?: string | number | Buffer;
  readonly content_type?: string;
  readonly group_id?: string;
  readonly reply_to_group_id?: string;
  readonly durable?: boolean | number;
  readonly priority?: number;
  readonly ttl?: number;
  readonly application_properties?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

export interface MessageCodec {
  encode(message: object): Buffer;
  decode(bytes: Buffer): DecodedMessage;
  accepted(): { described(): object };
  released(): { described(): object };
  modified(fields: { undeliverable_here: boolean }): { described(): object };
  rejected(fields: { error?: AmqpErrorFields }): { described(): object };
}

export interface RemoteOutcome {
  /** rhea reads the two-byte encoding of a boolean (0x56) as 0 or 1. */
  readonly undeliverable_here?: boolean | number;
  readonly message_annotations?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly condition?: string;
    readonly description?: string;
    readonly info?: Readonly<Record<string, unknown>>;
  };
}

export interface RheaDelivery {
  readonly id: number;
  settled: boolean;
  remote_settled: boolean;
  readonly remote_state?: RemoteOutcome;
  update(settled: boolean, state?: object): void;
}

export interface RheaTerminus {
  readonly address?: string;
  readonly filter?: Readonly<Record<string, unknown>>;
}

export interface RheaLink {
  readonly name: string;
  readonly connection: RheaConnection;
  readonly session: RheaSession;
  readonly source?: RheaTerminus;
  readonly target?: RheaTerminus;
  readonly snd_settle_mode?: number;
  readonly rcv_settle_mode?: number;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly local: {
    attach: {
      snd_settle_mode: number;
      rcv_settle_mode: number;
      max_message_size?: number;
      properties?: object;
    };
  };
  /** Own property while the attach is held back; the prototype's method sends it. */
  open: () => void;
  /** Own property while the detach is held back; the prototype's method sends it. */
  close: (error?: AmqpErrorFields) => void;
  remove: () => void;
  set_source(fields: { address?: string | undefined }): void;
  set_target(fields: { address?: string | undefined }): void;
  is_open(): boolean;
}

export interface RheaSender extends RheaLink {
  credit: number;
  delivery_count: number;
  _draining: boolean;
  _drained: boolean;
  _get_drain(): boolean;
  set_drained(drained: boolean): void;
  send(message: object | Buffer, tag?: Buffer, format?: number): RheaDelivery;
}

export interface RheaReceiver extends RheaLink {
  add_credit(credit: number): void;
}

export interface RheaSession {
  readonly outgoing: { available(): number };
  find_sender(matches: (link: RheaLink) => boolean): RheaSender | undefined;
  on_transfer(frame: { performative: { message_format?: number } }): void;
  create_sender(name: string, options?: object): RheaLink;
  create_receiver(name: string, options?: object): RheaLink;
}

export interface RheaConnection {
  readonly socket: Socket;
  readonly session_error?: unknown;
  close(error?: AmqpErrorFields): void;
  find_sender(matches: (link: RheaLink) => boolean): RheaSender | undefined;
  _process(): void;
  _register(): void;
  _write_frame(): void;
  _disconnected(): void;
}

export interface RheaContext {
  readonly connection: RheaConnection;
  readonly session: RheaSession;
  readonly sender: RheaSender;
  readonly receiver: RheaReceiver;
  readonly delivery: RheaDelivery;
  readonly message: Buffer;
  readonly format?: number;
}

export interface RheaContainer extends EventEmitter {
  readonly sasl_server_mechanisms: Record<string, () => object> & { enable_anonymous(): void };
  listen(options: object): Server;
}

// rhea's own typings leave out the undocumented members listed above, so one cast stands here instead of many.
const library = rhea as unknown as {
  readonly types: AmqpTypes;
  readonly message: MessageCodec;
  create_container(options: { id: string }): RheaContainer;
};

export const amqpTypes: AmqpTypes = library.types;
export const messageCodec: MessageCodec = library.message;
export const ACCEPTED: object = library.message.accepted().described();

export function rejectedWith(error: AmqpErrorFields): object {
  return library.message.rejected({ error }).described();
}

export function createContainer(id: string): RheaContainer {
  return library.create_container({ id });
}

/** AMQP longs above 2^53 arrive from rhea as 8-byte buffers; here they are refused as out of any real range. */
export function numberOf(value: unknown): number {
  if (Buffer.isBuffer(value) && value.length === 8) return Number(value.readBigInt64BE(0));
  return Number(value);
}
