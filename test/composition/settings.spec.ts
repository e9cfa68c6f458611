import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localStack } from '#composition/local-stack.ts';
import { readSettings, readTaskSettings, SettingsError } from '#composition/settings.ts';

const LOCAL = localStack({
  LANDFALL_HOME: join(tmpdir(), 'landfall-settings-spec'),
  LANDFALL_PORT_BASE: '24000',
}).environment;

const ENDPOINTS = { land: 'https://land.blob.core.windows.net', ops: 'https://ops.blob.core.windows.net' };

/** As Bicep sets them. */
const DEPLOYED = {
  LANDFALL_REGION: 'westeurope',
  LANDFALL_SERVICE_BUS_NAMESPACE: 'landfall.servicebus.windows.net',
  LANDFALL_COSMOS_ENDPOINT: 'https://landfall.documents.azure.com',
  LANDFALL_COSMOS_DATABASE: 'measurements',
  LANDFALL_BATCH_ENDPOINT: 'https://landfall.westeurope.batch.azure.com',
  LANDFALL_BATCH_ACCOUNT: 'landfall',
  LANDFALL_EVENT_GRID_ENDPOINT: 'https://landfall.westeurope-1.eventgrid.azure.net/api/events',
  LANDFALL_STORAGE_ENDPOINTS: JSON.stringify(ENDPOINTS),
  LANDFALL_OPERATIONS_ACCOUNT: 'ops',
  LANDFALL_ZONE_ACCOUNTS: JSON.stringify([{ account: 'land', zone: 'landing', region: 'westeurope' }]),
  LANDFALL_API: 'https://api.example.com',
  LANDFALL_API_HOST: '0.0.0.0',
  LANDFALL_API_PORT: '8088',
  LANDFALL_API_AUTHORITY: 'https://login.microsoftonline.com/tenant',
  LANDFALL_API_CLIENT_ID: 'api-client',
  LANDFALL_IDENTITY_CLIENT_ID: '11111111-2222-3333-4444-555555555555',
  LANDFALL_TASK_IMAGES: JSON.stringify({ 'landfall/copy': 'registry.example.com/copy@sha256:00' }),
  LANDFALL_FOLDER_TEMPLATE: '{zone}/{yyyy}/{measurementId}/{dataStreamId}',
  APPLICATIONINSIGHTS_CONNECTION_STRING: 'InstrumentationKey=0',
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD',
};

function without(environment: Readonly<Record<string, string>>, ...names: readonly string[]) {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !names.includes(name)));
}

describe('settings', () => {
  it('of the local stack use its keys, on this machine', () => {
    const settings = readSettings(LOCAL);
    assert.equal(settings.region, 'local');
    assert.equal(settings.serviceBus.auth, 'emulator-key');
    assert.equal(settings.serviceBus.adminEndpoint, 'http://127.0.0.1:24001');
    assert.deepEqual(
      [settings.cosmos.auth, settings.batch.auth, settings.eventGrid.auth],
      ['emulator-key', 'emulator-key', 'emulator-key'],
    );
    assert.equal(settings.cosmos.key, LOCAL['LANDFALL_COSMOS_KEY']);
    assert.equal(settings.storage['raw01']?.endpoint, 'http://127.0.0.1:24005/raw01');
    assert.ok(
      Object.values(settings.storage).every(({ auth, key }) => auth === 'emulator-key' && key !== ''),
    );
    assert.deepEqual([settings.apiHost, settings.apiPort], ['127.0.0.1', 24007]);
    assert.equal(settings.home, LOCAL['LANDFALL_HOME']);
  });

  it('of a deployment use the managed identity everywhere, and every variable arrives', () => {
    const settings = readSettings(DEPLOYED);
    const identity = { auth: 'managed-identity', clientId: DEPLOYED.LANDFALL_IDENTITY_CLIENT_ID };
    assert.deepEqual(settings, {
      region: 'westeurope',
      serviceBus: { ...identity, fullyQualifiedNamespace: 'landfall.servicebus.windows.net' },
      cosmos: { ...identity, endpoint: DEPLOYED.LANDFALL_COSMOS_ENDPOINT, database: 'measurements' },
      batch: { ...identity, endpoint: DEPLOYED.LANDFALL_BATCH_ENDPOINT, account: 'landfall' },
      eventGrid: { ...identity, endpoint: DEPLOYED.LANDFALL_EVENT_GRID_ENDPOINT },
      storage: {
        land: { ...identity, endpoint: ENDPOINTS.land },
        ops: { ...identity, endpoint: ENDPOINTS.ops },
      },
      operationsAccount: 'ops',
      zoneAccounts: [{ account: 'land', zone: 'landing', region: 'westeurope', weight: 1 }],
      api: 'https://api.example.com',
      apiPort: 8088,
      apiAccess: {
        auth: 'tokens',
        authority: 'https://login.microsoftonline.com/tenant',
        clientId: 'api-client',
      },
      apiHost: '0.0.0.0',
      folderTemplate: '{zone}/{yyyy}/{measurementId}/{dataStreamId}',
      taskImages: { 'landfall/copy': 'registry.example.com/copy@sha256:00' },
      stageConcurrency: 8,
      timings: {
        landingWaitSeconds: 3600,
        landingSweepSeconds: 10,
        deadlineSweepSeconds: 30,
        taskPollSeconds: 5,
        relayPollSeconds: 1,
        deadlineScale: 1,
        retryDelaysSeconds: [30, 300, 1800],
      },
      applicationInsights: {
        connectionString: 'InstrumentationKey=0',
        identity: { clientId: '11111111-2222-3333-4444-555555555555' },
      },
    });
  });

  it('refuse a folder template by which data streams would write into one folder', () => {
    const environment = { ...DEPLOYED, LANDFALL_FOLDER_TEMPLATE: '{zone}/{measurementId}' };
    assert.throws(() => readSettings(environment), {
      name: 'SettingsError',
      message: /LANDFALL_FOLDER_TEMPLATE.*must contain \{dataStreamId\}/,
    });
  });

  for (const name of Object.keys(DEPLOYED).filter(
    (variable) =>
      !/REGION|DATABASE|CLIENT_ID|API_HOST|API_PORT|TASK_IMAGES|FOLDER_TEMPLATE|INSIGHTS/.test(variable),
  )) {
    it(`name ${name} when it is missing, and how to get it`, () => {
      assert.throws(() => readSettings(without(DEPLOYED, name)), {
        name: 'SettingsError',
        message: new RegExp(`${name} is not set.*landfall env.*Bicep`),
      });
      assert.throws(() => readSettings({ ...DEPLOYED, [name]: '' }), SettingsError);
    });
  }

  // A key for another host would send a secret there, and an identity instead of a key would ask Azure for tokens
  // to be sent to whoever listens on this machine: neither may happen silently.
  const KEYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    LANDFALL_COSMOS_KEY: { LANDFALL_COSMOS_KEY: 'c2VjcmV0' },
    LANDFALL_BATCH_KEY: { LANDFALL_BATCH_KEY: 'c2VjcmV0' },
    LANDFALL_EVENT_GRID_KEY: { LANDFALL_EVENT_GRID_KEY: 'c2VjcmV0' },
    LANDFALL_SERVICE_BUS_CONNECTION_STRING: {
      LANDFALL_SERVICE_BUS_CONNECTION_STRING:
        'Endpoint=sb://landfall.servicebus.windows.net;SharedAccessKeyName=Root;SharedAccessKey=c2VjcmV0',
    },
    'LANDFALL_STORAGE_CONNECTION_STRINGS (land)': {
      LANDFALL_STORAGE_CONNECTION_STRINGS: JSON.stringify({
        land: 'AccountName=land;AccountKey=c2VjcmV0;BlobEndpoint=https://land.blob.core.windows.net;',
      }),
    },
  };
  const REPLACED = ['LANDFALL_SERVICE_BUS_NAMESPACE', 'LANDFALL_STORAGE_ENDPOINTS'];

  for (const [name, variables] of Object.entries(KEYS)) {
    it(`refuse ${name} for a host that is not this machine`, () => {
      const replaced = REPLACED.filter((replacedName) =>
        Object.keys(variables).some((variable) => variable.startsWith(replacedName.replace(/_[A-Z]+$/, '_'))),
      );
      assert.throws(() => readSettings({ ...without(DEPLOYED, ...replaced), ...variables }), {
        name: 'SettingsError',
        message: new RegExp(
          `${name.replace(/[()]/g, '\\$&')} is set, but .*(windows|azure).* is not this machine`,
        ),
      });
    });
  }

  for (const host of ['127.0.0.1.example.com', '127.0.0.1@example.com', 'localhost.example.com', '10.0.0.1'])
    it(`do not take ${host} for this machine`, () => {
      const connection = `Endpoint=sb://${host};SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true;`;
      const elsewhere = [
        { LANDFALL_COSMOS_ENDPOINT: `http://${host}:8081` },
        { LANDFALL_SERVICE_BUS_ADMIN_ENDPOINT: `http://${host}:5300` },
        { LANDFALL_SERVICE_BUS_CONNECTION_STRING: connection },
      ];
      for (const variables of elsewhere)
        assert.throws(() => readSettings({ ...LOCAL, ...variables }), /is not this machine/);
    });

  it('never fall back from an empty key to the identity', () => {
    assert.throws(() => readSettings({ ...LOCAL, LANDFALL_COSMOS_KEY: '' }), /LANDFALL_COSMOS_KEY is empty/);
    assert.throws(() => readSettings({ ...DEPLOYED, LANDFALL_COSMOS_KEY: '' }), SettingsError);
    const strings = JSON.stringify({ land: 'BlobEndpoint=http://127.0.0.1:1/land' });
    assert.throws(
      () => readSettings({ ...LOCAL, LANDFALL_STORAGE_CONNECTION_STRINGS: strings }),
      /\(land\) has no AccountKey/,
    );
  });

  it('refuse two ways to the same service', () => {
    const both = [
      { LANDFALL_SERVICE_BUS_NAMESPACE: 'landfall.servicebus.windows.net' },
      { LANDFALL_STORAGE_ENDPOINTS: '{}' },
    ];
    for (const variables of both)
      assert.throws(() => readSettings({ ...LOCAL, ...variables }), /are both set. Unset/);
  });

  const WRONG: readonly (readonly [string, string, RegExp])[] = [
    ['LANDFALL_ZONE_ACCOUNTS', '[{', /LANDFALL_ZONE_ACCOUNTS is not JSON/],
    ['LANDFALL_ZONE_ACCOUNTS', '[]', /LANDFALL_ZONE_ACCOUNTS: /],
    ['LANDFALL_ZONE_ACCOUNTS', '[{"account":"raw01","zone":"rubbish","region":"x"}]', /0\.zone/],
    [
      'LANDFALL_ZONE_ACCOUNTS',
      '[{"account":"gone","zone":"raw","region":"x"}]',
      /names the account gone, and nothing says how/,
    ],
    ['LANDFALL_OPERATIONS_ACCOUNT', 'constructor', /names the account constructor/],
    [
      'LANDFALL_ZONE_ACCOUNTS',
      '[{"account":"raw01","zone":"raw","region":"local"}]',
      /names no account of the zone landing/,
    ],
    ['LANDFALL_STORAGE_CONNECTION_STRINGS', 'raw01=1', /LANDFALL_STORAGE_CONNECTION_STRINGS is not JSON/],
    ['LANDFALL_TASK_IMAGES', '[1]', /LANDFALL_TASK_IMAGES: /],
    ['LANDFALL_API', 'localhost', /LANDFALL_API is "localhost"; give an address/],
    ['LANDFALL_API_PORT', 'eighty', /LANDFALL_API_PORT is "eighty"; give a port/],
    ['LANDFALL_STAGE_CONCURRENCY', '0', /LANDFALL_STAGE_CONCURRENCY is "0"; give a whole number above 0/],
    ['LANDFALL_RELAY_POLL_SECONDS', 'often', /LANDFALL_RELAY_POLL_SECONDS is "often".*above 0/],
    ['LANDFALL_LANDING_WAIT_SECONDS', '0', /LANDFALL_LANDING_WAIT_SECONDS is "0".*above 0/],
    ['LANDFALL_RETRY_DELAYS_SECONDS', '1;2', /LANDFALL_RETRY_DELAYS_SECONDS is "1;2".*separated by commas/],
  ];
  for (const [name, value, message] of WRONG)
    it(`say what is wrong with ${name}=${value}`, () => {
      assert.throws(() => readSettings({ ...LOCAL, [name]: value }), { name: 'SettingsError', message });
    });

  it('take the messages that are in hand at once of a stage: eight, fewer where one process hosts all stages', () => {
    assert.equal(readSettings(LOCAL).stageConcurrency, 3);
    assert.equal(readSettings({ ...LOCAL, LANDFALL_STAGE_CONCURRENCY: undefined }).stageConcurrency, 8);
    assert.equal(readSettings({ ...LOCAL, LANDFALL_STAGE_CONCURRENCY: '2' }).stageConcurrency, 2);
  });

  it('take waiting times in seconds, each by its own variable', () => {
    const { timings } = readSettings({
      ...LOCAL,
      LANDFALL_LANDING_WAIT_SECONDS: '1',
      LANDFALL_LANDING_SWEEP_SECONDS: '2',
      LANDFALL_DEADLINE_SWEEP_SECONDS: '3',
      LANDFALL_TASK_POLL_SECONDS: '4',
      LANDFALL_RELAY_POLL_SECONDS: '0.5',
      LANDFALL_DEADLINE_SCALE: '0.01',
      LANDFALL_RETRY_DELAYS_SECONDS: '0,1.5',
    });
    assert.deepEqual(timings, {
      landingWaitSeconds: 1,
      landingSweepSeconds: 2,
      deadlineSweepSeconds: 3,
      taskPollSeconds: 4,
      relayPollSeconds: 0.5,
      deadlineScale: 0.01,
      retryDelaysSeconds: [0, 1.5],
    });
  });

  it('of a task are its storage, the way back and a folder to work in', () => {
    assert.deepEqual(readTaskSettings({ ...DEPLOYED, AZ_BATCH_TASK_WORKING_DIR: '/mnt/task' }), {
      storage: readSettings(DEPLOYED).storage,
      api: 'https://api.example.com',
      apiClientId: 'api-client',
      identityClientId: DEPLOYED.LANDFALL_IDENTITY_CLIENT_ID,
      applicationInsights: {
        connectionString: 'InstrumentationKey=0',
        identity: { clientId: '11111111-2222-3333-4444-555555555555' },
      },
      scratchRoot: '/mnt/task',
    });
    assert.throws(() => readTaskSettings(without(DEPLOYED, 'LANDFALL_API')), /LANDFALL_API is not set/);
    assert.throws(
      () => readTaskSettings(without(DEPLOYED, 'LANDFALL_API_CLIENT_ID')),
      /wants a token, and LANDFALL_API_CLIENT_ID does not say for what/,
    );
  });

  it('let nobody reach an API that asks for no tokens but this machine', () => {
    assert.deepEqual(readSettings(LOCAL).apiAccess, { auth: 'open' });
    assert.deepEqual(readSettings(DEPLOYED).apiAccess, {
      auth: 'tokens',
      authority: 'https://login.microsoftonline.com/tenant',
      clientId: 'api-client',
    });
    const open = without(DEPLOYED, 'LANDFALL_API_AUTHORITY', 'LANDFALL_API_CLIENT_ID');
    assert.throws(() => readSettings(open), /LANDFALL_API_HOST is 0.0.0.0.*whom to let in/);
    for (const half of ['LANDFALL_API_AUTHORITY', 'LANDFALL_API_CLIENT_ID'])
      assert.throws(() => readSettings(without(DEPLOYED, half)), new RegExp(`${half} is not set`));
    const { LANDFALL_API_AUTHORITY, LANDFALL_API_CLIENT_ID } = DEPLOYED;
    const tokensHere = { ...LOCAL, LANDFALL_API_AUTHORITY, LANDFALL_API_CLIENT_ID };
    assert.equal(readSettings(tokensHere).apiAccess.auth, 'tokens', 'loopback is no reason to fall back');
  });

  it('say who sends to Application Insights: nobody in particular, the process, or another identity', () => {
    const name = 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING';
    const of = (authentication: string) =>
      readSettings({ ...DEPLOYED, [name]: authentication }).applicationInsights;
    assert.deepEqual(of(''), { connectionString: 'InstrumentationKey=0' });
    assert.deepEqual(of('Authorization=AAD;ClientId=other')?.identity, { clientId: 'other' });
    assert.deepEqual(
      readSettings(without({ ...DEPLOYED, [name]: 'authorization=aad' }, 'LANDFALL_IDENTITY_CLIENT_ID'))
        .applicationInsights?.identity,
      {},
    );
    assert.throws(() => of('Authorization=Basic'), /APPLICATIONINSIGHTS_AUTHENTICATION_STRING is "Auth/);
    assert.equal(
      readSettings(without(DEPLOYED, 'APPLICATIONINSIGHTS_CONNECTION_STRING')).applicationInsights,
      undefined,
    );
  });
});
