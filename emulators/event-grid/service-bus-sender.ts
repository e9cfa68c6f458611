// Sends events to queues and topics of Service Bus over AMQP 1.0, with any namespace a connection string names: the
// emulated one in clear on loopback, a real one over TLS. Tokens are put on $cbs, one for each entity.
import { createHmac } from 'node:crypto';
import rhea, {
  type Connection,
  type Delivery,
  type EventContext,
  type Message,
  type Receiver,
  type Sender,
} from 'rhea';
import type { FailedAttempt } from './retry-schedule.ts';

/** An attempt to send that failed. */
export class SendError extends Error implements FailedAttempt {
  readonly outcome: string;
  readonly retryable: boolean;

  constructor(outcome: string, message: string, retryable = true) {
    super(message);
    this.name = 'SendError';
    this.outcome = outcome;
    this.retryable = retryable;
  }
}

interface Namespace {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly keyName: string;
  readonly key: string;
}

interface EntityLink {
  readonly sender: Sender;
  readonly tokenExpiresAtMs: number;
}

interface Waiting {
  resolve(): void;
  reject(error: SendError): void;
}

const ANSWER_MS_MAX = 30_000;
const TOKEN_MS = 24 * 3_600_000;
const TOKEN_RENEWED_BEFORE_MS = 3_600_000;

/** Reads `Endpoint=sb://host:port;SharedAccessKeyName=…;SharedAccessKey=…;UseDevelopmentEmulator=true`. */
function parseServiceBusConnectionString(text: string): Namespace {
  const parts = new Map(
    text
      .split(';')
      .filter((part) => part.includes('='))
      .map((part) => [
        part.slice(0, part.indexOf('=')).trim().toLowerCase(),
        part.slice(part.indexOf('=') + 1),
      ]),
  );
  const endpoint = URL.parse((parts.get('endpoint') ?? '').replace(/^sb:/, 'http:'));
  const keyName = parts.get('sharedaccesskeyname');
  const key = parts.get('sharedaccesskey');
  if (endpoint === null || keyName === undefined || key === undefined)
    throw new Error(
      'The Service Bus connection string must have Endpoint=sb://…, SharedAccessKeyName and SharedAccessKey.',
    );
  const secure = parts.get('usedevelopmentemulator')?.toLowerCase() !== 'true';
  const port = endpoint.port === '' ? (secure ? 5671 : 5672) : Number(endpoint.port);
  return { host: endpoint.hostname, port, secure, keyName, key };
}

/** One connection for all entities, opened on the first send and again after it is lost. */
export class ServiceBusSender {
  readonly #namespace: Namespace;
  readonly #container = rhea.create_container();
  #session: Promise<AmqpSession> | undefined;

  constructor(connectionString: string) {
    this.#namespace = parseServiceBusConnectionString(connectionString);
  }

  /** Resolves when the entity has accepted the message. Throws `SendError`. */
  async send(entity: string, message: Message): Promise<void> {
    if (this.#session === undefined) {
      const opening = AmqpSession.open(this.#container, this.#namespace, () => {
        if (this.#session === opening) this.#session = undefined;
      });
      this.#session = opening;
      opening.catch(() => {
        if (this.#session === opening) this.#session = undefined;
      });
    }
    const sending = this.#session.then((session) => session.send(entity, message));
    let timer: NodeJS.Timeout | undefined;
    const timedOut = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new SendError('TimedOut', `${entity} did not answer in ${ANSWER_MS_MAX} ms.`)),
        ANSWER_MS_MAX,
      );
    });
    await Promise.race([sending, timedOut]).finally(() => clearTimeout(timer));
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    const settled = await Promise.allSettled([session]);
    for (const result of settled) if (result.status === 'fulfilled') result.value.close();
  }
}

/** One AMQP connection, for as long as it lives. */
class AmqpSession {
  readonly #connection: Connection;
  readonly #namespace: Namespace;
  readonly #links = new Map<string, Promise<EntityLink>>();
  readonly #waiting = new Map<Delivery, Waiting>();
  /** Rejects when the connection is lost or closed, and with it everything that still waits. */
  readonly #lost = Promise.withResolvers<never>();
  #cbs: Promise<TokenChannel> | undefined;

  static open(
    container: ReturnType<typeof rhea.create_container>,
    namespace: Namespace,
    onLost: () => void,
  ): Promise<AmqpSession> {
    return new Promise((resolve, reject) => {
      const { host, port, secure, keyName } = namespace;
      const connection = container.connect({
        host,
        hostname: host,
        port,
        username: keyName,
        reconnect: false,
        ...(secure ? { transport: 'tls', servername: host } : { transport: 'tcp' }),
      } as Parameters<typeof container.connect>[0]);
      const session = new AmqpSession(connection, namespace);
      const lost = (context: EventContext): void => {
        const reason = context.error ?? connection.error;
        const text = reason instanceof Error ? reason.message : 'the connection was closed';
        const error = new SendError('SocketError', `Service Bus at ${host}:${port}: ${text}`);
        onLost();
        session.#lost.reject(error);
        reject(error);
      };
      connection.on('connection_open', () => resolve(session));
      connection.on('disconnected', lost);
      connection.on('connection_close', lost);
      connection.on('connection_error', lost);
      // Errors of links and of the protocol end the affected sends where they are awaited.
      connection.on('error', lost);
    });
  }

  private constructor(connection: Connection, namespace: Namespace) {
    this.#connection = connection;
    this.#namespace = namespace;
    // A connection may be lost while nobody waits.
    this.#lost.promise.catch(() => undefined);
    const settle = (end: (waiting: Waiting, context: EventContext) => void) => (context: EventContext) => {
      const delivery = context.delivery;
      const waiting = delivery && this.#waiting.get(delivery);
      if (delivery === undefined || waiting === undefined) return;
      this.#waiting.delete(delivery);
      end(waiting, context);
    };
    connection.on(
      'accepted',
      settle((waiting) => waiting.resolve()),
    );
    connection.on(
      'rejected',
      settle((waiting, context) => waiting.reject(refusal(context.delivery?.remote_state?.['error']))),
    );
    for (const event of ['released', 'modified'])
      connection.on(
        event,
        settle((waiting) => waiting.reject(new SendError('Busy', 'Service Bus did not take the message.'))),
      );
  }

  async send(entity: string, message: Message): Promise<void> {
    const accepted = this.#linkTo(entity).then(
      ({ sender }) =>
        new Promise<void>((resolve, reject) => {
          this.#waiting.set(sender.send(message), { resolve, reject });
        }),
    );
    await Promise.race([accepted, this.#lost.promise]);
  }

  close(): void {
    this.#lost.reject(new SendError('Aborted', 'Event Grid is shutting down.'));
    this.#connection.removeAllListeners();
    // Without a listener, rhea prints the end of a connection that was ended on purpose.
    this.#connection.on('disconnected', () => undefined);
    this.#connection.close();
  }

  #linkTo(entity: string): Promise<EntityLink> {
    const link = this.#usableLink(this.#links.get(entity), entity);
    this.#links.set(entity, link);
    return link;
  }

  async #usableLink(known: Promise<EntityLink> | undefined, entity: string): Promise<EntityLink> {
    // Whoever waited for a link that could not be opened has been told; now it may succeed.
    const link = await known?.catch(() => undefined);
    if (link === undefined) return this.#openLink(entity);
    if (link.sender.is_open() && link.tokenExpiresAtMs - TOKEN_RENEWED_BEFORE_MS > Date.now()) return link;
    link.sender.close();
    return this.#openLink(entity);
  }

  async #openLink(entity: string): Promise<EntityLink> {
    this.#cbs ??= TokenChannel.open(this.#connection);
    const tokenExpiresAtMs = await (await this.#cbs).putToken(this.#namespace, entity);
    return new Promise((resolve, reject) => {
      const sender = this.#connection.open_sender({ target: { address: entity } });
      sender.once('sendable', () => resolve({ sender, tokenExpiresAtMs }));
      const refused = (): void => {
        const error = refusal(sender.error);
        for (const [delivery, waiting] of this.#waiting) {
          if (delivery.link !== sender) continue;
          this.#waiting.delete(delivery);
          waiting.reject(error);
        }
        reject(error);
      };
      sender.on('sender_error', refused);
      sender.on('sender_close', refused);
    });
  }
}

/** The pair of links to $cbs over which tokens are put. "AMQP 1.0 protocol guide", section "Claims-based authorization". */
class TokenChannel {
  readonly #sender: Sender;
  readonly #replyTo: string;
  readonly #waiting = new Map<string, Waiting>();

  static open(connection: Connection): Promise<TokenChannel> {
    const replyTo = `cbs-${rhea.generate_uuid()}`;
    return new Promise((resolve, reject) => {
      const receiver: Receiver = connection.open_receiver({
        name: replyTo,
        source: { address: '$cbs' },
        target: { address: replyTo },
      });
      const sender = connection.open_sender({ name: `${replyTo}-requests`, target: { address: '$cbs' } });
      const channel = new TokenChannel(sender, replyTo);
      receiver.on('message', (context) => channel.#answered(context.message));
      sender.once('sendable', () => resolve(channel));
      sender.once('sender_error', () => reject(refusal(sender.error)));
    });
  }

  private constructor(sender: Sender, replyTo: string) {
    this.#sender = sender;
    this.#replyTo = replyTo;
  }

  /** Authorizes the connection for an entity. Returns when the token expires. Throws `SendError`. */
  async putToken({ host, port, keyName, key }: Namespace, entity: string): Promise<number> {
    const expiresAtMs = Date.now() + TOKEN_MS;
    const audience = `sb://${host}:${port}/${entity}`;
    const resource = encodeURIComponent(audience);
    const expiry = Math.floor(expiresAtMs / 1000);
    const signature = createHmac('sha256', key).update(`${resource}\n${expiry}`).digest('base64');
    const messageId = rhea.generate_uuid();
    await new Promise<void>((resolve, reject) => {
      this.#waiting.set(messageId, { resolve, reject });
      this.#sender.send({
        message_id: messageId,
        to: '$cbs',
        reply_to: this.#replyTo,
        application_properties: {
          operation: 'put-token',
          name: audience,
          type: 'servicebus.windows.net:sastoken',
        },
        body: `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${keyName}`,
      });
    });
    return expiresAtMs;
  }

  #answered(answer: Message | undefined): void {
    const waiting = this.#waiting.get(String(answer?.correlation_id));
    this.#waiting.delete(String(answer?.correlation_id));
    const status = Number(answer?.application_properties?.['status-code']);
    if (status >= 200 && status < 300) waiting?.resolve();
    else {
      const description = String(answer?.application_properties?.['status-description'] ?? '');
      waiting?.reject(
        new SendError('Unauthorized', `Service Bus refused the token: ${status} ${description}`),
      );
    }
  }
}

function refusal(error: unknown): SendError {
  const { condition = 'amqp:internal-error', description = '' } = (error ?? {}) as {
    condition?: string;
    description?: string;
  };
  const text = `${condition}: ${description}`;
  switch (condition) {
    case 'amqp:not-found':
    case 'com.microsoft:entity-disabled':
      return new SendError('NotFound', text);
    case 'amqp:unauthorized-access':
      return new SendError('Unauthorized', text);
    case 'amqp:link:message-size-exceeded':
      return new SendError('RequestEntityTooLarge', text, false);
    case 'amqp:resource-limit-exceeded':
    case 'com.microsoft:server-busy':
      return new SendError('Busy', text);
    default:
      return new SendError('InternalServerError', text);
  }
}
