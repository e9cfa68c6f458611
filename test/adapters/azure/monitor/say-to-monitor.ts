// Says a few things to Application Insights and prints what left for the ingestion endpoint, as JSON. A process of its
// own: the library hooks itself into every HTTP and AMQP client of the process it is loaded in.
import { createHttpHeaders, type HttpClient } from '@azure/core-rest-pipeline';
import { AzureMonitorTelemetry } from '#adapters/azure/monitor/azure-monitor-telemetry.ts';

const items: unknown[] = [];
const ingestion: HttpClient = {
  async sendRequest(request) {
    const received = JSON.parse(String(request.body)) as unknown[];
    items.push(...received);
    const answer = { itemsReceived: received.length, itemsAccepted: received.length, errors: [] };
    const headers = createHttpHeaders({ 'content-type': 'application/json' });
    return { request, status: 200, headers, bodyAsText: JSON.stringify(answer) };
  },
};

const telemetry = await AzureMonitorTelemetry.start({
  connectionString:
    'InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint=https://127.0.0.1:1/',
  role: 'worker',
  exporter: { httpClient: ingestion, disableOfflineStorage: true },
});
const traceparent = await telemetry.span(
  'consume extract',
  {
    parent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    kind: 'consumer',
    attributes: { queue: 'extract' },
  },
  async (span) => {
    span.set({ measurementId: 'm1' });
    telemetry.event('stage.ended', { stage: 'extract', partial: false }, { durationMs: 12.5 });
    return span.traceparent;
  },
);
let thrown = '';
try {
  await telemetry.span('broken', {}, async () => {
    throw new Error('it broke');
  });
} catch (error) {
  thrown = String(error);
}
await telemetry.close();
process.stdout.write(`${JSON.stringify({ traceparent, thrown, items })}\n`, () => process.exit(0));
