import type { Resource, ResourceManager } from '#adapters/azure/deployment/resource-manager.ts';

/**
 * The kinds of resources an environment consists of, with the API version they are asked for: the one Bicep deploys
 * them with, which test/infrastructure compares.
 */
export const API_VERSIONS = {
  'Microsoft.Storage/storageAccounts': '2025-01-01',
  'Microsoft.ServiceBus/namespaces': '2024-01-01',
  'Microsoft.DocumentDB/databaseAccounts': '2025-04-15',
  'Microsoft.Batch/batchAccounts': '2024-07-01',
  'Microsoft.EventGrid/topics': '2025-02-15',
  'Microsoft.EventGrid/systemTopics': '2025-02-15',
  'Microsoft.ContainerRegistry/registries': '2025-04-01',
  'Microsoft.KeyVault/vaults': '2024-11-01',
  'Microsoft.Insights/components': '2020-02-02',
  'Microsoft.ManagedIdentity/userAssignedIdentities': '2024-11-30',
  'Microsoft.App/containerApps': '2025-01-01',
  'Microsoft.App/jobs': '2025-01-01',
} as const;

export type ResourceType = keyof typeof API_VERSIONS;

export const RESOURCES_API_VERSION = '2021-04-01';

/** One resource group with everything in it, each resource with its properties. */
export class DeployedEnvironment {
  readonly subscriptionPath: string;
  readonly groupPath: string;
  readonly #resources: readonly Resource[];

  constructor(subscriptionPath: string, group: string, resources: readonly Resource[]) {
    this.subscriptionPath = subscriptionPath;
    this.groupPath = `${subscriptionPath}/resourceGroups/${group}`;
    this.#resources = resources;
  }

  all<Properties>(type: ResourceType): readonly Resource<Properties>[] {
    return this.#resources.filter((resource) =>
      isSame(resource.type, type),
    ) as readonly Resource<Properties>[];
  }

  /** The only one of its type. */
  only<Properties>(type: ResourceType): Resource<Properties> | undefined {
    return this.all<Properties>(type)[0];
  }

  /** Accounts of a zone, or of `operations`. Bicep writes the zone into a tag. */
  accountsOf(zone: string): readonly Resource<StorageProperties>[] {
    return this.all<StorageProperties>('Microsoft.Storage/storageAccounts').filter(
      ({ tags }) => tags?.['landfall-zone'] === zone,
    );
  }

  /** The identities by the kind of process they are for: `landfall-<environment>-<process>`. */
  identities(): ReadonlyMap<string, string> {
    const all = this.all<{ readonly principalId: string }>(
      'Microsoft.ManagedIdentity/userAssignedIdentities',
    );
    return new Map(
      all.map(({ name, tags, properties }) => [
        name.replace(`landfall-${tags?.['environment'] ?? ''}-`, ''),
        properties.principalId,
      ]),
    );
  }
}

export interface StorageProperties {
  readonly primaryEndpoints?: { readonly blob?: string; readonly dfs?: string };
  readonly allowSharedKeyAccess?: boolean;
  readonly isHnsEnabled?: boolean;
}

/** Ids of resources differ in case from one answer to the next. */
export function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Everything in the group, of the kinds that are ours. @returns undefined when there is no such group. */
export async function surveyEnvironment(
  manager: ResourceManager,
  subscriptionId: string,
  group: string,
): Promise<DeployedEnvironment | undefined> {
  const subscriptionPath = `/subscriptions/${subscriptionId}`;
  const groupPath = `${subscriptionPath}/resourceGroups/${group}`;
  if ((await manager.get(groupPath, RESOURCES_API_VERSION)) === undefined) return undefined;
  const listed = await manager.list<Resource>(`${groupPath}/resources`, RESOURCES_API_VERSION);
  const whole = await Promise.all(
    listed.map(async (resource) => {
      const type = Object.keys(API_VERSIONS).find((known) => isSame(known, resource.type));
      if (type === undefined) return undefined;
      const properties = await manager.get<Resource>(resource.id, API_VERSIONS[type as ResourceType]);
      return properties === undefined ? undefined : { ...resource, ...properties };
    }),
  );
  return new DeployedEnvironment(
    subscriptionPath,
    group,
    whole.filter((resource) => resource !== undefined),
  );
}
