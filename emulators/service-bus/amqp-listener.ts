/** The AMQP port: accepts connections and links, and leads what arrives on them to the broker. */
import type { AddressInfo, Server } from 'node:net';
import type { TlsIdentity } from '../emulator-process.ts';
import type { Broker } from './broker.ts';
import { ClientConnection } from './client-connection.ts';
import { parseAddress } from './entity.ts';
import { MAX_MESSAGE_SIZE_BYTES } from './entity-description.ts';
import { checkEntraToken } from './entra-token.ts';
import type { FaultEffect, Faults } from './faults.ts';
import type { ManagementNode } from './management.ts';
import { PublisherLink } from './publisher-link.ts';
import { type OutcomeName, ReceiverLink } from './receiver-link.ts';
import {
  ACCEPTED,
  amqpTypes,
  createContainer,
  type DecodedMessage,
  messageCodec,
  type RheaConnection,
  type RheaContainer,
  type RheaContext,
  type RheaLink,
  type RheaSession,
} from './rhea-internals.ts';
import { notAllowed, ServiceBusError, serverBusy } from './service-bus-error.ts';
import { type AccessKey, checkToken } from './shared-access-signature.ts';

/** What Azure asks its clients to keep alive within. */
const IDLE_TIMEOUT_MS = 240_000;
const RECEIVER_CREDIT = 500;
/** Any message format but 0 makes rhea hand over the bytes instead of decoding them, which would lose AMQP types. */
const RAW_MESSAGE_FORMAT = 1;
const PRE_SETTLED = 1;
const FIRST_SETTLE_MODE = 0;
const MIXED_SETTLE_MODE = 2;
const SESSION_FILTER = 'com.microsoft:session-filter';
const CLOSE_GRACE_MS = 200;

export interface AmqpListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly accessKey: AccessKey;
  /** Speaks AMQP over TLS, and takes tokens of Entra ID besides signatures. */
  readonly tls?: TlsIdentity | undefined;
  readonly now: () => number;
  readonly idleTimeoutMs?: number | undefined;
  /** Takes what an operator should know of: connections that had to be ended. */
  readonly report: (line: string) => void;
}

type RequestNode = { readonly kind: 'cbs' } | { readonly kind: 'management'; readonly entityAddress: string };

export class AmqpListener {
  readonly #broker: Broker;
  readonly #management: ManagementNode;
  readonly #faults: Faults;
  readonly #options: AmqpListenerOptions;
  readonly #container: RheaContainer = createContainer('landfall-service-bus');
  readonly #connections = new Map<RheaConnection, ClientConnection>();
  readonly #receivers = new WeakMap<RheaLink, ReceiverLink>();
  readonly #publishers = new WeakMap<RheaLink, PublisherLink>();
  readonly #requestNodes = new WeakMap<RheaLink, RequestNode>();
  #server: Server | undefined;

  constructor(broker: Broker, management: ManagementNode, faults: Faults, options: AmqpListenerOptions) {
    this.#broker = broker;
    this.#management = management;
    this.#faults = faults;
    this.#options = options;
    this.#offerSasl();
    this.#listenToConnections();
    this.#listenToLinks();
  }

  /** @returns the port, which the system chooses when 0 was asked for */
  listen(): Promise<number> {
    const { tls, host, port } = this.#options;
    const server = this.#container.listen({
      ...(tls === undefined ? {} : { transport: 'tls', ...tls }),
      host,
      port,
      tcp_no_delay: true,
      max_frame_size: 65_536,
      channel_max: 5000,
      idle_time_out: this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      sender_options: { treat_modified_as_released: false, autosettle: false },
      receiver_options: {
        autoaccept: false,
        credit_window: RECEIVER_CREDIT,
        max_message_size: MAX_MESSAGE_SIZE_BYTES,
      },
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', () => resolve((server.address() as AddressInfo).port));
    });
  }

  connectionCount(): number {
    return this.#connections.size;
  }

  /** Cuts every connection as a network failure would; clients may connect again at once. */
  dropConnections(): number {
    const clients = [...this.#connections.values()];
    for (const client of clients) client.drop();
    return clients.length;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    for (const connection of this.#connections.keys()) connection.close();
    const killer = setTimeout(() => this.dropConnections(), CLOSE_GRACE_MS);
    await new Promise<void>((resolve) => server.close(() => resolve()));
    clearTimeout(killer);
  }

  #offerSasl(): void {
    const mechanisms = this.#container.sasl_server_mechanisms;
    mechanisms.enable_anonymous();
    // The .NET SDK's name for "nothing here, a token follows on $cbs".
    mechanisms['MSSBCBS'] = () => new TokenLaterMechanism();
  }

  #listenToConnections(): void {
    const container = this.#container;
    container.on('connection_open', ({ connection }: RheaContext) => {
      this.#connections.set(connection, new ClientConnection(connection, this.#options.now));
    });
    const gone = ({ connection }: RheaContext): void => {
      this.#connections.get(connection)?.unregisterAll();
      this.#connections.delete(connection);
    };
    container.on('connection_close', gone);
    container.on('disconnected', gone);
    container.on('session_open', ({ session }: RheaContext) => takeOverSession(session));
    container.on('session_close', ({ connection, session }: RheaContext) => {
      this.#connections.get(connection)?.unregisterAll(session);
    });
    // rhea ends the connection by itself. Without listeners it would throw, and one broken client ended them all.
    for (const event of ['error', 'protocol_error']) {
      container.on(event, (error: Error) => this.#options.report(`A connection was ended: ${error.stack}`));
    }
    // What a client gives as its reason to close something; the close itself has an event of its own.
    for (const event of ['connection_error', 'session_error', 'sender_error', 'receiver_error']) {
      container.on(event, () => undefined);
    }
  }

  #listenToLinks(): void {
    const container = this.#container;
    container.on('sender_open', ({ sender }: RheaContext) => {
      this.#open(sender, sender.source?.address ?? '', () => this.#openReceiver(sender));
    });
    container.on('receiver_open', ({ receiver }: RheaContext) => {
      this.#open(receiver, receiver.target?.address ?? '', () => this.#openPublisher(receiver));
    });
    container.on('sender_flow', ({ sender, connection }: RheaContext) => {
      this.#receivers.get(sender)?.flow();
      // The SDK's socket delays its next small packet until this one is acknowledged (44 ms) unless something answers.
      connection._write_frame();
    });
    container.on('message', (context: RheaContext) => this.#onMessage(context));
    for (const outcome of ['accepted', 'rejected', 'released', 'modified'] as const) {
      container.on(outcome, (context: RheaContext) => this.#onOutcome(context, outcome));
    }
    container.on('sender_close', ({ sender, connection }: RheaContext) => {
      this.#receivers.get(sender)?.peerDetached();
      this.#connections.get(connection)?.unregister(sender);
    });
    container.on('receiver_close', ({ receiver, connection }: RheaContext) => {
      this.#connections.get(connection)?.unregister(receiver);
    });
  }

  /** Decides over a link that wants to attach; a refusal is an attach without terminus and a detach with the error. */
  #open(link: RheaLink, address: string, accept: () => void): void {
    const proceed = (isBusy: boolean): void => {
      try {
        if (isBusy) throw serverBusy();
        accept();
      } catch (error) {
        if (!(error instanceof ServiceBusError)) throw error;
        sendAttach(link);
        link.close(error.asAmqpError());
      }
    };
    if (requestNodeOf(address) !== undefined) {
      proceed(false);
      return;
    }
    this.#withFault('attach', parseAddress(address).path, link.connection, (effect) => {
      if (effect?.dropsConnection) link.connection.socket.destroy();
      else if (!effect?.losesAnswer) proceed(effect?.isBusy === true);
    });
  }

  /** The client receives, so for rhea the link is a sender. */
  #openReceiver(link: RheaContext['sender']): void {
    const address = link.source?.address ?? '';
    const client = this.#client(link.connection);
    link.local.attach.snd_settle_mode = link.snd_settle_mode ?? MIXED_SETTLE_MODE;
    link.local.attach.rcv_settle_mode = link.rcv_settle_mode ?? FIRST_SETTLE_MODE;
    if (requestNodeOf(address) !== undefined) {
      if (!isCbs(address)) client.authorize(address);
      link.local.attach.snd_settle_mode = PRE_SETTLED;
      link.set_source({ address });
      link.set_target({ address: link.target?.address });
      sendAttach(link);
      return;
    }
    client.authorize(address);
    if (Object.hasOwn(link.source?.filter ?? {}, SESSION_FILTER)) {
      throw notAllowed(`'${address}' does not require sessions, so no session can be accepted from it.`);
    }
    const target = this.#broker.receivable(address);
    const receiver = new ReceiverLink(link, target, this.#broker);
    this.#broker.attach(target, receiver);
    this.#receivers.set(link, receiver);
    client.register(link, address, () => receiver.close());
    link.set_source({ address });
    link.set_target({ address: link.target?.address });
    sendAttach(link);
  }

  #openPublisher(link: RheaContext['receiver']): void {
    const address = link.target?.address ?? '';
    const client = this.#client(link.connection);
    const requestNode = requestNodeOf(address);
    if (requestNode?.kind !== 'cbs') client.authorize(address);
    if (requestNode === undefined) {
      this.#publishers.set(link, new PublisherLink(link, this.#broker.publishable(address), this.#broker));
      client.register(link, address, () => this.#publishers.delete(link));
    } else {
      this.#requestNodes.set(link, requestNode);
    }
    link.local.attach.rcv_settle_mode = FIRST_SETTLE_MODE;
    link.local.attach.snd_settle_mode = link.snd_settle_mode ?? MIXED_SETTLE_MODE;
    link.set_source({ address: link.source?.address });
    link.set_target({ address });
    sendAttach(link);
  }

  #onMessage(context: RheaContext): void {
    const { receiver, delivery, message, format, connection } = context;
    const requestNode = this.#requestNodes.get(receiver);
    if (requestNode !== undefined) {
      delivery.update(true, ACCEPTED);
      this.#onRequest(context, requestNode, messageCodec.decode(message));
      return;
    }
    const publisher = this.#publishers.get(receiver);
    if (publisher === undefined) return;
    this.#withFault('send', publisher.entityPath, connection, (effect) =>
      publisher.receive(delivery, message, format, effect),
    );
  }

  #onOutcome({ sender, delivery }: RheaContext, outcome: OutcomeName): void {
    const receiver = this.#receivers.get(sender);
    receiver?.settle(delivery, outcome, this.#faults.strike('settle', receiver.entityPath));
  }

  #onRequest(context: RheaContext, node: RequestNode, request: DecodedMessage): void {
    if (node.kind === 'cbs') {
      this.#putToken(context, request);
      return;
    }
    const { entityAddress } = node;
    this.#withFault('management', parseAddress(entityAddress).path, context.connection, (effect) => {
      const answer = effect?.isBusy ? busyAnswer() : this.#management.answer(entityAddress, request);
      this.#broker.whenStored(() => {
        if (effect?.dropsConnection) context.connection.socket.destroy();
        else if (!effect?.losesAnswer) {
          reply(context, request, {
            body: answer.body,
            properties: {
              statusCode: amqpTypes.wrap_int(answer.statusCode),
              statusDescription: answer.statusDescription,
              ...(answer.errorCondition === undefined
                ? {}
                : { errorCondition: amqpTypes.wrap_symbol(answer.errorCondition) }),
            },
          });
        }
      });
    });
  }

  #putToken(context: RheaContext, request: DecodedMessage): void {
    const now = this.#options.now();
    const isEntra = this.#options.tls !== undefined && request.application_properties?.['type'] === 'jwt';
    const verdict = isEntra
      ? checkEntraToken(String(request.body), now)
      : checkToken(String(request.body), this.#options.accessKey, now);
    if (!('fault' in verdict))
      this.#client(context.connection).grant(verdict.resourcePath, verdict.expiresAt);
    const isGood = !('fault' in verdict);
    reply(context, request, {
      properties: {
        'status-code': amqpTypes.wrap_int(isGood ? 202 : 401),
        'status-description': isGood ? 'Accepted' : verdict.fault,
      },
    });
  }

  #client(connection: RheaConnection): ClientConnection {
    const client = this.#connections.get(connection);
    if (client === undefined) throw notAllowed('The connection is closed.');
    return client;
  }

  #withFault(
    operation: 'attach' | 'send' | 'management',
    entityPath: string,
    connection: RheaConnection,
    proceed: (effect: FaultEffect | undefined) => void,
  ): void {
    const effect = this.#faults.strike(operation, entityPath);
    if (effect === undefined || effect.delayMs === 0) proceed(effect);
    else {
      setTimeout(() => {
        if (this.#connections.has(connection)) proceed(effect);
      }, effect.delayMs).unref();
    }
  }
}

/** SASL without credentials: the client proves itself on $cbs. */
class TokenLaterMechanism {
  outcome: boolean | undefined;

  start(): void {
    this.outcome = true;
  }
}

/** Makes a session hand over raw payloads, and hold back our attaches until we decided over them. */
function takeOverSession(session: RheaSession): void {
  const prototype = Object.getPrototypeOf(session) as RheaSession;
  session.on_transfer = function onTransfer(this: RheaSession, frame): void {
    if (!frame.performative.message_format) frame.performative.message_format = RAW_MESSAGE_FORMAT;
    prototype.on_transfer.call(this, frame);
  };
  session.create_sender = function createSender(this: RheaSession, name, options): RheaLink {
    return holdAttach(prototype.create_sender.call(this, name, options));
  };
  session.create_receiver = function createReceiver(this: RheaSession, name, options): RheaLink {
    return holdAttach(prototype.create_receiver.call(this, name, options));
  };
}

function holdAttach(link: RheaLink): RheaLink {
  link.open = () => undefined;
  return link;
}

function sendAttach(link: RheaLink): void {
  Reflect.deleteProperty(link, 'open');
  link.open();
}

function isCbs(address: string): boolean {
  return /^(.*\/)?\$cbs$/i.test(address);
}

function requestNodeOf(address: string): RequestNode | undefined {
  if (isCbs(address)) return { kind: 'cbs' };
  const management = /^(.*)\/\$management$/i.exec(address);
  return management === null ? undefined : { kind: 'management', entityAddress: management[1]! };
}

function busyAnswer(): {
  statusCode: number;
  statusDescription: string;
  errorCondition: string;
  body?: object;
} {
  const { condition, statusCode, message } = serverBusy();
  return { statusCode, statusDescription: message, errorCondition: condition };
}

/**
 * The answer goes to the link whose name or target the request names as its reply-to. The Python SDK names none; its
 * answer goes to the link of the same session that reads from the node the request was sent to.
 */
function reply(
  { receiver, connection }: RheaContext,
  request: DecodedMessage,
  answer: { readonly properties: object; readonly body?: object | undefined },
): void {
  const { reply_to: replyTo } = request;
  const isReplyLink = (link: RheaLink): boolean =>
    replyTo === undefined
      ? link.source?.address === receiver.target?.address
      : link.name === replyTo || link.target?.address === replyTo;
  const link = receiver.session.find_sender(isReplyLink) ?? connection.find_sender(isReplyLink);
  link?.send({
    correlation_id: request.message_id,
    application_properties: answer.properties,
    body: answer.body,
  });
}
