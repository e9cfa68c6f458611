import { z } from 'zod';
import { RETRY_DELAYS_MS } from '#domain/after-failure.ts';
import { sentenceOf } from '#domain/messages.ts';
import { folderTemplateProblem } from '#domain/placement.ts';
import { ZONES } from '#domain/vocabulary.ts';

/**
 * Everything that differs between a laptop and Azure, read once per process from `LANDFALL_*` environment
 * variables. A key is accepted for loopback hosts only; anywhere else it is the managed identity or nothing.
 */
export interface Settings {
  readonly region: string;
  readonly serviceBus: Access & {
    readonly fullyQualifiedNamespace?: string;
    readonly connectionString?: string;
    readonly adminEndpoint?: string;
  };
  readonly cosmos: Access & { readonly endpoint: string; readonly key?: string; readonly database: string };
  readonly batch: Access & { readonly endpoint: string; readonly account: string; readonly key?: string };
  readonly eventGrid: Access & { readonly endpoint: string; readonly key?: string };
  /** Account name to how it is reached. */
  readonly storage: Readonly<Record<string, StorageAccess>>;
  /** Holds task configurations, ledgers and other things of our own. */
  readonly operationsAccount: string;
  /** The accounts of each zone, as the registry starts out. */
  readonly zoneAccounts: readonly ZoneAccount[];
  /** Base address of the metadata API. */
  readonly api: string;
  readonly apiPort: number;
  /** The address the API listens on: this machine only, unless a platform puts something in front of it. */
  readonly apiHost: string;
  readonly apiAccess: ApiAccess;
  /** Folder inside a zone's container; see docs/decisions. */
  readonly folderTemplate: string;
  /** Image name to the image in the registry, by digest; empty on a laptop, where images are folders. */
  readonly taskImages: Readonly<Record<string, string>>;
  readonly timings: Timings;
  /** Messages that a process has in hand at once of each stage it hosts. */
  readonly stageConcurrency: number;
  readonly applicationInsights?: ApplicationInsightsSettings;
  /** Where local telemetry goes; absent in Azure. */
  readonly home?: string;
}

export interface Access {
  readonly auth: 'managed-identity' | 'emulator-key';
  /** Client id of the user-assigned identity. */
  readonly clientId?: string;
}

export interface ApplicationInsightsSettings {
  readonly connectionString: string;
  /** Who sends; absent where the component takes telemetry from whoever knows its connection string. */
  readonly identity?: Pick<Access, 'clientId'>;
}

/** Whom the metadata API lets in: holders of its tenant's tokens or, on this machine only, everybody. */
export type ApiAccess =
  | {
      readonly auth: 'tokens';
      /** `https://login.microsoftonline.com/<tenant>`. */
      readonly authority: string;
      /** Of the API's registration in Entra ID. */
      readonly clientId: string;
    }
  | { readonly auth: 'open' };

export interface StorageAccess extends Access {
  readonly endpoint: string;
  readonly key?: string;
}

const ZoneAccount = z.object({
  account: z.string(),
  zone: z.enum(ZONES),
  region: z.string(),
  weight: z.number().positive().default(1),
});
export type ZoneAccount = z.infer<typeof ZoneAccount>;

/** Waiting times in seconds. Short in tests, long in Azure. */
const Timings = z.object({
  /** How long a folder in Landing may miss files before the measurement is Incomplete. */
  landingWaitSeconds: z.coerce.number().positive().default(3600),
  landingSweepSeconds: z.coerce.number().positive().default(10),
  deadlineSweepSeconds: z.coerce.number().positive().default(30),
  taskPollSeconds: z.coerce.number().positive().default(5),
  relayPollSeconds: z.coerce.number().positive().default(1),
  /** Multiplies the deadlines of the stage graph; tests shorten them. */
  deadlineScale: z.coerce.number().positive().default(1),
  /** Delays before the first, second, third delayed retry. */
  retryDelaysSeconds: z
    .string()
    .default(RETRY_DELAYS_MS.map((delayMs) => delayMs / 1000).join(','))
    .transform((text) => text.split(',').map(Number))
    .pipe(z.array(z.number().nonnegative()).min(1)),
});
export type Timings = z.infer<typeof Timings>;

const STAGE_CONCURRENCY = 8;

/** A variable is missing or wrong: says which, what it must be, and how to get it. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws {SettingsError} naming the variable. */
export function readSettings(environment: Environment): Settings {
  const clientId = environment['LANDFALL_IDENTITY_CLIENT_ID'];
  const identity: Access =
    clientId === undefined ? { auth: 'managed-identity' } : { auth: 'managed-identity', clientId };
  const home = environment['LANDFALL_HOME'];
  const applicationInsights = applicationInsightsOf(environment);
  const api = addressOf(environment, 'LANDFALL_API');
  const apiHost = environment['LANDFALL_API_HOST'] ?? '127.0.0.1';
  const storage = storageAccess(environment, identity);
  return {
    region: environment['LANDFALL_REGION'] ?? 'local',
    serviceBus: serviceBusAccess(environment, identity),
    cosmos: {
      ...accessOf(environment, identity, 'LANDFALL_COSMOS_ENDPOINT', 'LANDFALL_COSMOS_KEY'),
      database: environment['LANDFALL_COSMOS_DATABASE'] ?? 'landfall',
    },
    batch: {
      ...accessOf(environment, identity, 'LANDFALL_BATCH_ENDPOINT', 'LANDFALL_BATCH_KEY'),
      account: required(environment, 'LANDFALL_BATCH_ACCOUNT'),
    },
    eventGrid: accessOf(environment, identity, 'LANDFALL_EVENT_GRID_ENDPOINT', 'LANDFALL_EVENT_GRID_KEY'),
    storage,
    operationsAccount: accountNamed(environment, 'LANDFALL_OPERATIONS_ACCOUNT', storage),
    zoneAccounts: zoneAccountsOf(environment, storage),
    api,
    apiPort: portOf(environment, 'LANDFALL_API_PORT') ?? (Number(new URL(api).port) || 8080),
    apiHost,
    apiAccess: apiAccessOf(environment, apiHost),
    folderTemplate: folderTemplateOf(environment),
    taskImages:
      environment['LANDFALL_TASK_IMAGES'] === undefined
        ? {}
        : json(environment, 'LANDFALL_TASK_IMAGES', z.record(z.string(), z.string())),
    timings: timingsOf(environment),
    stageConcurrency: countOf(environment, 'LANDFALL_STAGE_CONCURRENCY') ?? STAGE_CONCURRENCY,
    ...(applicationInsights === undefined ? {} : { applicationInsights }),
    ...(home === undefined ? {} : { home }),
  };
}

/** The metadata API alone: who only asks it needs to know of nothing else. @throws {SettingsError} */
export function readApiAddress(environment: Environment): string {
  return addressOf(environment, 'LANDFALL_API');
}

/** What a task needs: its storage, the way back, where telemetry goes, and where it may write local files. */
export interface TaskSettings extends Pick<Settings, 'storage' | 'api' | 'home' | 'applicationInsights'> {
  readonly scratchRoot?: string;
  /** The registration of the metadata API, which wants a token for it; absent on this machine. */
  readonly apiClientId?: string;
  /** Client id of the user-assigned identity, where there is more than one. */
  readonly identityClientId?: string;
}

/** @throws {SettingsError} naming the variable. */
export function readTaskSettings(environment: Environment): TaskSettings {
  const clientId = environment['LANDFALL_IDENTITY_CLIENT_ID'];
  const home = environment['LANDFALL_HOME'];
  const applicationInsights = applicationInsightsOf(environment);
  const api = required(environment, 'LANDFALL_API');
  const apiClientId = environment['LANDFALL_API_CLIENT_ID'];
  if (apiClientId === undefined && !isLoopback(new URL(addressOf(environment, 'LANDFALL_API')).hostname))
    throw new SettingsError(
      `LANDFALL_API is ${api}, which wants a token, and LANDFALL_API_CLIENT_ID does not say for what. The stage that starts the task hands it on: set it for the workers.`,
    );
  // An image names a volume that its user may write to. Outside of one, Batch gives each task a folder on the node's
  // temporary disk (Batch, "Environment variables").
  const scratchRoot = environment['LANDFALL_SCRATCH'] ?? environment['AZ_BATCH_TASK_WORKING_DIR'];
  return {
    storage: storageAccess(environment, {
      auth: 'managed-identity',
      ...(clientId === undefined ? {} : { clientId }),
    }),
    api,
    ...(apiClientId === undefined ? {} : { apiClientId }),
    ...(clientId === undefined ? {} : { identityClientId: clientId }),
    ...(applicationInsights === undefined ? {} : { applicationInsights }),
    ...(home === undefined ? {} : { home }),
    ...(scratchRoot === undefined ? {} : { scratchRoot }),
  };
}

/**
 * The variables Application Insights' own agents read ("Microsoft Entra authentication for Application Insights",
 * environment variable configuration), so that who knows those knows these.
 */
function applicationInsightsOf(environment: Environment): ApplicationInsightsSettings | undefined {
  const connectionString = environment['APPLICATIONINSIGHTS_CONNECTION_STRING'];
  if (connectionString === undefined || connectionString === '') return undefined;
  const authentication = environment['APPLICATIONINSIGHTS_AUTHENTICATION_STRING'] ?? '';
  if (authentication === '') return { connectionString };
  const [, given] = /^Authorization=AAD(?:;ClientId=([^;]+))?;?$/i.exec(authentication) ?? [undefined, ''];
  if (given === '')
    throw new SettingsError(
      `APPLICATIONINSIGHTS_AUTHENTICATION_STRING is "${authentication}"; give Authorization=AAD, or Authorization=AAD;ClientId=<client id>, or unset it.`,
    );
  const clientId = given ?? environment['LANDFALL_IDENTITY_CLIENT_ID'];
  return { connectionString, identity: clientId === undefined ? {} : { clientId } };
}

/** @throws {SettingsError} when the API would be open to other machines, or half of what tokens need is missing. */
function apiAccessOf(environment: Environment, apiHost: string): ApiAccess {
  const authority = environment['LANDFALL_API_AUTHORITY'];
  const clientId = environment['LANDFALL_API_CLIENT_ID'];
  if (authority === undefined && clientId === undefined) {
    if (isLoopback(apiHost)) return { auth: 'open' };
    throw new SettingsError(
      `LANDFALL_API_HOST is ${apiHost}, which other machines reach, and nothing says whom to let in. Set LANDFALL_API_AUTHORITY and LANDFALL_API_CLIENT_ID, or listen on 127.0.0.1.`,
    );
  }
  return {
    auth: 'tokens',
    authority: addressOf(environment, 'LANDFALL_API_AUTHORITY').replace(/\/$/, ''),
    clientId: required(environment, 'LANDFALL_API_CLIENT_ID'),
  };
}

function isLoopback(host: string): boolean {
  return ['127.0.0.1', 'localhost', '::1', '[::1]'].includes(host);
}

function folderTemplateOf(environment: Environment): string {
  const template = environment['LANDFALL_FOLDER_TEMPLATE'];
  if (template === undefined) return '{region}/{zone}/{measurementId}/{dataStreamId}/{yyyy}/{mm}/{dd}';
  const problem = folderTemplateProblem(template);
  if (problem !== undefined) throw new SettingsError(`LANDFALL_FOLDER_TEMPLATE: ${problem}.`);
  return template;
}

const TIMING_VARIABLES: Readonly<Record<keyof Timings, string>> = {
  landingWaitSeconds: 'LANDFALL_LANDING_WAIT_SECONDS',
  landingSweepSeconds: 'LANDFALL_LANDING_SWEEP_SECONDS',
  deadlineSweepSeconds: 'LANDFALL_DEADLINE_SWEEP_SECONDS',
  taskPollSeconds: 'LANDFALL_TASK_POLL_SECONDS',
  relayPollSeconds: 'LANDFALL_RELAY_POLL_SECONDS',
  deadlineScale: 'LANDFALL_DEADLINE_SCALE',
  retryDelaysSeconds: 'LANDFALL_RETRY_DELAYS_SECONDS',
};

function timingsOf(environment: Environment): Timings {
  const given = Object.entries(TIMING_VARIABLES).map(([name, variable]) => [name, environment[variable]]);
  const parsed = Timings.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = issue?.path[0] as keyof Timings;
  throw new SettingsError(
    `${TIMING_VARIABLES[name]} is "${environment[TIMING_VARIABLES[name]]}": ${issue?.message}. Give ${
      name === 'retryDelaysSeconds' ? 'seconds, separated by commas' : 'a number above 0'
    }.`,
  );
}

/** An http or https address. */
function addressOf(environment: Environment, name: string): string {
  const value = required(environment, name);
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw new SettingsError(`${name} is "${value}"; give an address such as http://127.0.0.1:8080`);
  return value;
}

function countOf(environment: Environment, name: string): number | undefined {
  const value = environment[name];
  if (value === undefined || value === '') return undefined;
  const count = Number(value);
  if (Number.isInteger(count) && count > 0) return count;
  throw new SettingsError(`${name} is "${value}"; give a whole number above 0`);
}

function portOf(environment: Environment, name: string): number | undefined {
  const value = environment[name];
  if (value === undefined || value === '') return undefined;
  const port = Number(value);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new SettingsError(`${name} is "${value}"; give a port from 0 to 65535`);
}

function accountNamed(environment: Environment, name: string, storage: Settings['storage']): string {
  const account = required(environment, name);
  assertKnown(account, name, storage);
  return account;
}

function zoneAccountsOf(environment: Environment, storage: Settings['storage']): readonly ZoneAccount[] {
  const accounts = json(environment, 'LANDFALL_ZONE_ACCOUNTS', z.array(ZoneAccount).min(1));
  for (const { account } of accounts) assertKnown(account, 'LANDFALL_ZONE_ACCOUNTS', storage);
  if (!accounts.some(({ zone }) => zone === 'landing'))
    throw new SettingsError(
      'LANDFALL_ZONE_ACCOUNTS names no account of the zone landing; recordings have nowhere to arrive. Add one.',
    );
  return accounts;
}

function assertKnown(account: string, variable: string, storage: Settings['storage']): void {
  if (Object.hasOwn(storage, account)) return;
  throw new SettingsError(
    `${variable} names the account ${account}, and nothing says how it is reached. Add it to LANDFALL_STORAGE_ENDPOINTS, which has ${Object.keys(storage).join(', ')}.`,
  );
}

function serviceBusAccess(environment: Environment, identity: Access): Settings['serviceBus'] {
  assertOneOf(environment, 'LANDFALL_SERVICE_BUS_CONNECTION_STRING', 'LANDFALL_SERVICE_BUS_NAMESPACE');
  const connectionString = environment['LANDFALL_SERVICE_BUS_CONNECTION_STRING'];
  if (connectionString === undefined) {
    return { ...identity, fullyQualifiedNamespace: required(environment, 'LANDFALL_SERVICE_BUS_NAMESPACE') };
  }
  const host = /Endpoint=sb:\/\/([^;/]+)/i.exec(connectionString)?.[1] ?? '';
  assertLoopback(`http://${host}`, 'LANDFALL_SERVICE_BUS_CONNECTION_STRING');
  const adminEndpoint = environment['LANDFALL_SERVICE_BUS_ADMIN_ENDPOINT'];
  if (adminEndpoint !== undefined) assertLoopback(adminEndpoint, 'LANDFALL_SERVICE_BUS_ADMIN_ENDPOINT');
  return {
    auth: 'emulator-key',
    connectionString,
    ...(adminEndpoint === undefined ? {} : { adminEndpoint }),
  };
}

function storageAccess(environment: Environment, identity: Access): Readonly<Record<string, StorageAccess>> {
  assertOneOf(environment, 'LANDFALL_STORAGE_CONNECTION_STRINGS', 'LANDFALL_STORAGE_ENDPOINTS');
  if (environment['LANDFALL_STORAGE_CONNECTION_STRINGS'] === undefined) {
    const endpoints = json(environment, 'LANDFALL_STORAGE_ENDPOINTS', z.record(z.string(), z.url()));
    return Object.fromEntries(
      Object.entries(endpoints).map(([account, endpoint]) => [account, { ...identity, endpoint }]),
    );
  }
  const strings = json(environment, 'LANDFALL_STORAGE_CONNECTION_STRINGS', z.record(z.string(), z.string()));
  return Object.fromEntries(
    Object.entries(strings).map(([account, connectionString]) => {
      const parts = new Map(
        connectionString
          .split(';')
          .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
      );
      const endpoint = parts.get('BlobEndpoint') ?? '';
      const variable = `LANDFALL_STORAGE_CONNECTION_STRINGS (${account})`;
      assertLoopback(endpoint, variable);
      const key = parts.get('AccountKey') ?? '';
      if (key === '') throw new SettingsError(`${variable} has no AccountKey; take it from \`landfall env\``);
      return [account, { auth: 'emulator-key' as const, endpoint, key }];
    }),
  );
}

function accessOf(
  environment: Environment,
  identity: Access,
  endpointName: string,
  keyName: string,
): Access & { endpoint: string; key?: string } {
  const endpoint = required(environment, endpointName);
  const key = environment[keyName];
  if (key === undefined) return { ...identity, endpoint };
  assertLoopback(endpoint, keyName);
  if (key === '') throw new SettingsError(`${keyName} is empty; take it from \`landfall env\`, or unset it`);
  return { auth: 'emulator-key', endpoint, key };
}

/** Two ways to the same service: which one is meant must not be a matter of precedence. */
function assertOneOf(environment: Environment, local: string, deployed: string): void {
  if (environment[local] === undefined || environment[deployed] === undefined) return;
  throw new SettingsError(
    `${local} and ${deployed} are both set. Unset ${deployed} for the local stack, ${local} for Azure.`,
  );
}

/** Keys are for the local stack. One that is set for any other host is a mistake that must not go unnoticed. */
function assertLoopback(endpoint: string, variable: string): void {
  const host = URL.canParse(endpoint) ? new URL(endpoint).hostname : '';
  if (!isLoopback(host)) {
    throw new SettingsError(
      `${variable} is set, but ${host || endpoint || 'its endpoint'} is not this machine. Keys are for the local stack only: unset it to use the managed identity.`,
    );
  }
}

function required(environment: Environment, name: string): string {
  const value = environment[name];
  if (value === undefined || value === '') {
    throw new SettingsError(
      `${name} is not set. Locally, run \`eval "$(landfall env)"\`; in Azure, Bicep sets it.`,
    );
  }
  return value;
}

function json<S extends z.ZodType>(environment: Environment, name: string, schema: S): z.infer<S> {
  const text = required(environment, name);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new SettingsError(`${name} is not JSON: ${error.message}`);
    throw error;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new SettingsError(`${name}: ${sentenceOf(parsed.error)}`);
  return parsed.data;
}
