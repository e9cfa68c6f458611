import type { ServiceBusClient, ServiceBusReceiver } from '@azure/service-bus';
import {
  connectAdministration,
  connectServiceBus,
  type ServiceBusAccess,
} from '#adapters/azure/service-bus/service-bus-connection.ts';
import { COMMANDS_TOPIC, EVENTS_TOPIC } from '#domain/topology.ts';

const SUBSCRIPTION = 'bench';
const FIRST_COMMAND = 'landfall.measurement.validate.v1';
const ENDS = [
  'landfall.measurement.shared.v1',
  'landfall.measurement.rejected.v1',
  'landfall.measurement.failed.v1',
];

/** Listens as another team would: when the first command of each measurement was queued, and which have ended. */
export class RoadWatch {
  readonly firstCommandAtMs = new Map<string, number>();
  readonly ended = new Set<string>();
  readonly #client: ServiceBusClient;
  readonly #receivers: readonly ServiceBusReceiver[];

  /** Adds a subscription of its own to each topic. */
  static async start(access: ServiceBusAccess): Promise<RoadWatch> {
    const administration = connectAdministration(access);
    for (const [topic, types] of [
      [COMMANDS_TOPIC, [FIRST_COMMAND]],
      [EVENTS_TOPIC, ENDS],
    ] as const) {
      const sqlExpression = `sys.Label IN (${types.map((type) => `'${type}'`).join(', ')})`;
      const defaultRuleOptions = { name: 'by-type', filter: { sqlExpression } };
      await administration.createSubscription(topic, SUBSCRIPTION, { defaultRuleOptions });
    }
    return new RoadWatch(connectServiceBus(access));
  }

  private constructor(client: ServiceBusClient) {
    this.#client = client;
    const listen = (topic: string, take: (measurementId: string, atMs: number) => void) => {
      const receiver = client.createReceiver(topic, SUBSCRIPTION, { receiveMode: 'receiveAndDelete' });
      receiver.subscribe(
        {
          processMessage: async ({ applicationProperties, enqueuedTimeUtc }) =>
            take(String(applicationProperties?.['measurementId']), enqueuedTimeUtc?.getTime() ?? Date.now()),
          processError: async ({ error }) => console.error(`watching ${topic}:`, error.message),
        },
        { maxConcurrentCalls: 32 },
      );
      return receiver;
    };
    this.#receivers = [
      listen(COMMANDS_TOPIC, (measurementId, atMs) => {
        if (!this.firstCommandAtMs.has(measurementId)) this.firstCommandAtMs.set(measurementId, atMs);
      }),
      listen(EVENTS_TOPIC, (measurementId) => this.ended.add(measurementId)),
    ];
  }

  async stop(): Promise<void> {
    for (const receiver of this.#receivers) await receiver.close();
    await this.#client.close();
  }
}
