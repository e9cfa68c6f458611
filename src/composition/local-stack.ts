import { createHmac, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Zone } from '#domain/vocabulary.ts';
import { SettingsError } from './settings.ts';

/** Azure on loopback: which services, on which ports, with which keys, and the settings that lead there. */
export interface LocalStack {
  readonly home: string;
  readonly ports: Ports;
  readonly accounts: readonly LocalAccount[];
  /** The `LANDFALL_*` variables every process of the product gets; `landfall env` prints them. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface LocalAccount {
  readonly name: string;
  readonly key: string;
  readonly zone: Zone | 'operations';
  readonly hierarchical: boolean;
}

/** The offset of each port in a block of 20, and the well-known one that is used without a block. */
const PORTS = {
  serviceBus: { offset: 0, wellKnown: 5672 },
  serviceBusAdmin: { offset: 1, wellKnown: 5300 },
  cosmos: { offset: 2, wellKnown: 8081 },
  batch: { offset: 3, wellKnown: 8082 },
  eventGrid: { offset: 4, wellKnown: 8083 },
  storage: { offset: 5, wellKnown: 10000 },
  azurite: { offset: 6, wellKnown: 10010 },
  api: { offset: 7, wellKnown: 8080 },
} as const;

export type Ports = { readonly [K in keyof typeof PORTS]: number };

const LOCAL_REGION = 'local';
export const BATCH_ACCOUNT = 'landfall';
export const EVENTS_TOPIC_NAME = 'landfall-events';

/** Two accounts for Raw, so that nobody forgets that a zone is a set. */
const ACCOUNTS: readonly Omit<LocalAccount, 'key'>[] = [
  { name: 'landing', zone: 'landing', hierarchical: true },
  { name: 'raw01', zone: 'raw', hierarchical: false },
  { name: 'raw02', zone: 'raw', hierarchical: false },
  { name: 'extracted', zone: 'extracted', hierarchical: false },
  { name: 'synchronized', zone: 'synchronized', hierarchical: false },
  { name: 'enriched', zone: 'enriched', hierarchical: false },
  { name: 'scenes', zone: 'scenes', hierarchical: false },
  { name: 'labeled', zone: 'labeled', hierarchical: false },
  { name: 'archive', zone: 'archive', hierarchical: false },
  { name: 'errorzone', zone: 'error', hierarchical: false },
  { name: 'operations', zone: 'operations', hierarchical: false },
];

/** A number in LANDFALL_PORT_BASE, or undefined. @throws {SettingsError} when it is no port. */
export function portBaseOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const base = Number(text);
  if (!Number.isInteger(base) || base < 1024 || base > 65_515) {
    throw new SettingsError(
      `LANDFALL_PORT_BASE is ${text}; give a number from 1024 to 65515 (the stack takes 20 ports from there)`,
    );
  }
  return base;
}

export function portsFrom(base: number | undefined): Ports {
  const entries = Object.entries(PORTS).map(([name, port]) => [
    name,
    base === undefined ? port.wellKnown : base + port.offset,
  ]);
  return Object.fromEntries(entries) as Ports;
}

/**
 * The stack of this folder and these ports. Keys are derived from a secret that is drawn once per folder.
 * @throws {SettingsError} for a folder that cannot be written, or a port that is none.
 */
export function localStack(environment: Readonly<Record<string, string | undefined>>): LocalStack {
  const home = resolve(environment['LANDFALL_HOME'] ?? '.landfall');
  const ports = portsFrom(portBaseOf(environment['LANDFALL_PORT_BASE']));
  const secret = secretOf(home);
  const keyOf = (name: string) => createHmac('sha512', secret).update(name).digest('base64');
  const accounts = ACCOUNTS.map((account) => ({ ...account, key: keyOf(`storage/${account.name}`) }));
  const connectionStrings = Object.fromEntries(
    accounts.map((account) => [account.name, storageConnectionString(account, ports.storage)]),
  );
  const serviceBusKey = keyOf('service-bus');
  return {
    home,
    ports,
    accounts,
    environment: {
      LANDFALL_HOME: home,
      LANDFALL_REGION: LOCAL_REGION,
      LANDFALL_SERVICE_BUS_CONNECTION_STRING: `Endpoint=sb://127.0.0.1:${ports.serviceBus};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=${serviceBusKey};UseDevelopmentEmulator=true;`,
      LANDFALL_SERVICE_BUS_ADMIN_ENDPOINT: `http://127.0.0.1:${ports.serviceBusAdmin}`,
      LANDFALL_COSMOS_ENDPOINT: `http://127.0.0.1:${ports.cosmos}`,
      LANDFALL_COSMOS_KEY: keyOf('cosmos'),
      LANDFALL_BATCH_ENDPOINT: `http://127.0.0.1:${ports.batch}`,
      LANDFALL_BATCH_ACCOUNT: BATCH_ACCOUNT,
      LANDFALL_BATCH_KEY: keyOf('batch'),
      LANDFALL_EVENT_GRID_ENDPOINT: `http://127.0.0.1:${ports.eventGrid}/topics/${EVENTS_TOPIC_NAME}/api/events`,
      LANDFALL_EVENT_GRID_KEY: keyOf('event-grid'),
      LANDFALL_STORAGE_CONNECTION_STRINGS: JSON.stringify(connectionStrings),
      LANDFALL_OPERATIONS_ACCOUNT: 'operations',
      LANDFALL_ZONE_ACCOUNTS: JSON.stringify(
        accounts
          .filter((account) => account.zone !== 'operations')
          .map(({ name, zone }) => ({ account: name, zone, region: LOCAL_REGION, weight: 1 })),
      ),
      // One process hosts all stages: with eight messages of each in hand, what arrives would wait behind them.
      LANDFALL_STAGE_CONCURRENCY: environment['LANDFALL_STAGE_CONCURRENCY'] ?? '3',
      LANDFALL_API: `http://127.0.0.1:${ports.api}`,
    },
  };
}

function storageConnectionString(account: LocalAccount, port: number): string {
  return `DefaultEndpointsProtocol=http;AccountName=${account.name};AccountKey=${account.key};BlobEndpoint=http://127.0.0.1:${port}/${account.name};`;
}

/** The shared access key inside the connection string, for the emulator that checks it. */
export function serviceBusKeyOf(stack: LocalStack): string {
  return (
    /SharedAccessKey=([^;]+)/.exec(stack.environment['LANDFALL_SERVICE_BUS_CONNECTION_STRING'] ?? '')?.[1] ??
    ''
  );
}

function secretOf(home: string): string {
  try {
    return drawnSecret(home);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new SettingsError(
      `The state folder ${home} cannot be used (${code}). Set LANDFALL_HOME to a folder that you may write to.`,
    );
  }
}

function drawnSecret(home: string): string {
  const path = join(home, 'secret');
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(home, { recursive: true });
  const drawn = randomBytes(32).toString('hex');
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  writeFileSync(temporary, drawn, { mode: 0o600 });
  try {
    // A link, unlike a rename, never takes the place of a secret that another process drew at the same moment.
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary);
  }
  return readFileSync(path, 'utf8');
}
