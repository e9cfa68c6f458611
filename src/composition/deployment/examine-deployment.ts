import { type ResourceManager, ResourceManagerError } from '#adapters/azure/deployment/resource-manager.ts';
import { type Finding, findingOf } from '#adapters/cli/findings.ts';
import { ROLE_NAMES } from '../worker.ts';
import {
  API_VERSIONS,
  type DeployedEnvironment,
  type ResourceType,
  surveyEnvironment,
} from './environment.ts';
import { examineReachability } from './examine-reachability.ts';
import { examineRoles } from './examine-roles.ts';
import { examineServiceBus } from './examine-service-bus.ts';
import { examineLandingEvents, examineMetadataStore, examineZones } from './examine-stores.ts';
import { examinePools, examineProcesses, examineProviders, type Release } from './examine-versions.ts';

export interface Deployment {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  /** Digests to compare with; absent = everything must run the same. */
  readonly release?: Release;
  /** From outside of the environment's network its endpoints cannot be reached, and that is as it should be. */
  readonly outside?: boolean;
}

/**
 * A deployed environment, from what exists to what it runs: what stands lower in the list may be a consequence of what
 * stands higher. Reads Resource Manager, and connects to every endpoint; changes nothing.
 */
export async function examineDeployment(
  manager: ResourceManager,
  { subscriptionId, resourceGroup, release, outside = false }: Deployment,
): Promise<readonly Finding[]> {
  try {
    const environment = await surveyEnvironment(manager, subscriptionId, resourceGroup);
    if (environment === undefined)
      return [
        {
          name: 'resource group',
          state: 'failed',
          found: `the subscription ${subscriptionId} has no group ${resourceGroup}`,
          remedy:
            'name another with --resource-group and --subscription, or deploy bicep/bootstrap.bicep first',
        },
      ];
    return [
      existence(environment),
      ...(await examineProviders(manager, environment)),
      ...(await examineRoles(manager, environment)),
      ...(outside ? [] : await examineReachability(environment)),
      ...(await examineServiceBus(manager, environment)),
      ...(await examineMetadataStore(manager, environment)),
      ...(await examineZones(manager, environment)),
      ...(await examineLandingEvents(manager, environment)),
      ...examineProcesses(environment, ROLE_NAMES, release),
      ...(await examinePools(manager, environment, release)),
    ];
  } catch (error) {
    if (!(error instanceof ResourceManagerError)) throw error;
    return [
      {
        name: 'Resource Manager',
        state: 'failed',
        found: `answered ${error.status}: ${error.message}`,
        remedy:
          error.status === 401 || error.status === 403
            ? `sign in (az login) as somebody who has the role Reader on ${resourceGroup}`
            : 'try again; if it stays, look at https://status.azure.com',
      },
    ];
  }
}

function existence(environment: DeployedEnvironment): Finding {
  const missing = (Object.keys(API_VERSIONS) as ResourceType[]).filter(
    (type) => environment.only(type) === undefined,
  );
  return findingOf('resources', missing.length === 0 ? [] : [`missing: ${missing.join(', ')}`], {
    ok: `every kind is in ${environment.groupPath}`,
    remedy: 'deploy bicep/main.bicep; with the digests of the images, or no process is deployed',
  });
}
