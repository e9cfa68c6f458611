import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_ROLES } from '#adapters/http/access.ts';
import { ROUTES, roleOf } from '#adapters/http/routes.ts';
import { localStack } from '#composition/local-stack.ts';
import { readSettings, readTaskSettings } from '#composition/settings.ts';
import { TASK_IMAGES } from '#composition/up.ts';
import { ROLE_NAMES, taskEnvironmentOf } from '#composition/worker.ts';
import { containersOfZone, OPERATIONS_CONTAINERS } from '#composition/zone-containers.ts';
import { TASK_CONFIGURATION_VARIABLE } from '#domain/task-configuration.ts';
import { CONSUMERS } from '#domain/topology.ts';
import { ZONES } from '#domain/vocabulary.ts';
import { bicepSources, withoutComments } from './bicep-source.ts';

const sources = bicepSources();
const source = (name: string) => withoutComments(sources.get(`bicep/${name}`) ?? '');
const json = (name: string) => JSON.parse(readFileSync(`bicep/${name}`, 'utf8'));
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1] ?? '');
const sorted = (names: Iterable<string>) => [...new Set(names)].toSorted();

describe('Bicep and the code: settings', () => {
  /** Values as main.bicep makes them, for the variables it sets. */
  const examples: Readonly<Record<string, string>> = {
    LANDFALL_COSMOS_ENDPOINT: 'https://landfall-dev-meta-x.documents.azure.com:443/',
    LANDFALL_BATCH_ENDPOINT: 'https://lfdevbatchx.northeurope.batch.azure.com',
    LANDFALL_EVENT_GRID_ENDPOINT:
      'https://landfall-dev-events-x.northeurope-1.eventgrid.azure.net/api/events',
    LANDFALL_STORAGE_ENDPOINTS:
      '{"lfdevlanding01x":"https://lfdevlanding01x.blob.core.windows.net","lfdevops01x":"https://lfdevops01x.blob.core.windows.net"}',
    LANDFALL_OPERATIONS_ACCOUNT: 'lfdevops01x',
    LANDFALL_SERVICE_BUS_NAMESPACE: 'landfall-dev-bus-x.servicebus.windows.net',
    LANDFALL_ZONE_ACCOUNTS:
      '[{"account":"lfdevlanding01x","region":"northeurope","weight":1,"zone":"landing"}]',
    LANDFALL_TASK_IMAGES: '{"landfall/copy":"lfdevimagesx.azurecr.io/landfall/copy@sha256:00"}',
    LANDFALL_API: 'https://api.happy-field-01.northeurope.azurecontainerapps.io',
    LANDFALL_API_PORT: '8080',
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD',
    LANDFALL_API_AUTHORITY: 'https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001',
    LANDFALL_API_CLIENT_ID: '00000000-0000-0000-0000-000000000002',
  };
  const shared = [
    ...matches(/var settings = union\(([\s\S]*?)\n\)/.exec(source('main.bicep'))?.[1] ?? '', /^ {4}(\w+):/gm),
    ...matches(source('modules/services.bicep'), /name: '([A-Z_]{8,})'/g),
  ];
  const ofWorkers = [...shared, ...matches(source('modules/worker-app.bicep'), /name: '([A-Z_]{8,})'/g)];
  const ofSweeps = [...shared, ...matches(source('modules/sweep-job.bicep'), /name: '([A-Z_]{8,})'/g)];
  const ofApi = [...shared, ...matches(source('modules/api-app.bicep'), /name: '([A-Z_]{8,})'/g)];

  /** Set by the local stack only: keys, and what stands for Azure there. */
  const localOnly = [
    'LANDFALL_HOME',
    'LANDFALL_SERVICE_BUS_CONNECTION_STRING',
    'LANDFALL_SERVICE_BUS_ADMIN_ENDPOINT',
    'LANDFALL_COSMOS_KEY',
    'LANDFALL_BATCH_KEY',
    'LANDFALL_EVENT_GRID_KEY',
    'LANDFALL_STORAGE_CONNECTION_STRINGS',
  ];
  /** Their defaults are right for Azure; an environment changes them through settingOverrides. */
  const defaults = [
    'LANDFALL_FOLDER_TEMPLATE',
    'LANDFALL_LANDING_WAIT_SECONDS',
    'LANDFALL_LANDING_SWEEP_SECONDS',
    'LANDFALL_DEADLINE_SWEEP_SECONDS',
    'LANDFALL_TASK_POLL_SECONDS',
    'LANDFALL_RELAY_POLL_SECONDS',
    'LANDFALL_DEADLINE_SCALE',
    'LANDFALL_RETRY_DELAYS_SECONDS',
    'LANDFALL_STAGE_CONCURRENCY',
  ];

  function environmentOf(names: readonly string[]): Record<string, string> {
    return Object.fromEntries(names.map((name) => [name, examples[name] ?? `a-${name.toLowerCase()}`]));
  }

  function namesReadBy<T>(
    environment: Record<string, string>,
    read: (environment: Record<string, string>) => T,
  ) {
    const names = new Set<string>();
    const settings = read(
      new Proxy(environment, {
        get(target, name) {
          names.add(String(name));
          return target[String(name)];
        },
      }),
    );
    return { settings, names };
  }

  for (const [processes, set, ownDefaults] of [
    ['every worker', ofWorkers, ['LANDFALL_API_HOST', 'LANDFALL_API_PORT']],
    ['every sweep', ofSweeps, ['LANDFALL_API_HOST', 'LANDFALL_API_PORT']],
    ['the metadata API', ofApi, []],
  ] as const) {
    it(`${processes} is given what settings.ts reads, and nothing it does not`, () => {
      const { names } = namesReadBy(environmentOf(set), readSettings);
      // Service Bus settings are read either by connection string or by namespace, so some names are not asked for.
      const expected = sorted([...set, ...defaults, ...ownDefaults]);
      assert.deepEqual(sorted([...names].filter((name) => !localOnly.includes(name))), expected);
      assert.deepEqual(
        set.filter((name) => localOnly.includes(name)),
        [],
      );
    });
  }

  it('everything is reached with the managed identity', () => {
    const { settings } = namesReadBy(environmentOf(ofWorkers), readSettings);
    const accesses = [settings.serviceBus, settings.cosmos, settings.batch, settings.eventGrid];
    for (const access of [...accesses, ...Object.values(settings.storage)])
      assert.equal(access.auth, 'managed-identity');
  });

  it('a task is given what it reads; its identity is that of its node, its configuration that of its stage', () => {
    const environment = environmentOf(ofWorkers);
    const given = taskEnvironmentOf(environment, readSettings(environment));
    const { names } = namesReadBy({ ...given }, readTaskSettings);
    const fromElsewhere = ['LANDFALL_IDENTITY_CLIENT_ID', 'LANDFALL_SCRATCH', 'AZ_BATCH_TASK_WORKING_DIR'];
    assert.deepEqual(
      sorted(names),
      sorted([
        ...Object.keys(given),
        ...fromElsewhere,
        'LANDFALL_HOME',
        'LANDFALL_STORAGE_CONNECTION_STRINGS',
      ]),
    );
    assert.equal(given['LANDFALL_IDENTITY_CLIENT_ID'], undefined);
    assert.match(readFileSync('src/handlers/batch-stage.ts', 'utf8'), /TASK_CONFIGURATION_VARIABLE/);
    assert.equal(TASK_CONFIGURATION_VARIABLE, 'LANDFALL_TASK_CONFIGURATION');
  });
});

describe('Entra ID and the code', () => {
  const appRoles: { id: string; value: string; allowedMemberTypes: string[] }[] = json('app-roles.json');

  it('the registration has the roles that the API asks for, and that of all fleets', () => {
    assert.deepEqual(sorted(appRoles.map(({ value }) => value)), sorted([...API_ROLES, 'Fleet.All']));
    assert.equal(new Set(appRoles.map(({ id }) => id)).size, appRoles.length);
  });

  it('every route asks for one of them, but for the one that says whether the API is alive', () => {
    const open = ROUTES.filter((route) => roleOf(route) === undefined);
    assert.deepEqual(
      open.map(({ path }) => path),
      ['/health'],
    );
  });
});

describe('Bicep and the code: processes and images', () => {
  const workers = [
    ...source('modules/services.bicep').matchAll(/\{ name: '([^']+)', roles: '([^']+)', queue: '([^']*)'/g),
  ].map(([, name, roles, queue]) => ({ name, roles: roles?.split(',') ?? [], queue }));
  const api = matches(source('modules/api-app.bicep'), /'--roles', '([^']+)'/g);

  const jobs = matches(source('modules/services.bicep'), /\{ name: '[^']+', roles: '([^']+)', identity/g).map(
    (roles) => roles.split(','),
  );

  it('every role runs in exactly one app or job', () => {
    const hosted = [...workers.flatMap(({ roles }) => roles), ...jobs.flat(), ...api];
    assert.deepEqual(hosted.toSorted(), ROLE_NAMES.toSorted());
  });

  it('every consumer is scaled by the length of its own queue', () => {
    for (const consumer of CONSUMERS) {
      const app = workers.find(({ roles }) => roles.includes(consumer));
      assert.equal(app?.queue, consumer, `${consumer} is scaled by ${app?.queue}`);
    }
  });

  it('there is a Dockerfile for every task image, and one for the services', () => {
    const folders = globSync('containers/*/Dockerfile').map((path) => path.split(/[/\\]/)[1] ?? '');
    assert.deepEqual(folders.toSorted(), [...TASK_IMAGES, 'services'].toSorted());
  });

  it('the stages ask for no other image', () => {
    const asked = globSync('src/{domain,handlers}/**/*.ts').flatMap((path) =>
      matches(readFileSync(path, 'utf8'), /image: 'landfall\/([a-z-]+)'/g),
    );
    const known: readonly string[] = TASK_IMAGES;
    assert.deepEqual(
      sorted(asked).filter((image) => !known.includes(image)),
      [],
    );
  });

  it('the pools are those tasks are sent to', () => {
    const pools =
      /const POOLS = \{([^}]*)\}/.exec(readFileSync('src/composition/tasks.ts', 'utf8'))?.[1] ?? '';
    assert.deepEqual(
      sorted(matches(source('modules/batch.bicep'), /^ {4}name: '([a-z]+)'$/gm)),
      sorted(matches(pools, /'([^']+)'/g)),
    );
  });
});

describe('Bicep and the code: entities, containers, zones', () => {
  const namespace = json('service-bus-entities.json').UserConfig.Namespaces[0];

  /** That Bicep hands on every property the generated file has; what the file holds is the generator's to say. */
  function assertUsed(file: string, name: string, properties: readonly string[]) {
    const missing = properties.filter((property) => !source(file).includes(`${name}.${property}`));
    assert.deepEqual(missing, [], `${file} leaves out ${missing.join(', ')}`);
  }

  it('every queue, topic and subscription is made, with all its properties', () => {
    const { Queues, Topics } = namespace;
    // Forwarding from a queue is not used; were it, it would have to be passed on.
    assert.ok(
      Queues.every((queue: { Properties: { ForwardTo: string } }) => queue.Properties.ForwardTo === ''),
    );
    const queueProperties = Object.keys(Queues[0].Properties).filter((name) => name !== 'ForwardTo');
    assertUsed('modules/messaging.bicep', 'queue.Properties', queueProperties);
    assertUsed('modules/messaging.bicep', 'topic.Properties', Object.keys(Topics[0].Properties));
    assertUsed('modules/subscription.bicep', 'settings', Object.keys(Topics[0].Subscriptions[0].Properties));
    assert.match(source('modules/messaging.bicep'), /loadJsonContent\('\.\.\/service-bus-entities\.json'\)/);
  });

  it('every subscription has one rule, which takes the place of the one that lets everything through', () => {
    for (const topic of namespace.Topics)
      for (const subscription of topic.Subscriptions)
        assert.equal(subscription.Rules.length, 1, `${topic.Name}/${subscription.Name}`);
    assert.match(source('modules/subscription.bicep'), /name: '\$Default'/);
  });

  it('every Cosmos container is made, with partition key, time to live and indexing policy', () => {
    const containers = json('cosmos-containers.json');
    assertUsed('modules/metadata-store.bicep', 'container', Object.keys(containers[0]));
    assert.match(
      source('modules/metadata-store.bicep'),
      /loadJsonContent\('\.\.\/cosmos-containers\.json'\)/,
    );
  });

  it('every zone has accounts, each with its containers, hierarchical where the local stack is', () => {
    const zones = matches(source('main.bicep'), /\{ zone: '([^']+)', short:/g);
    assert.deepEqual(zones, [...ZONES, 'operations']);
    const home = mkdtempSync(join(tmpdir(), 'landfall-zones-'));
    const { accounts } = localStack({ LANDFALL_HOME: home });
    rmSync(home, { recursive: true });
    const inBicep = /var hierarchicalZones = \[([^\]]*)\]/.exec(source('modules/storage.bicep'))?.[1] ?? '';
    assert.deepEqual(
      sorted(matches(inBicep, /'([^']+)'/g)),
      sorted(accounts.filter(({ hierarchical }) => hierarchical).map(({ zone }) => zone)),
    );
    assert.deepEqual(sorted(accounts.map(({ zone }) => zone)), sorted(zones));
  });

  it('lifecycle rules name containers that exist, for every zone', () => {
    const rules: Record<string, { definition: { filters: { prefixMatch: string[] } } }[]> =
      json('lifecycle-rules.json');
    assert.deepEqual(Object.keys(rules), [...ZONES, 'operations']);
    for (const [zone, ofZone] of Object.entries(rules)) {
      const containers = zone === 'operations' ? OPERATIONS_CONTAINERS : containersOfZone(zone as 'raw');
      for (const prefix of ofZone.flatMap(({ definition }) => definition.filters.prefixMatch))
        assert.ok(containers.includes(prefix.split('/')[0] ?? ''), `${zone}: ${prefix}`);
    }
  });

  it('the events of Landing are those the local stack delivers, to the same queue', () => {
    const types = (text: string) => sorted(matches(text, /'(Microsoft\.Storage\.(?:Blob|Directory)\w+)'/g));
    const local = readFileSync('src/composition/up.ts', 'utf8');
    const bicep = source('modules/landing-events.bicep');
    assert.deepEqual(types(bicep), types(local));
    const subject = /subjectBeginsWith: '([^']+)'/;
    assert.equal(subject.exec(bicep)?.[1], subject.exec(local)?.[1]);
    assert.match(bicep, /\$\{serviceBusName\}\/landing'/);
    assert.ok(OPERATIONS_CONTAINERS.includes(/blobContainerName: '([^']+)'/.exec(bicep)?.[1] ?? ''));
  });
});
