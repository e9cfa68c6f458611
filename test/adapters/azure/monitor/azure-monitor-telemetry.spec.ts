import assert from 'node:assert/strict';
import { createHttpHeaders, type HttpClient } from '@azure/core-rest-pipeline';
import { AzureMonitorTelemetry } from '#adapters/azure/monitor/azure-monitor-telemetry.ts';

interface Item {
  readonly tags: Readonly<Record<string, string>>;
  readonly data: {
    readonly baseType: string;
    readonly baseData: {
      readonly name?: string;
      readonly success?: boolean;
      readonly properties?: Readonly<Record<string, string>>;
      readonly measurements?: Readonly<Record<string, number>>;
      readonly exceptions?: readonly { readonly message: string }[];
    };
  };
}

describe('telemetry in Application Insights', () => {
  const items: Item[] = [];
  const ingestion: HttpClient = {
    async sendRequest(request) {
      const received = JSON.parse(String(request.body)) as Item[];
      items.push(...received);
      const bodyAsText = JSON.stringify({
        itemsReceived: received.length,
        itemsAccepted: received.length,
        errors: [],
      });
      const headers = createHttpHeaders({ 'content-type': 'application/json' });
      return { request, status: 200, headers, bodyAsText };
    },
  };

  it('sends spans of the trace that a message carries, what failed in them, and events with their numbers', async () => {
    const telemetry = await AzureMonitorTelemetry.start({
      connectionString:
        'InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=https://127.0.0.1:1/',
      role: 'worker',
      exporter: { httpClient: ingestion, disableOfflineStorage: true },
    });
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const inner = await telemetry.span(
      'consume extract',
      { parent: `00-${traceId}-b7ad6b7169203331-01`, kind: 'consumer', attributes: { queue: 'extract' } },
      async (span) => {
        span.set({ measurementId: 'm1' });
        telemetry.event('stage.ended', { stage: 'extract', partial: false }, { durationMs: 12.5 });
        return span.traceparent;
      },
    );
    assert.match(inner, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    await assert.rejects(
      telemetry.span('broken', {}, async () => {
        throw new Error('it broke');
      }),
      /it broke/,
    );
    await telemetry.close();
    const named = (name: string) => items.find((item) => item.data.baseData.name === name);
    const consumed = named('consume extract');
    assert.equal(consumed?.tags['ai.operation.id'], traceId);
    assert.equal(consumed?.tags['ai.operation.parentId'], 'b7ad6b7169203331');
    assert.equal(consumed?.tags['ai.cloud.role'], 'worker');
    assert.equal(consumed?.data.baseData.properties?.['measurementId'], 'm1');
    const event = named('stage.ended');
    assert.equal(event?.data.baseType, 'EventData');
    assert.equal(event?.tags['ai.operation.id'], traceId);
    assert.equal(event?.data.baseData.properties?.['stage'], 'extract');
    assert.equal(event?.data.baseData.measurements?.['durationMs'], 12.5);
    const broken = named('broken');
    assert.equal(broken?.data.baseData.success, false);
    assert.notEqual(broken?.tags['ai.operation.id'], traceId);
  }).timeout(30_000);
});
