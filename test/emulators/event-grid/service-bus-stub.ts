// The least of Service Bus that a sender needs, on rhea: tokens on $cbs and entities that take, refuse or ignore messages.
import { createHmac } from 'node:crypto';
import rhea, { type EventContext, type Message } from 'rhea';

export interface TakenMessage {
  readonly entity: string;
  readonly message: Message;
  readonly body: Record<string, unknown>;
  readonly isDataSection: boolean;
}

const KEY_NAME = 'RootManageSharedAccessKey';
const KEY = 'stub-key';

export class ServiceBusStub {
  readonly taken: TakenMessage[] = [];
  /** Entities that exist. */
  readonly entities = new Set(['ingest']);
  /** How many messages are refused before one is taken. */
  refusals = 0;
  port = 0;
  readonly #container = rhea.create_container();
  readonly #sockets = new Set<{ destroy(): unknown }>();
  #server: ReturnType<ReturnType<typeof rhea.create_container>['listen']> | undefined;

  get connectionString(): string {
    return `Endpoint=sb://127.0.0.1:${this.port};SharedAccessKeyName=${KEY_NAME};SharedAccessKey=${KEY};UseDevelopmentEmulator=true`;
  }

  async start(port = 0): Promise<void> {
    const container = this.#container;
    container.removeAllListeners();
    container.sasl_server_mechanisms.enable_anonymous();
    container.on('receiver_open', (context: EventContext) => this.#attach(context));
    container.on('message', (context: EventContext) => this.#take(context));
    // A test cuts connections on purpose.
    container.on('disconnected', () => undefined);
    const server = container.listen({ port, host: '127.0.0.1' });
    server.on('connection', (socket) => this.#sockets.add(socket));
    await new Promise<void>((resolve) => server.once('listening', resolve));
    this.port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await closed;
  }

  #attach(context: EventContext): void {
    const address = String(context.receiver?.target?.address ?? '');
    if (address === '$cbs' || this.entities.has(address)) return;
    context.receiver?.close({ condition: 'amqp:not-found', description: `There is no ${address}.` });
  }

  #take(context: EventContext): void {
    const { message, delivery, receiver } = context;
    if (message === undefined || delivery === undefined) return;
    const entity = String(receiver?.target?.address);
    if (entity === '$cbs') {
      this.#authorize(context, message);
      return;
    }
    if (this.refusals > 0) {
      this.refusals -= 1;
      delivery.reject({ condition: 'com.microsoft:server-busy', description: 'try later' });
      return;
    }
    const content = message.body.content as Buffer;
    this.taken.push({
      entity,
      message,
      body: JSON.parse(content.toString()) as Record<string, unknown>,
      isDataSection: message.body.typecode === 0x75,
    });
    delivery.accept();
  }

  #authorize(context: EventContext, request: Message): void {
    const token = new URLSearchParams(String(request.body).replace('SharedAccessSignature ', ''));
    const signed = `${encodeURIComponent(token.get('sr') ?? '')}\n${token.get('se')}`;
    const valid = createHmac('sha256', KEY).update(signed).digest('base64') === token.get('sig');
    context.delivery?.accept();
    context.connection.each_sender((sender: rhea.Sender) =>
      sender.send({
        correlation_id: request.message_id ?? '',
        application_properties: {
          'status-code': valid ? 202 : 401,
          'status-description': valid ? 'Accepted' : 'InvalidSignature',
        },
        body: '',
      }),
    );
  }
}
