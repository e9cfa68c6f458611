import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { durationText, readTraces, traceText } from '#adapters/cli/trace.ts';
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
        '      0 ms    1.50 s  root (r)',
        '    1.00 s    1.50 s  ├─ first (r)',
        '    2.00 s    1.50 s  │  └─ below (r) ✗ RetryableFailure: busy',
        '    3.00 s    1.50 s  └─ last (r)',
      ].join('\n'),
    );
  });

  it('finds nothing where nothing was written', async () => {
    assert.deepEqual(await readTraces(join(folder, 'none'), ID), []);
  });

  it('gives durations as people say them', () => {
    assert.deepEqual([7.4, 1234, 83_000].map(durationText), ['7 ms', '1.23 s', '1 min 23 s']);
  });
});
