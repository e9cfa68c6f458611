import { CONTAINERS } from '#adapters/azure/cosmos/containers.ts';
import type { ResourceManager } from '#adapters/azure/deployment/resource-manager.ts';
import { type Finding, findingOf } from '#adapters/cli/findings.ts';
import { LANDING_QUEUE } from '#domain/topology.ts';
import { ZONES, type Zone } from '#domain/vocabulary.ts';
import { containersOfZone, OPERATIONS_CONTAINERS } from '../zone-containers.ts';
import { API_VERSIONS, type DeployedEnvironment, isSame } from './environment.ts';

const DEPLOY_AGAIN = 'deploy bicep/main.bicep of this release again';

/** Containers of Cosmos DB with their partition keys, which cannot be changed once they hold documents. */
export async function examineMetadataStore(
  manager: ResourceManager,
  environment: DeployedEnvironment,
): Promise<readonly Finding[]> {
  const account = environment.only('Microsoft.DocumentDB/databaseAccounts');
  if (account === undefined) return [];
  interface Listed {
    readonly name: string;
    readonly properties: {
      readonly resource: {
        readonly id: string;
        readonly partitionKey?: { readonly paths?: readonly string[] };
        readonly defaultTtl?: number;
      };
    };
  }
  const listed = await manager.list<Listed>(
    `${account.id}/sqlDatabases/landfall/containers`,
    API_VERSIONS['Microsoft.DocumentDB/databaseAccounts'],
  );
  const problems = Object.values(CONTAINERS).flatMap(({ name, partitionKeyPath, defaultTtlSeconds }) => {
    const resource = listed.map(({ properties }) => properties.resource).find(({ id }) => id === name);
    if (resource === undefined) return [`${name} is missing`];
    const path = resource.partitionKey?.paths?.join(',');
    return [
      ...(path === partitionKeyPath
        ? []
        : [`${name} is partitioned by ${path} instead of ${partitionKeyPath}`]),
      ...(resource.defaultTtl === defaultTtlSeconds
        ? []
        : [`${name} has a time to live of ${resource.defaultTtl} instead of ${defaultTtlSeconds}`]),
    ];
  });
  return [
    findingOf('Cosmos DB containers', problems, {
      ok: `${Object.keys(CONTAINERS).length}, partitioned as the code expects`,
      remedy: `${DEPLOY_AGAIN}; a container with another partition key must be copied to a new one first`,
    }),
  ];
}

/** Accounts and containers of every zone. */
export async function examineZones(
  manager: ResourceManager,
  environment: DeployedEnvironment,
): Promise<readonly Finding[]> {
  const wanted: readonly (readonly [string, readonly string[]])[] = [
    ...ZONES.map((zone: Zone) => [zone, containersOfZone(zone)] as const),
    ['operations', OPERATIONS_CONTAINERS],
  ];
  const problems = await Promise.all(
    wanted.map(async ([zone, containers]) => {
      const accounts = environment.accountsOf(zone);
      if (accounts.length === 0) return [`no account has the tag landfall-zone=${zone}`];
      const perAccount = await Promise.all(
        accounts.map(async ({ id, name, properties }) => {
          const listed = await manager.list<{ name: string; properties?: { publicAccess?: string } }>(
            `${id}/blobServices/default/containers`,
            API_VERSIONS['Microsoft.Storage/storageAccounts'],
          );
          const open = listed.filter(
            ({ properties: container }) => !['None', undefined].includes(container?.publicAccess),
          );
          return [
            ...containers
              .filter((container) => !listed.some((other) => other.name === container))
              .map((container) => `${name} lacks the container ${container}`),
            ...open.map((container) => `${name}/${container.name} can be read by anybody`),
            ...(properties.allowSharedKeyAccess === false ? [] : [`${name} accepts shared keys`]),
          ];
        }),
      );
      return perAccount.flat();
    }),
  );
  return [
    findingOf('zones', problems.flat(), {
      ok: `${ZONES.length} zones and operations, with their containers, without keys`,
      remedy: DEPLOY_AGAIN,
    }),
  ];
}

/** Every Landing account tells the queue `landing` of what arrives. */
export async function examineLandingEvents(
  manager: ResourceManager,
  environment: DeployedEnvironment,
): Promise<readonly Finding[]> {
  interface EventSubscription {
    readonly name: string;
    readonly properties: {
      readonly provisioningState?: string;
      readonly deliveryWithResourceIdentity?: {
        readonly destination?: { readonly properties?: { readonly resourceId?: string } };
      };
      readonly deadLetterWithResourceIdentity?: object;
      readonly filter?: { readonly includedEventTypes?: readonly string[] };
    };
  }
  const topics = environment.all<{ source?: string }>('Microsoft.EventGrid/systemTopics');
  const queue = `${environment.only('Microsoft.ServiceBus/namespaces')?.id}/queues/${LANDING_QUEUE}`;
  const problems = await Promise.all(
    environment.accountsOf('landing').map(async ({ id, name }) => {
      const topic = topics.find(({ properties }) => isSame(properties.source ?? '', id));
      if (topic === undefined) return [`${name} has no system topic: uploads to it raise no events`];
      const subscriptions = await manager.list<EventSubscription>(
        `${topic.id}/eventSubscriptions`,
        API_VERSIONS['Microsoft.EventGrid/systemTopics'],
      );
      const ours = subscriptions.find(({ properties }) =>
        isSame(properties.deliveryWithResourceIdentity?.destination?.properties?.resourceId ?? '', queue),
      );
      if (ours === undefined) return [`no event of ${name} goes to the queue ${LANDING_QUEUE}`];
      const { provisioningState, deadLetterWithResourceIdentity, filter } = ours.properties;
      return [
        ...(provisioningState === 'Succeeded' ? [] : [`the subscription of ${name} is ${provisioningState}`]),
        ...(deadLetterWithResourceIdentity === undefined ? [`undeliverable events of ${name} are lost`] : []),
        ...(filter?.includedEventTypes?.includes('Microsoft.Storage.BlobCreated') === false
          ? [`the subscription of ${name} leaves out BlobCreated`]
          : []),
      ];
    }),
  );
  return [
    findingOf('events of Landing', problems.flat(), {
      ok: `from ${problems.length} accounts to ${LANDING_QUEUE}`,
      remedy: `${DEPLOY_AGAIN}; a delivery that is refused shows in: az eventgrid system-topic event-subscription show`,
    }),
  ];
}
