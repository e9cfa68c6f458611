/** The emulator as a whole: entities, store, broker and ports, started and stopped together. */

import type { TlsIdentity } from '../emulator-process.ts';
import { AdminListener } from './admin-listener.ts';
import { AmqpListener } from './amqp-listener.ts';
import { Broker } from './broker.ts';
import type { EntitiesFile } from './entities-file.ts';
import { readEntities } from './entities-file.ts';
import type { NamespaceDescription } from './entity-description.ts';
import { EntityRegistry } from './entity-registry.ts';
import { Faults } from './faults.ts';
import { ManagementNode } from './management.ts';
import { MessageStore } from './message-store.ts';
import { RuleManagement } from './rule-management.ts';

const LOOPBACK = '127.0.0.1';

export const DEFAULT_ACCESS_KEY = { name: 'RootManageSharedAccessKey', value: 'SAS_KEY_VALUE' } as const;

export interface ServiceBusOptions {
  /** The content of an entities file, or what `parseEntitiesFile` made of one. */
  readonly entities: EntitiesFile | { readonly parsed: NamespaceDescription };
  /** Where messages are kept; without it they live in memory and die with the process. */
  readonly dataFolder?: string | undefined;
  /** AMQP; 0 lets the system choose. */
  readonly port: number;
  /** HTTP; 0 lets the system choose. */
  readonly adminPort: number;
  readonly keyName?: string | undefined;
  readonly key?: string | undefined;
  /** Both ports speak TLS, and tokens of Entra ID are taken besides signatures. */
  readonly tls?: TlsIdentity | undefined;
  /** How long a silent connection is kept; 240 s when left out, as in Azure. */
  readonly idleTimeoutMs?: number | undefined;
  /** Takes what an operator should know of; standard error when left out. */
  readonly report?: ((line: string) => void) | undefined;
}

export interface ServiceBusEmulator {
  readonly port: number;
  readonly adminPort: number;
  /** For ServiceBusClient of any language; without `UseDevelopmentEmulator` over TLS. */
  readonly connectionString: string;
  /** `http://127.0.0.1:<adminPort>`, or https with `tls`: Atom API, `/control/…` and `/health`. */
  readonly adminEndpoint: string;
  close(): Promise<void>;
}

/**
 * @throws EntitiesFileError for entities that cannot be; DataFolderInUseError when another process has the folder; an
 * Error with code EADDRINUSE for a port that is taken
 */
export async function startServiceBus(options: ServiceBusOptions): Promise<ServiceBusEmulator> {
  const namespace = 'parsed' in options.entities ? options.entities.parsed : readEntities(options.entities);
  const now = Date.now;
  const accessKey = {
    name: options.keyName ?? DEFAULT_ACCESS_KEY.name,
    value: options.key ?? DEFAULT_ACCESS_KEY.value,
  };
  const store = new MessageStore(options.dataFolder);
  const registry = new EntityRegistry(store, now);
  const broker = new Broker(registry, store, now);
  const faults = new Faults();
  const management = new ManagementNode(broker, new RuleManagement(registry));
  const amqp = new AmqpListener(broker, management, faults, {
    host: LOOPBACK,
    port: options.port,
    accessKey,
    tls: options.tls,
    now,
    idleTimeoutMs: options.idleTimeoutMs,
    report: options.report ?? console.error,
  });
  const admin = new AdminListener({
    registry,
    broker,
    amqp,
    faults,
    accessKey,
    tls: options.tls,
    now,
    namespaceName: namespace.name,
  });
  const close = async (): Promise<void> => {
    await Promise.all([amqp.close(), admin.close()]);
    broker.stop();
    store.close();
  };
  try {
    registry.declare(namespace);
    broker.start();
    const port = await amqp.listen();
    const adminPort = await admin.listen(LOOPBACK, options.adminPort);
    return {
      port,
      adminPort,
      connectionString:
        `Endpoint=sb://${LOOPBACK}:${port};SharedAccessKeyName=${accessKey.name};` +
        `SharedAccessKey=${accessKey.value};${options.tls === undefined ? 'UseDevelopmentEmulator=true;' : ''}`,
      adminEndpoint: `${options.tls === undefined ? 'http' : 'https'}://${LOOPBACK}:${adminPort}`,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
