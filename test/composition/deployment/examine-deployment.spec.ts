import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { ResourceManager } from '#adapters/azure/deployment/resource-manager.ts';
import { type Finding, findingsExitCode } from '#adapters/cli/findings.ts';
import { API_VERSIONS } from '#composition/deployment/environment.ts';
import { examineDeployment } from '#composition/deployment/examine-deployment.ts';
import type { Release } from '#composition/deployment/examine-versions.ts';
import { bicepSources } from '#test/infrastructure/bicep-source.ts';
import {
  deployHealthyEnvironment,
  FakeResourceManager,
  GROUP,
  SERVICES_DIGEST,
  SUBSCRIPTION_ID,
} from '#test/support/fake-resource-manager.ts';
import { selfSignedCertificate } from '#test/support/self-signed-certificate.ts';

describe('landfall doctor --azure', () => {
  const certificates = tls.getCACertificates('default');
  const certificate = selfSignedCertificate();
  const service = tls.createServer(certificate);
  let fake: FakeResourceManager;
  let manager: ResourceManager;
  let endpoint: string;

  before(async () => {
    tls.setDefaultCACertificates([...certificates, certificate.cert]);
    await new Promise<void>((resolve) => service.listen(0, 'localhost', resolve));
    endpoint = `https://localhost:${(service.address() as AddressInfo).port}/`;
  });
  after(() => {
    service.close();
    tls.setDefaultCACertificates(certificates);
  });
  beforeEach(async () => {
    fake = new FakeResourceManager();
    manager = new ResourceManager({ endpoint: await fake.start(), token: async () => 'signed-in' });
    deployHealthyEnvironment(fake, endpoint);
  });
  afterEach(() => fake.stop());

  async function examine(release?: Release): Promise<readonly Finding[]> {
    const findings = await examineDeployment(manager, {
      subscriptionId: SUBSCRIPTION_ID,
      resourceGroup: GROUP,
      ...(release === undefined ? {} : { release }),
    });
    for (const finding of findings)
      assert.equal(finding.remedy === undefined, finding.state === 'ok', `${finding.name}: a remedy`);
    return findings;
  }
  /** The only finding that is not well. */
  async function onlyTrouble(release?: Release): Promise<Finding> {
    const troubles = (await examine(release)).filter(({ state }) => state !== 'ok');
    assert.equal(troubles.length, 1, JSON.stringify(troubles, null, 1));
    return troubles[0]!;
  }

  it('finds nothing to mend where everything is as the release has it', async () => {
    const findings = await examine({ services: SERVICES_DIGEST, copy: 'sha256:copy' });
    assert.deepEqual(
      findings.filter(({ state }) => state !== 'ok'),
      [],
    );
    assert.equal(findingsExitCode(findings), 0);
    for (const name of [
      'roles of handlers',
      'reach Cosmos DB',
      'Service Bus entities',
      'Batch pool execution',
    ])
      assert.ok(
        findings.some((finding) => finding.name === name),
        name,
      );
  });

  it('asks Resource Manager for the API versions that Bicep deploys with', () => {
    const text = [...bicepSources().values()].join('\n');
    for (const [type, version] of Object.entries(API_VERSIONS))
      assert.ok(text.includes(`'${type}@${version}'`), type);
  });

  const storage = (zone: string) => `Microsoft.Storage/storageAccounts/lfdev${zone}01x`;
  const bus = 'Microsoft.ServiceBus/namespaces/bus-x';
  const breakages: Readonly<
    Record<
      string,
      readonly [() => void, name: string, found: RegExp, remedy: RegExp, state?: Finding['state']]
    >
  > = {
    'a role was taken away': [
      () => {
        const id = [...fake.resources.keys()].find((key) =>
          /execution-Storage Blob Data Reader.*raw/.test(key),
        );
        fake.resources.delete(id ?? '');
      },
      'roles of execution',
      /1 of \d+ missing: Storage Blob Data Reader on lfdevraw01x/,
      /az role assignment create --role "Storage Blob Data Reader" --assignee-object-id principal-execution/,
    ],
    'a role of the metadata store was taken away': [
      () =>
        fake.resources.delete(
          `${fake.id('Microsoft.DocumentDB/databaseAccounts/meta-x')}/sqlRoleAssignments/saga`,
        ),
      'roles of saga',
      /Cosmos DB Built-in Data Contributor on landfall/,
      /az cosmosdb sql role assignment create/,
    ],
    'somebody gave a process more than the table does': [
      () =>
        fake.put(fake.id('Microsoft.Authorization/roleAssignments/by-hand'), {
          principalId: 'principal-api',
          roleDefinitionId: '/x/b24988ac-6180-42a0-ab88-20f7382dd24c',
          scope: `/subscriptions/${SUBSCRIPTION_ID}`,
        }),
      'roles of api',
      /more than bicep\/access.json gives it: b24988ac/,
      /az role assignment delete/,
      'warning',
    ],
    'an identity is gone': [
      () =>
        fake.resources.delete(
          fake.id('Microsoft.ManagedIdentity/userAssignedIdentities/landfall-dev-scaler'),
        ),
      'roles of scaler',
      /no such identity/,
      /identity\.bicep/,
    ],
    'a service does not answer from here': [
      () =>
        Object.assign(fake.properties(fake.id('Microsoft.KeyVault/vaults/kv-x')), {
          vaultUri: 'https://localhost:1/',
        }),
      'reach key vault',
      /localhost:1 at .* does not answer: ECONNREFUSED/,
      /private endpoint/,
    ],
    'a name is unknown in this network': [
      () =>
        Object.assign(fake.properties(fake.id('Microsoft.KeyVault/vaults/kv-x')), {
          vaultUri: 'https://kv-x.vault.invalid/',
        }),
      'reach key vault',
      /kv-x\.vault\.invalid has no address here/,
      /private DNS zone/,
    ],
    'a name resolves to where nobody is let in': [
      () =>
        Object.assign(fake.properties(fake.id('Microsoft.KeyVault/vaults/kv-x')), {
          vaultUri: 'https://203.0.113.7/',
        }),
      'reach key vault',
      /public address 203\.0\.113\.7/,
      /private DNS zone/,
    ],
    'a queue is missing': [
      () => fake.resources.delete(fake.id(`${bus}/queues/extract`)),
      'Service Bus entities',
      /^queue extract is missing$/,
      /messaging\.bicep/,
    ],
    'a queue is switched off': [
      () => Object.assign(fake.properties(fake.id(`${bus}/queues/extract`)), { status: 'ReceiveDisabled' }),
      'Service Bus entities',
      /queue extract is ReceiveDisabled/,
      /deploy/,
    ],
    'a subscription forwards to nobody': [
      () => delete fake.properties(fake.id(`${bus}/topics/commands/subscriptions/copy`))['forwardTo'],
      'Service Bus entities',
      /subscription commands\/copy has ForwardTo {2}instead of copy/,
      /deploy/,
    ],
    'a second rule lets everything through': [
      () => fake.put(fake.id(`${bus}/topics/commands/subscriptions/copy/rules/by-consumer`), {}),
      'Service Bus entities',
      /commands\/copy: it has the rules \$Default, by-consumer, and all of them hold/,
      /deploy/,
    ],
    'a rule is of an older release': [
      () =>
        Object.assign(fake.properties(fake.id(`${bus}/topics/events/subscriptions/saga/rules/$Default`)), {
          sqlFilter: { sqlExpression: "sys.Label IN ('landfall.measurement.received.v1')" },
        }),
      'Service Bus entities',
      /events\/saga: its rule \$Default lets other messages through/,
      /deploy/,
    ],
    'a subscription of an older release is left': [
      () => fake.put(fake.id(`${bus}/topics/commands/subscriptions/transcode`), { status: 'Active' }),
      'Service Bus, unknown entities',
      /subscription commands\/transcode/,
      /fills up/,
      'warning',
    ],
    'a container has another partition key': [
      () =>
        Object.assign(
          fake.properties(
            fake.id('Microsoft.DocumentDB/databaseAccounts/meta-x/sqlDatabases/landfall/containers/vehicles'),
          ),
          { resource: { id: 'vehicles', partitionKey: { paths: ['/id'] }, defaultTtl: -1 } },
        ),
      'Cosmos DB containers',
      /vehicles is partitioned by \/id instead of \/vin/,
      /copied to a new one/,
    ],
    'a container of a zone is missing': [
      () => fake.resources.delete(fake.id(`${storage('extracted')}/blobServices/default/containers/lidar`)),
      'zones',
      /lfdevextracted01x lacks the container lidar/,
      /deploy/,
    ],
    'an account accepts keys': [
      () => Object.assign(fake.properties(fake.id(storage('raw'))), { allowSharedKeyAccess: true }),
      'zones',
      /lfdevraw01x accepts shared keys/,
      /deploy/,
    ],
    'a Landing account raises no events': [
      () =>
        fake.resources.delete(
          fake.id('Microsoft.EventGrid/systemTopics/lfdevlanding01x-events/eventSubscriptions/landing'),
        ),
      'events of Landing',
      /no event of lfdevlanding01x goes to the queue landing/,
      /event-subscription show/,
    ],
    'nobody hosts a role': [
      () => fake.resources.delete(fake.id('Microsoft.App/jobs/task-poll')),
      'roles hosted',
      /nobody hosts task-poll/,
      /services\.bicep/,
    ],
    'an app does not come up': [
      () =>
        Object.assign(fake.properties(fake.id('Microsoft.App/containerApps/saga')), {
          latestRevisionName: 'r--2',
        }),
      'apps',
      /saga is not ready with r--2; r--1 still answers/,
      /az containerapp logs show --name saga --resource-group landfall-dev/,
    ],
    'a pool could not grow': [
      () =>
        Object.assign(fake.properties(fake.id('Microsoft.Batch/batchAccounts/batchx/pools/execution')), {
          resizeOperationStatus: { errors: [{ code: 'AccountCoreQuotaReached', message: 'No cores.' }] },
        }),
      'Batch pool execution',
      /AccountCoreQuotaReached: No cores\./,
      /quota/,
    ],
    'a provider is not registered': [
      () =>
        Object.assign(
          fake.resources.get(`/subscriptions/${SUBSCRIPTION_ID}/providers/Microsoft.Batch`) ?? {},
          {
            registrationState: 'NotRegistered',
          },
        ),
      'API versions',
      /Microsoft\.Batch is not registered/,
      /az provider register/,
    ],
    'an API version is gone': [
      () =>
        Object.assign(
          fake.resources.get(`/subscriptions/${SUBSCRIPTION_ID}/providers/Microsoft.KeyVault`) ?? {},
          {
            resourceTypes: [{ resourceType: 'vaults', apiVersions: ['2031-01-01'] }],
          },
        ),
      'API versions',
      /vaults has no API version 2024-11-01 any more/,
      /newer release/,
    ],
  };
  for (const [situation, [breakIt, name, found, remedy, state = 'failed']] of Object.entries(breakages)) {
    it(`sees that ${situation}, and says what to do`, async () => {
      breakIt();
      const trouble = await onlyTrouble();
      assert.equal(trouble.name, name);
      assert.equal(trouble.state, state);
      assert.match(trouble.found, found);
      assert.match(trouble.remedy ?? '', remedy);
    });
  }

  it('sees an app that was left behind at another image', async () => {
    const properties = fake.properties(fake.id('Microsoft.App/containerApps/share')) as {
      template: { containers: { image: string }[] };
    };
    properties.template.containers[0]!.image = 'imagesx.azurecr.io/landfall/services@sha256:01';
    assert.match((await onlyTrouble()).found, /^share runs sha256:01$/);
  });

  it('sees that everything runs another release than the one that was asked about', async () => {
    const trouble = await onlyTrouble({ services: 'sha256:other' });
    assert.equal(trouble.name, 'image of the services');
    assert.match(trouble.remedy ?? '', /expected is sha256:other/);
    const pools = (await examine({ services: SERVICES_DIGEST, copy: 'sha256:new' })).filter(
      ({ state }) => state !== 'ok',
    );
    assert.deepEqual(
      pools.map(({ name }) => name),
      ['Batch pool orchestrator', 'Batch pool execution'],
    );
  });

  it('reads the settings of each app as the app does', async () => {
    const properties = fake.properties(fake.id('Microsoft.App/containerApps/copy')) as {
      template: { containers: { env: { name: string; value: string }[] }[] };
    };
    const [container] = properties.template.containers;
    container!.env = container!.env.filter(({ name }) => name !== 'LANDFALL_BATCH_ACCOUNT');
    const trouble = await onlyTrouble();
    assert.equal(trouble.name, 'settings');
    assert.match(trouble.found, /^copy: LANDFALL_BATCH_ACCOUNT is not set/);
  });

  it('says that a pool must be made anew to run another node image', async () => {
    const id = fake.id('Microsoft.Batch/batchAccounts/batchx/pools/execution');
    const machine = (
      fake.properties(id) as {
        deploymentConfiguration: { virtualMachineConfiguration: { nodeAgentSkuId: string } };
      }
    ).deploymentConfiguration.virtualMachineConfiguration;
    machine.nodeAgentSkuId = 'batch.node.ubuntu 22.04';
    assert.match((await onlyTrouble()).remedy ?? '', /az batch pool delete --pool-id execution/);
  });

  it('says who may look when Resource Manager refuses, and tries again when it is busy', async () => {
    fake.refusals.push({
      status: 403,
      body: { error: { code: 'AuthorizationFailed', message: 'Not you.' } },
    });
    const refused = await onlyTrouble();
    assert.match(refused.found, /answered 403: .*AuthorizationFailed: Not you\./);
    assert.match(refused.remedy ?? '', /Reader on landfall-dev/);
    fake.refusals.push({ status: 429, body: {} }, { status: 503, body: {} });
    assert.equal(findingsExitCode(await examine()), 0);
  });

  it('connects to nothing when it looks from outside', async () => {
    Object.assign(fake.properties(fake.id('Microsoft.KeyVault/vaults/kv-x')), {
      vaultUri: 'https://localhost:1/',
    });
    const asked = { subscriptionId: SUBSCRIPTION_ID, resourceGroup: GROUP, outside: true };
    const findings = await examineDeployment(manager, asked);
    assert.equal(findingsExitCode(findings), 0);
    assert.ok(!findings.some(({ name }) => name.startsWith('reach ')));
  });

  it('says that there is no such group', async () => {
    const findings = await examineDeployment(manager, {
      subscriptionId: SUBSCRIPTION_ID,
      resourceGroup: 'elsewhere',
    });
    assert.match(findings[0]?.found ?? '', /has no group elsewhere/);
    assert.equal(findingsExitCode(findings), 1);
  });

  it('sends no token over a line that others can read', () => {
    assert.throws(
      () => new ResourceManager({ endpoint: 'http://management.example', token: async () => 'secret' }),
      /is not https/,
    );
  });
});
