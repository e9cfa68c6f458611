import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { AzureMonitorTelemetry } from '#adapters/azure/monitor/azure-monitor-telemetry.ts';
import { telemetryContract } from '#test/contract/telemetry.contract.ts';
import { type IngestionEndpoint, startIngestionEndpoint } from '#test/support/ingestion-endpoint.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

interface Said {
  readonly traceparent: string;
  readonly thrown: string;
  readonly closedAfterMs: number;
  /** What else it printed. */
  readonly lines: readonly string[];
}

async function sayToMonitor(environment: Readonly<Record<string, string>>): Promise<Said> {
  const program = join(import.meta.dirname, 'say-to-monitor.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: {
      PATH: process.env['PATH'],
      LANDFALL_API: 'http://127.0.0.1:1',
      LANDFALL_STORAGE_ENDPOINTS: '{}',
      ...environment,
    },
  });
  const lines = stdout.trim().split('\n');
  return { ...JSON.parse(lines.pop() ?? ''), lines } as Said;
}

describe('telemetry in Application Insights', function () {
  this.timeout(60_000);
  let endpoint: IngestionEndpoint;
  let said: Said;
  before(async () => {
    endpoint = await startIngestionEndpoint();
    said = await sayToMonitor(endpoint.environment);
  });
  after(() => endpoint.close());

  it('arrives as requests of the trace that a message carries', () => {
    assert.match(said.traceparent, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
    const [consumed] = endpoint.named('consume extract');
    assert.equal(consumed?.data.baseType, 'RequestData');
    assert.equal(consumed?.tags['ai.operation.id'], TRACE_ID);
    assert.equal(consumed?.tags['ai.operation.parentId'], 'b7ad6b7169203331');
    assert.equal(consumed?.tags['ai.cloud.role'], 'worker');
    assert.equal(consumed?.data.baseData.properties?.['measurementId'], 'm1');
    assert.equal(consumed?.data.baseData.properties?.['queueAgeMs'], '250');
  });

  it('has the calls to services below the span they were made in, the many of a kind as one', () => {
    const spanId = said.traceparent.split('-')[2];
    const [batch] = endpoint.named('execute_batch measurements');
    assert.equal(batch?.data.baseType, 'RemoteDependencyData');
    assert.equal(batch?.data.baseData.type, 'azure.cosmosdb');
    assert.equal(batch?.tags['ai.operation.id'], TRACE_ID);
    assert.equal(batch?.tags['ai.operation.parentId'], spanId);
    assert.equal(batch?.data.baseData.properties?.['azure.cosmosdb.operation.request_charge'], '31.5');
    const reads = endpoint.named('GetBlob raw01/recordings');
    const counted = reads.reduce(
      (sum, item) => sum + Number(item.data.baseData.properties?.['calls'] ?? 1),
      0,
    );
    assert.equal(counted, 100);
    assert.ok(reads.length < 40, `${reads.length} items for 100 calls`);
    assert.equal(endpoint.named('PutBlob raw01/recordings')[0]?.data.baseData.success, false);
    assert.deepEqual(endpoint.named('GET jobs b'), []);
  });

  it('has custom events with their dimensions and numbers, in the same trace', () => {
    const [event] = endpoint.named('stage.concluded');
    assert.equal(event?.data.baseType, 'EventData');
    assert.equal(event?.tags['ai.operation.id'], TRACE_ID);
    const { properties, measurements } = event!.data.baseData;
    assert.equal(properties?.['stage'], 'extract');
    assert.equal(properties?.['measurementId'], 'm1');
    assert.equal(measurements?.['outputRows'], 77);
    assert.equal(measurements?.['costEstimate'], 0.25);
  });

  it('has metrics per measurement and stage: duration, bytes, rows, loss, cost, age in the queue', () => {
    const point = (name: string) => {
      const [item] = endpoint.metric(name);
      return { value: item?.data.baseData.metrics?.[0]?.value, ...item?.data.baseData.properties };
    };
    const about = { stage: 'extract', fleet: 'f', measurementId: 'm1' };
    assert.deepEqual(point('landfall.stage.duration'), { value: 1500, ...about, outcome: 'succeeded' });
    assert.deepEqual(point('landfall.stage.task_time'), { value: 900, ...about });
    assert.deepEqual(point('landfall.stage.output'), { value: 4096, ...about });
    assert.deepEqual(point('landfall.stage.rows'), { value: 77, ...about });
    assert.deepEqual(point('landfall.stage.lost_records'), { value: 2, ...about });
    assert.deepEqual(point('landfall.stage.cost_estimate'), { value: 0.25, ...about });
    assert.deepEqual(point('landfall.queue.age'), { value: 250, queue: 'extract' });
    assert.equal(endpoint.metric('landfall.queue.age')[0]?.data.baseType, 'MetricData');
  });

  it('has what failed, in a trace of its own where there was none', () => {
    assert.match(said.thrown, /it broke/);
    const [broken] = endpoint.named('broken');
    assert.equal(broken?.data.baseData.success, false);
    assert.notEqual(broken?.tags['ai.operation.id'], TRACE_ID);
  });

  it('is sent as nobody in particular unless an identity is asked for', () => {
    assert.deepEqual(new Set(endpoint.authorizations), new Set(['']));
  });

  it('is not sent anywhere without a connection string', async () => {
    const before = endpoint.items.length;
    const { traceparent } = await sayToMonitor({});
    assert.match(traceparent, new RegExp(TRACE_ID));
    assert.equal(endpoint.items.length, before);
  });

  it('goes to standard output when the connection string is none, and says so', async () => {
    const { thrown, lines } = await sayToMonitor({ APPLICATIONINSIGHTS_CONNECTION_STRING: 'nonsense' });
    assert.match(thrown, /it broke/);
    assert.match(lines[0] ?? '', /telemetry\.not-sent.*has no InstrumentationKey; copy it/);
  });

  it('is given up after some seconds where nobody answers, and fails nothing', async () => {
    const deaf = createSocketServer(() => undefined);
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    const address = `https://127.0.0.1:${(deaf.address() as AddressInfo).port}/`;
    try {
      const { closedAfterMs, thrown } = await sayToMonitor({
        APPLICATIONINSIGHTS_CONNECTION_STRING: `InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=${address}`,
      });
      assert.match(thrown, /it broke/);
      assert.ok(closedAfterMs < 7000, `closing took ${closedAfterMs} ms`);
    } finally {
      deaf.close();
    }
  });
});

describe('telemetry in Application Insights, with the managed identity', function () {
  this.timeout(60_000);

  it('is sent with a token for Azure Monitor, asked of the identity that is named', async () => {
    const asked: URLSearchParams[] = [];
    const identity = createServer((request, response) => {
      asked.push(new URL(request.url ?? '/', 'http://127.0.0.1').searchParams);
      const expiresOn = String(Math.floor(Date.now() / 1000) + 3600);
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ access_token: 'of-the-worker', expires_on: expiresOn, token_type: 'Bearer' }),
      );
    });
    await new Promise<void>((resolve) => identity.listen(0, '127.0.0.1', resolve));
    const endpoint = await startIngestionEndpoint();
    try {
      await sayToMonitor({
        ...endpoint.environment,
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD',
        LANDFALL_IDENTITY_CLIENT_ID: '22222222-2222-2222-2222-222222222222',
        IDENTITY_ENDPOINT: `http://127.0.0.1:${(identity.address() as AddressInfo).port}/token`,
        IDENTITY_HEADER: 'secret',
      });
      assert.equal(endpoint.named('stage.concluded').length, 1);
      assert.deepEqual(new Set(endpoint.authorizations), new Set(['Bearer of-the-worker']));
      assert.match(asked[0]?.get('resource') ?? '', /^https:\/\/monitor\.azure\.com\/?$/);
      assert.equal(asked[0]?.get('client_id'), '22222222-2222-2222-2222-222222222222');
    } finally {
      identity.close();
      await endpoint.close();
    }
  });
});

describe('telemetry in Application Insights, as a port', function () {
  this.timeout(60_000);
  let endpoint: IngestionEndpoint;
  let telemetry: AzureMonitorTelemetry;
  const trusted = tls.getCACertificates('default');
  before(async () => {
    endpoint = await startIngestionEndpoint();
    tls.setDefaultCACertificates([...trusted, endpoint.certificate]);
    telemetry = await AzureMonitorTelemetry.start({
      connectionString: endpoint.connectionString,
      role: 'contract',
    });
  });
  after(async () => {
    await telemetry.close();
    tls.setDefaultCACertificates(trusted);
    await endpoint.close();
  });

  telemetryContract('Application Insights', async () => telemetry);
});
