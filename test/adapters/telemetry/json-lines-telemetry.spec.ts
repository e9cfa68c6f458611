import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JsonLinesTelemetry } from '#adapters/telemetry/json-lines-telemetry.ts';
import { telemetryContract } from '#test/contract/telemetry.contract.ts';

telemetryContract(
  'JSON lines',
  async () => new JsonLinesTelemetry('role', join(mkdtempSync(join(tmpdir(), 'telemetry-')), 'spans.jsonl')),
);

describe('telemetry as JSON lines', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'telemetry-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  const path = () => join(folder, 'deep', 'tasks.jsonl');
  const lines = () =>
    readFileSync(path(), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('continues the trace it is given, and hands it on', async () => {
    const telemetry = new JsonLinesTelemetry('landfall/copy', path());
    const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const inner = await telemetry.span('copy', { parent }, async (span) => {
      span.set({ files: 3 });
      return span.traceparent;
    });
    const [line] = lines();
    assert.equal(line.traceId, 'a'.repeat(32));
    assert.equal(line.parentSpanId, 'b'.repeat(16));
    assert.equal(inner, `00-${'a'.repeat(32)}-${line.spanId}-01`);
    assert.deepEqual(line.attributes, { files: 3 });
    assert.equal(line.role, 'landfall/copy');
  });

  it('records an error and lets it travel on', async () => {
    const telemetry = new JsonLinesTelemetry('r', path());
    const broken = telemetry.span('x', {}, () => Promise.reject(new RangeError('too far')));
    await assert.rejects(broken, /too far/);
    assert.equal(lines()[0].error, 'RangeError: too far');
  });

  it('keeps events with their numbers', () => {
    new JsonLinesTelemetry('r', path()).event('task.ended', { stage: 'copy' }, { bytes: 7 });
    assert.deepEqual(lines()[0].measurements, { bytes: 7 });
  });

  it('never fails the work when it cannot write', async () => {
    const telemetry = new JsonLinesTelemetry('r', path());
    rmSync(join(folder, 'deep'), { recursive: true });
    assert.equal(await telemetry.span('x', {}, () => Promise.resolve(5)), 5);
  });
});
