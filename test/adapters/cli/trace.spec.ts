import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTraces } from '#adapters/cli/trace.ts';
import { traceText } from '#adapters/cli/trace-text.ts';
import { JsonLinesTelemetry } from '#adapters/telemetry/json-lines-telemetry.ts';

const ID = '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11';

describe('landfall trace', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'trace-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('puts the spans of several processes into one tree', async () => {
    const handlers = new JsonLinesTelemetry('handlers', join(folder, 'handlers.jsonl'));
    const tasks = new JsonLinesTelemetry('tasks', join(folder, 'tasks.jsonl'));
    await handlers.span(
      'consume sync',
      { attributes: { queue: 'sync', deliveryCount: 1 } },
      async ({ traceparent }) => {
        const attributes = { measurementId: ID, stage: 'sync', attempt: 2 };
        await tasks.span('task landfall/sync', { parent: traceparent, attributes }, async () => undefined);
      },
    );
    await handlers.span('consume saga', { attributes: { measurementId: 'another' } }, async () => undefined);
    appendFileSync(join(folder, 'tasks.jsonl'), `{"kind":"span","time":"2026-0`);

    const traces = await readTraces(folder, ID);
    assert.deepEqual(
      traces.map((trace) => trace.spans.map((span) => span.name).toSorted()),
      [['consume sync', 'task landfall/sync']],
    );
    const [title, , first, second] = traceText(traces[0]!).split('\n');
    assert.match(title!, /2 spans/);
    assert.match(first!, /^ +0 ms +\d+ ms {2}consume sync \(handlers\)$/);
    assert.match(second!, /ms {2}└─ task landfall\/sync \(tasks\) stage=sync attempt=2$/);
  });

  it('draws siblings, depth, late starts and errors; an orphan stands at the top', () => {
    const at = (seconds: number) => new Date(Date.UTC(2026, 2, 1, 10, 0, seconds)).toISOString();
    const span = (spanId: string, parentSpanId: string, startSeconds: number, more: object = {}) => ({
      name: spanId,
      role: 'r',
      spanId,
      parentSpanId,
      startedAt: at(startSeconds),
      durationMs: 1500,
      attributes: {},
      ...more,
    });
    const text = traceText({
      traceId: 't',
      startedAt: at(0),
      durationMs: 83_000,
      spans: [
        span('root', 'killed', 0),
        span('first', 'root', 1),
        span('below', 'first', 2, { error: 'RetryableFailure: busy' }),
        span('last', 'root', 3),
      ],
    });
    assert.equal(
      text,
      [
        'Trace t: 4 spans, 1 min 23 s, from 2026-03-01T10:00:00.000Z',
        '     after    took',
        '      0 ms     1.5 s  root (r)',
        '       1 s     1.5 s  ├─ first (r)',
        '       2 s     1.5 s  │  └─ below (r) ✗ RetryableFailure: busy',
        '       3 s     1.5 s  └─ last (r)',
      ].join('\n'),
    );
  });

  it('folds the calls of a span into a line per service, and shows each when asked', async () => {
    const telemetry = new JsonLinesTelemetry('saga', join(folder, 'saga.jsonl'));
    const attributes = { measurementId: ID, queueAgeMs: 1500 };
    await telemetry.span('consume saga', { attributes }, async () => {
      const cosmos = { service: 'Cosmos DB', target: 'measurements', durationMs: 4 } as const;
      telemetry.call({ ...cosmos, operation: 'read_item', statusCode: 404, requestCharge: 1 });
      telemetry.call({ ...cosmos, operation: 'execute_batch', statusCode: 429, requestCharge: 30.25 });
      telemetry.call({ service: 'Service Bus', operation: 'send', target: 'commands', durationMs: 2 });
    });
    const [trace] = await readTraces(folder, ID);
    const [, , ...folded] = traceText(trace!).split('\n');
    assert.deepEqual(
      folded.map((line) => line.slice(22)),
      [
        'consume saga (saga) waited 1.5 s',
        '├─ Cosmos DB: 2 calls, 31.3 RU, ✗ 1 failed',
        '└─ Service Bus: 1 call',
      ],
    );
    assert.match(folded[1]!, /8 ms {2}├/);
    const [, , , ...each] = traceText(trace!, { all: true }).split('\n');
    assert.deepEqual(each.map((line) => line.slice(25)).toSorted(), [
      'Cosmos DB execute_batch measurements 429 30.25 RU',
      'Cosmos DB read_item measurements 404 1 RU',
      'Service Bus send commands',
    ]);
  });

  it('finds nothing where nothing was written', async () => {
    assert.deepEqual(await readTraces(join(folder, 'none'), ID), []);
  });

  it('gives durations as people say them', () => {
    const took = (durationMs: number) =>
      traceText({ traceId: 't', startedAt: '2026-03-01T00:00:00Z', durationMs, spans: [] });
    assert.match(took(7.4), / 7 ms, from/);
    assert.match(took(1234), / 1\.234 s, from/);
    assert.match(took(119_700), / 2 min 0 s, from/);
  });
});
