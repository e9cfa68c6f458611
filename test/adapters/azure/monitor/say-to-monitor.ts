// Says a few things to Application Insights, as a process of Landfall does: started from its settings. Ends with what
// it was given and thrown, as JSON. A process of its own, since OpenTelemetry's providers are global.

import { readTaskSettings } from '#composition/settings.ts';
import { startTelemetry } from '#composition/start-telemetry.ts';
import { report } from '#domain/reported-events.ts';

const { telemetry, close } = await startTelemetry('worker', readTaskSettings(process.env));
const traceparent = await telemetry.span(
  'consume extract',
  {
    parent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    kind: 'consumer',
    attributes: { queue: 'extract', queueAgeMs: 250 },
  },
  async (span) => {
    span.set({ measurementId: 'm1' });
    const cosmos = { service: 'Cosmos DB', target: 'measurements', durationMs: 5 } as const;
    telemetry.call({ ...cosmos, operation: 'execute_batch', statusCode: 200, requestCharge: 31.5 });
    const blob = { service: 'Blob Storage', target: 'raw01/recordings', durationMs: 2 } as const;
    for (let n = 0; n < 100; n += 1) telemetry.call({ ...blob, operation: 'GetBlob', statusCode: 206 });
    telemetry.call({ ...blob, operation: 'PutBlob', statusCode: 503 });
    const about = { measurementId: 'm1', fleet: 'f', generation: 1, stage: 'extract' };
    report(
      telemetry,
      'stage.concluded',
      { ...about, attempt: 1 },
      {
        durationMs: 1200,
        taskCount: 2,
        taskMs: 900,
        outputFileCount: 3,
        outputBytes: 4096,
        outputRows: 77,
        lostRecords: 2,
        lostBytes: 10,
        costEstimate: 0.25,
      },
    );
    report(telemetry, 'stage ended', { ...about, input: 'i', outcome: 'succeeded' }, { durationMs: 1500 });
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
// Outside of a span nobody asks for it.
telemetry.call({ service: 'Batch', operation: 'GET jobs', target: 'b', durationMs: 1, statusCode: 200 });
const startedMs = performance.now();
await close();
const closedAfterMs = performance.now() - startedMs;
process.stdout.write(`${JSON.stringify({ traceparent, thrown, closedAfterMs })}\n`, () => process.exit(0));
