// Resource Manager as a subscription with one healthy environment would answer, on loopback. A spec breaks it by
// changing `resources`: a resource is at its id, its children in lists below it.

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Grant } from '#composition/deployment/grant.ts';

export const SUBSCRIPTION_ID = '33333333-3333-3333-3333-333333333333';
export const GROUP = 'landfall-dev';
const GROUP_PATH = `/subscriptions/${SUBSCRIPTION_ID}/resourceGroups/${GROUP}`;
export const SERVICES_DIGEST = 'sha256:5e';
const TASKS = ['copy', 'validate', 'extract-can'];

type Json = Record<string, unknown>;

export class FakeResourceManager {
  /** Resource or list item by id, as a `GET` of it answers. */
  readonly resources = new Map<string, Json>();
  /** Paths that were asked for, without their query. */
  readonly asked: string[] = [];
  /** Answers of the next requests, before any resource is looked up. */
  readonly refusals: { status: number; body: unknown }[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      this.asked.push(url.pathname);
      const refusal = this.refusals.shift();
      const { status, body } = refusal ?? this.#answer(url, request.headers.authorization);
      response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '0' });
      response.end(JSON.stringify(body));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** The id of a resource of a provider in the group. */
  id(typeAndName: string): string {
    return `${GROUP_PATH}/providers/${typeAndName}`;
  }

  /** The resource's properties, to be changed. */
  properties(id: string): Json {
    const resource = this.resources.get(id);
    if (resource === undefined) throw new Error(`There is no ${id}`);
    return resource['properties'] as Json;
  }

  put(id: string, properties: Json, tags: Json = {}): void {
    const parts = id.split('/');
    const name = parts.at(-1);
    const provider = parts.slice(6);
    const type = provider.filter((_, index) => index === 0 || index % 2 === 1).join('/');
    this.resources.set(id, { id, name, type, tags, properties });
  }

  #answer(url: URL, authorization: string | undefined): { status: number; body: unknown } {
    const path = url.pathname;
    if (authorization !== 'Bearer signed-in')
      return { status: 401, body: error('AuthenticationFailed', 'No token.') };
    if (url.searchParams.get('api-version') === null)
      return { status: 400, body: error('MissingApiVersion', path) };
    const one = this.resources.get(path);
    if (one !== undefined) return { status: 200, body: one };
    if (path === `${GROUP_PATH}/resources`) return { status: 200, body: this.#page(url, this.#top()) };
    const children = [...this.resources]
      .filter(([id]) => id.startsWith(`${path}/`) && !id.slice(path.length + 1).includes('/'))
      .map(([, resource]) => resource);
    const isList = path.split('/').length % 2 === 0;
    if (isList) return { status: 200, body: this.#page(url, children) };
    return { status: 404, body: error('ResourceNotFound', path) };
  }

  /** As `GET …/resources` lists them: children are not among them, and properties are left out. */
  #top(): Json[] {
    return [...this.resources.values()]
      .filter(
        ({ id }) => String(id).startsWith(`${GROUP_PATH}/providers/`) && String(id).split('/').length === 9,
      )
      .filter(({ type }) => !String(type).startsWith('Microsoft.Authorization'))
      .map(({ properties: _, ...rest }) => rest);
  }

  /** Two pages, so that following `nextLink` is seen to work. */
  #page(url: URL, all: readonly Json[]): Json {
    const isSecond = url.searchParams.has('$skiptoken');
    const half = Math.ceil(all.length / 2);
    const next = new URL(url);
    next.searchParams.set('$skiptoken', '2');
    const origin = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    if (isSecond) return { value: all.slice(half) };
    if (all.length < 2) return { value: all };
    return { value: all.slice(0, half), nextLink: `${origin}${next.pathname}${next.search}` };
  }
}

function error(code: string, message: string): Json {
  return { error: { code, message } };
}

/** What bicep/main.bicep would have made of a small environment, with `endpoint` in place of every service. */
export function deployHealthyEnvironment(manager: FakeResourceManager, endpoint: string): void {
  const put = (typeAndName: string, properties: Json, tags: Json = {}) =>
    manager.put(manager.id(typeAndName), properties, tags);
  manager.resources.set(GROUP_PATH, {
    id: GROUP_PATH,
    name: GROUP,
    type: 'Microsoft.Resources/resourceGroups',
  });
  providers(manager);
  const zones = json<Record<string, string[]>>('zone-containers.json');
  for (const [zone, containers] of Object.entries(zones)) {
    const name = `lfdev${zone}01x`;
    const account = `Microsoft.Storage/storageAccounts/${name}`;
    const primaryEndpoints = { blob: endpoint, dfs: endpoint };
    put(
      account,
      { primaryEndpoints, allowSharedKeyAccess: false, isHnsEnabled: zone === 'landing' },
      { 'landfall-zone': zone },
    );
    for (const container of containers)
      put(`${account}/blobServices/default/containers/${container}`, { publicAccess: 'None' });
  }
  messaging(manager, endpoint);
  metadataStore(manager, endpoint);
  put('Microsoft.EventGrid/topics/events-x', { endpoint: `${endpoint}api/events` });
  const topic = 'Microsoft.EventGrid/systemTopics/lfdevlanding01x-events';
  put(topic, { source: manager.id('Microsoft.Storage/storageAccounts/lfdevlanding01x') });
  put(`${topic}/eventSubscriptions/landing`, {
    provisioningState: 'Succeeded',
    deliveryWithResourceIdentity: {
      destination: {
        properties: { resourceId: manager.id('Microsoft.ServiceBus/namespaces/bus-x/queues/landing') },
      },
    },
    deadLetterWithResourceIdentity: {},
    filter: { includedEventTypes: ['Microsoft.Storage.BlobCreated'] },
  });
  put('Microsoft.ContainerRegistry/registries/imagesx', { loginServer: endpoint });
  put('Microsoft.KeyVault/vaults/kv-x', { vaultUri: endpoint });
  put('Microsoft.Insights/components/insights-x', {});
  batch(manager, endpoint);
  identitiesAndRoles(manager);
  processes(manager, endpoint);
}

function providers(manager: FakeResourceManager): void {
  const versions: Record<string, readonly [string, string][]> = {
    'Microsoft.Storage': [['storageAccounts', '2025-01-01']],
    'Microsoft.ServiceBus': [['namespaces', '2024-01-01']],
    'Microsoft.DocumentDB': [['databaseAccounts', '2025-04-15']],
    'Microsoft.Batch': [['batchAccounts', '2024-07-01']],
    'Microsoft.EventGrid': [
      ['topics', '2025-02-15'],
      ['systemTopics', '2025-02-15'],
    ],
    'Microsoft.ContainerRegistry': [['registries', '2025-04-01']],
    'Microsoft.KeyVault': [['vaults', '2024-11-01']],
    'Microsoft.Insights': [['components', '2020-02-02']],
    'Microsoft.ManagedIdentity': [['userAssignedIdentities', '2024-11-30']],
    'Microsoft.App': [
      ['containerApps', '2025-01-01'],
      ['jobs', '2025-01-01'],
    ],
  };
  for (const [namespace, types] of Object.entries(versions)) {
    const id = `/subscriptions/${SUBSCRIPTION_ID}/providers/${namespace}`;
    manager.resources.set(id, {
      id,
      registrationState: 'Registered',
      resourceTypes: types.map(([resourceType, version]) => ({
        resourceType,
        apiVersions: ['2020-01-01', version],
      })),
    });
  }
}

interface EntitiesFile {
  UserConfig: {
    Namespaces: [
      {
        Queues: { Name: string; Properties: Json }[];
        Topics: {
          Name: string;
          Properties: Json;
          Subscriptions: { Name: string; Properties: Json; Rules: { Properties: Json }[] }[];
        }[];
      },
    ];
  };
}

function messaging(manager: FakeResourceManager, endpoint: string): void {
  const bus = manager.id('Microsoft.ServiceBus/namespaces/bus-x');
  manager.put(bus, { serviceBusEndpoint: endpoint });
  const [{ Queues, Topics }] = json<EntitiesFile>('service-bus-entities.json').UserConfig.Namespaces;
  for (const { Name, Properties } of Queues) manager.put(`${bus}/queues/${Name}`, asDeployed(Properties));
  for (const { Name, Properties, Subscriptions } of Topics) {
    manager.put(`${bus}/topics/${Name}`, asDeployed(Properties));
    for (const subscription of Subscriptions) {
      const id = `${bus}/topics/${Name}/subscriptions/${subscription.Name}`;
      manager.put(id, asDeployed(subscription.Properties));
      const rule = subscription.Rules[0]?.Properties as {
        CorrelationFilter?: { Properties: Json };
        SqlFilter?: { SqlExpression: string };
      };
      manager.put(`${id}/rules/$Default`, {
        correlationFilter: { properties: rule.CorrelationFilter?.Properties },
        sqlFilter: { sqlExpression: rule.SqlFilter?.SqlExpression },
      });
    }
  }
}

/** camelCase, and what was never set left out. */
function asDeployed(properties: Json): Json {
  const set = Object.entries(properties).filter(([, value]) => value !== '');
  return {
    status: 'Active',
    ...Object.fromEntries(set.map(([name, value]) => [`${name[0]?.toLowerCase()}${name.slice(1)}`, value])),
  };
}

function metadataStore(manager: FakeResourceManager, endpoint: string): void {
  const account = manager.id('Microsoft.DocumentDB/databaseAccounts/meta-x');
  manager.put(account, { documentEndpoint: endpoint });
  interface Definition {
    readonly name: string;
    readonly partitionKeyPath: string;
    readonly defaultTtlSeconds: number;
  }
  for (const { name, partitionKeyPath, defaultTtlSeconds } of json<Definition[]>('cosmos-containers.json'))
    manager.put(`${account}/sqlDatabases/landfall/containers/${name}`, {
      resource: { id: name, partitionKey: { paths: [partitionKeyPath] }, defaultTtl: defaultTtlSeconds },
    });
}

function batch(manager: FakeResourceManager, endpoint: string): void {
  const account = manager.id('Microsoft.Batch/batchAccounts/batchx');
  manager.put(account, { accountEndpoint: endpoint.replace('https://', '').replace('/', '') });
  for (const pool of ['orchestrator', 'execution']) {
    const images = TASKS.filter((task) => pool === 'execution' || task === 'copy');
    manager.put(`${account}/pools/${pool}`, {
      allocationState: 'Steady',
      deploymentConfiguration: {
        virtualMachineConfiguration: {
          ...json<Json>('pool-image.json'),
          containerConfiguration: { containerImageNames: images.map(taskImage) },
        },
      },
    });
  }
}

function taskImage(task: string): string {
  return `imagesx.azurecr.io/landfall/${task}@sha256:${task}`;
}

const SCOPE_OF: Readonly<Record<string, string>> = {
  serviceBus: 'Microsoft.ServiceBus/namespaces/bus-x',
  batch: 'Microsoft.Batch/batchAccounts/batchx',
  eventGrid: 'Microsoft.EventGrid/topics/events-x',
  registry: 'Microsoft.ContainerRegistry/registries/imagesx',
  keyVault: 'Microsoft.KeyVault/vaults/kv-x',
  insights: 'Microsoft.Insights/components/insights-x',
};

function identitiesAndRoles(manager: FakeResourceManager): void {
  const grants = json<Grant[]>('access.json');
  const roleIds = json<Record<string, string>>('role-definitions.json');
  for (const identity of new Set(grants.map((grant) => grant.identity)))
    manager.put(
      manager.id(`Microsoft.ManagedIdentity/userAssignedIdentities/landfall-dev-${identity}`),
      { principalId: `principal-${identity}` },
      { environment: 'dev' },
    );
  for (const { identity, role, service, zones, queue } of grants) {
    const principalId = `principal-${identity}`;
    if (service === 'cosmos') {
      const account = manager.id('Microsoft.DocumentDB/databaseAccounts/meta-x');
      manager.put(`${account}/sqlRoleAssignments/${identity}`, {
        principalId,
        roleDefinitionId: `${account}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002`,
        scope: `${account}/dbs/landfall`,
      });
      continue;
    }
    const scopes = zones?.map((zone) => `Microsoft.Storage/storageAccounts/lfdev${zone}01x`) ?? [
      `${SCOPE_OF[service]}${queue === undefined ? '' : `/queues/${queue}`}`,
    ];
    for (const scope of scopes)
      manager.put(
        manager.id(
          `Microsoft.Authorization/roleAssignments/${[identity, role, scope].join('-').replaceAll('/', '-')}`,
        ),
        {
          principalId,
          roleDefinitionId: `/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/${roleIds[role]}`,
          // Resource Manager does not keep the case of what it was given.
          scope: manager.id(scope).toUpperCase(),
        },
      );
  }
}

function processes(manager: FakeResourceManager, endpoint: string): void {
  const settings: Record<string, string> = {
    LANDFALL_REGION: 'northeurope',
    LANDFALL_SERVICE_BUS_NAMESPACE: 'bus-x.servicebus.windows.net',
    LANDFALL_COSMOS_ENDPOINT: 'https://meta-x.documents.azure.com',
    LANDFALL_BATCH_ENDPOINT: 'https://batchx.northeurope.batch.azure.com',
    LANDFALL_BATCH_ACCOUNT: 'batchx',
    LANDFALL_EVENT_GRID_ENDPOINT: 'https://events-x.northeurope-1.eventgrid.azure.net/api/events',
    LANDFALL_STORAGE_ENDPOINTS: JSON.stringify({
      lfdevlanding01x: 'https://lfdevlanding01x.blob.core.windows.net',
      lfdevoperations01x: 'https://lfdevoperations01x.blob.core.windows.net',
    }),
    LANDFALL_OPERATIONS_ACCOUNT: 'lfdevoperations01x',
    LANDFALL_ZONE_ACCOUNTS: JSON.stringify([
      { account: 'lfdevlanding01x', zone: 'landing', region: 'northeurope' },
    ]),
    LANDFALL_TASK_IMAGES: JSON.stringify(
      Object.fromEntries(TASKS.map((task) => [`landfall/${task}`, taskImage(task)])),
    ),
    LANDFALL_API: 'https://api.example.azurecontainerapps.io',
  };
  const container = (...args: string[]) => ({
    image: `imagesx.azurecr.io/landfall/services@${SERVICES_DIGEST}`,
    args: ['worker', ...args],
    env: Object.entries(settings).map(([name, value]) => ({ name, value })),
  });
  const app = (roles: string, more: Json = {}) => ({
    provisioningState: 'Succeeded',
    runningStatus: 'Running',
    latestRevisionName: 'r--1',
    latestReadyRevisionName: 'r--1',
    template: { containers: [container('--roles', roles)] },
    ...more,
  });
  const fqdn = endpoint.replace('https://', '').replace('/', '');
  manager.put(
    manager.id('Microsoft.App/containerApps/api'),
    app('api', { configuration: { ingress: { fqdn } } }),
  );
  const services = readFileSync('bicep/modules/services.bicep', 'utf8');
  for (const [, name = '', roles = ''] of services.matchAll(/\{ name: '([^']+)', roles: '([^']+)', queue/g))
    manager.put(manager.id(`Microsoft.App/containerApps/${name}`), app(roles));
  const job = (sweeps: string) => ({
    provisioningState: 'Succeeded',
    template: { containers: [container('--once', '--roles', sweeps)] },
  });
  for (const [, name = '', roles = ''] of services.matchAll(
    /\{ name: '([^']+)', roles: '([^']+)', identity/g,
  ))
    manager.put(manager.id(`Microsoft.App/jobs/${name}`), job(roles));
}

function json<T>(name: string): T {
  return JSON.parse(readFileSync(`bicep/${name}`, 'utf8')) as T;
}
