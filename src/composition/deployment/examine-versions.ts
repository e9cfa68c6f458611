import { readFileSync } from 'node:fs';
import type { ResourceManager } from '#adapters/azure/deployment/resource-manager.ts';
import { type Finding, findingOf } from '#adapters/cli/findings.ts';
import { readSettings, SettingsError } from '../settings.ts';
import { API_VERSIONS, type DeployedEnvironment, RESOURCES_API_VERSION } from './environment.ts';

/** Image name without `landfall/` to digest, as the deploy workflow hands it to Bicep. */
export type Release = Readonly<Record<string, string>>;

interface Container {
  readonly image?: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}
interface App {
  readonly provisioningState?: string;
  readonly runningStatus?: string;
  readonly latestRevisionName?: string;
  readonly latestReadyRevisionName?: string;
  readonly template?: { readonly containers?: readonly Container[] };
}
interface Pool {
  readonly name: string;
  readonly properties: {
    readonly allocationState?: string;
    readonly resizeOperationStatus?: {
      readonly errors?: readonly { readonly code?: string; readonly message?: string }[];
    };
    readonly deploymentConfiguration?: {
      readonly virtualMachineConfiguration?: {
        readonly imageReference?: Readonly<Record<string, string>>;
        readonly nodeAgentSkuId?: string;
        readonly containerConfiguration?: { readonly containerImageNames?: readonly string[] };
      };
    };
  };
}

const POOLS = ['orchestrator', 'execution'] as const;
const COPY_IMAGE = 'landfall/copy';

/** Processes: which roles they host, whether they run, which image, and whether their settings can be read. */
export function examineProcesses(
  environment: DeployedEnvironment,
  roleNames: readonly string[],
  release: Release | undefined,
): readonly Finding[] {
  const apps = environment.all<App>('Microsoft.App/containerApps');
  const all = [...apps, ...environment.all<App>('Microsoft.App/jobs')];
  if (all.length === 0)
    return [
      {
        name: 'processes',
        state: 'failed',
        found: 'none are deployed',
        remedy: 'run the workflow deploy: it brings the images in and deploys with their digests',
      },
    ];
  const hosted = all.flatMap((app) => rolesOf(app.properties));
  const absent = roleNames.filter((role) => !hosted.includes(role));
  const halted = apps.filter(
    ({ properties: { provisioningState, runningStatus, latestRevisionName, latestReadyRevisionName } }) =>
      provisioningState !== 'Succeeded' ||
      !['Running', 'Ready', undefined].includes(runningStatus) ||
      latestRevisionName !== latestReadyRevisionName,
  );
  return [
    findingOf('roles hosted', absent.length === 0 ? [] : [`nobody hosts ${absent.join(', ')}`], {
      ok: `${hosted.length}, by ${all.length} apps and jobs`,
      remedy: 'deploy bicep/main.bicep of this release again: modules/services.bicep places every role',
    }),
    findingOf(
      'apps',
      halted.map(({ name, properties }) => `${name} is ${stateOf(properties)}`),
      {
        ok: `${apps.length} run their newest revision`,
        remedy: `look at its log: az containerapp logs show --name ${halted[0]?.name} --resource-group ${environment.groupPath.split('/').at(-1)} --follow`,
      },
    ),
    imageFinding(all, release),
    settingsFinding(all),
  ];
}

function stateOf({
  provisioningState,
  runningStatus,
  latestRevisionName,
  latestReadyRevisionName,
}: App): string {
  if (provisioningState !== 'Succeeded') return String(provisioningState);
  if (latestRevisionName !== latestReadyRevisionName)
    return `not ready with ${latestRevisionName}; ${latestReadyRevisionName ?? 'nothing'} still answers`;
  return String(runningStatus);
}

function rolesOf(app: App): readonly string[] {
  const args = app.template?.containers?.[0]?.args ?? [];
  return args[args.indexOf('--roles') + 1]?.split(',') ?? [];
}

function imageFinding(
  apps: readonly { readonly name: string; readonly properties: App }[],
  release: Release | undefined,
): Finding {
  const digests = apps.map(
    (app) => [app.name, digestOf(app.properties.template?.containers?.[0]?.image)] as const,
  );
  const expected = release?.['services'] ?? digests[0]?.[1];
  const other = digests.filter(([, digest]) => digest !== expected || digest === undefined);
  const source = release === undefined ? 'all the same' : 'that of the release';
  return findingOf(
    'image of the services',
    other.map(([app, digest]) => `${app} runs ${digest ?? 'an image without a digest'}`),
    { ok: `${expected}, ${source}`, remedy: `expected is ${expected}: deploy the release again` },
  );
}

function digestOf(image: string | undefined): string | undefined {
  return image?.split('@')[1];
}

function settingsFinding(apps: readonly { readonly name: string; readonly properties: App }[]): Finding {
  const wrong = apps.flatMap(({ name, properties }) => {
    try {
      readSettings(environmentOf(properties));
      return [];
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      return [`${name}: ${error.message}`];
    }
  });
  return findingOf('settings', wrong, {
    ok: 'each app and job can read its own',
    remedy: 'main.bicep sets them; look for a wrong value in settingOverrides, then deploy again',
  });
}

function environmentOf(app: App): Readonly<Record<string, string>> {
  const entries = app.template?.containers?.[0]?.env ?? [];
  return Object.fromEntries(entries.map(({ name, value }) => [name, value ?? '']));
}

/** Pools: allocation, the image of their nodes, and the task images that are fetched when a node starts. */
export async function examinePools(
  manager: ResourceManager,
  environment: DeployedEnvironment,
  release: Release | undefined,
): Promise<readonly Finding[]> {
  const account = environment.only('Microsoft.Batch/batchAccounts');
  if (account === undefined) return [];
  const pools = await manager.list<Pool>(
    `${account.id}/pools`,
    API_VERSIONS['Microsoft.Batch/batchAccounts'],
  );
  const image = JSON.parse(
    readFileSync(new URL('../../../bicep/pool-image.json', import.meta.url), 'utf8'),
  ) as PoolImage;
  const images = taskImagesOf(environment, release);
  return POOLS.map((id) =>
    poolFinding(
      id,
      pools.find(({ name }) => name === id),
      image,
      images,
    ),
  );
}

interface PoolImage {
  readonly imageReference: Readonly<Record<string, string>>;
  readonly nodeAgentSkuId: string;
}

function poolFinding(
  id: string,
  pool: Pool | undefined,
  image: PoolImage,
  images: ReadonlyMap<string, string>,
): Finding {
  const name = `Batch pool ${id}`;
  const failed = (found: string, remedy: string): Finding => ({ name, state: 'failed', found, remedy });
  if (pool === undefined)
    return failed('it is missing', 'deploy bicep/main.bicep again: modules/batch.bicep makes it');
  const { resizeOperationStatus, deploymentConfiguration } = pool.properties;
  const [error] = resizeOperationStatus?.errors ?? [];
  if (error !== undefined)
    return failed(
      `its last resize failed: ${error.code}: ${error.message}`,
      'a quota? Ask for cores of its VM size (az batch location quotas show, az vm list-usage); else look at the subnet and its NAT gateway',
    );
  const machine = deploymentConfiguration?.virtualMachineConfiguration;
  const differs = Object.entries(image.imageReference).some(
    ([key, value]) => machine?.imageReference?.[key] !== value,
  );
  if (differs || machine?.nodeAgentSkuId !== image.nodeAgentSkuId)
    return failed(
      `its nodes run ${machine?.imageReference?.['offer']} ${machine?.imageReference?.['sku']} with ${machine?.nodeAgentSkuId}; bicep/pool-image.json names ${image.imageReference['offer']} ${image.imageReference['sku']} with ${image.nodeAgentSkuId}`,
      `a pool cannot change its image: az batch pool delete --pool-id ${id} once its tasks have ended, then deploy again`,
    );
  const present = (machine?.containerConfiguration?.containerImageNames ?? []).map(digestOf);
  const wanted = [...images].filter(([task]) => id === 'execution' || task === COPY_IMAGE);
  const lacking = wanted.filter(([, digest]) => !present.includes(digest)).map(([task]) => task);
  if (lacking.length > 0)
    return failed(
      `its nodes do not fetch the image of this release of ${lacking.join(', ')}`,
      'deploy again; nodes that run already take new images when they are reimaged',
    );
  return { name, state: 'ok', found: `${image.nodeAgentSkuId}, ${wanted.length} task images` };
}

/** Digest per task image: of the release if it is given, else what the processes submit tasks with. */
function taskImagesOf(
  environment: DeployedEnvironment,
  release: Release | undefined,
): ReadonlyMap<string, string> {
  if (release !== undefined)
    return new Map(
      Object.entries(release)
        .filter(([name]) => name !== 'services')
        .map(([name, digest]) => [`landfall/${name}`, digest]),
    );
  const app = environment
    .all<App>('Microsoft.App/containerApps')
    .find(({ properties }) => rolesOf(properties).includes('extract'));
  const text = app === undefined ? undefined : environmentOf(app.properties)['LANDFALL_TASK_IMAGES'];
  const images = JSON.parse(text ?? '{}') as Readonly<Record<string, string>>;
  return new Map(Object.entries(images).map(([name, image]) => [name, digestOf(image) ?? image]));
}

/** The subscription knows every provider, in the API version that Bicep asks for. */
export async function examineProviders(
  manager: ResourceManager,
  environment: DeployedEnvironment,
): Promise<readonly Finding[]> {
  interface Provider {
    readonly registrationState: string;
    readonly resourceTypes: readonly {
      readonly resourceType: string;
      readonly apiVersions: readonly string[];
    }[];
  }
  const namespaces = [...new Set(Object.keys(API_VERSIONS).map((type) => type.split('/')[0] ?? ''))];
  const problems = await Promise.all(
    namespaces.map(async (namespace) => {
      const provider = await manager.get<Provider>(
        `${environment.subscriptionPath}/providers/${namespace}`,
        RESOURCES_API_VERSION,
      );
      if (provider?.registrationState !== 'Registered') return [`${namespace} is not registered`];
      return Object.entries(API_VERSIONS).flatMap(([type, version]) => {
        const [owner, name] = type.split('/');
        const known = provider.resourceTypes.find(({ resourceType }) => resourceType === name)?.apiVersions;
        return owner !== namespace || known?.includes(version) !== false
          ? []
          : [`${type} has no API version ${version} any more`];
      });
    }),
  );
  return [
    findingOf('API versions', problems.flat(), {
      ok: `${namespaces.length} providers know what Bicep asks for`,
      remedy:
        'register a provider with: az provider register --namespace <name>; a version that is gone needs a newer release',
    }),
  ];
}
