import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface Item {
  readonly tags: Readonly<Record<string, string>>;
  readonly data: {
    readonly baseType: string;
    readonly baseData: {
      readonly name?: string;
      readonly success?: boolean;
      readonly properties?: Readonly<Record<string, string>>;
      readonly measurements?: Readonly<Record<string, number>>;
    };
  };
}

describe('telemetry in Application Insights', () => {
  it('sends spans of the trace that a message carries, what failed in them, and events with their numbers', async () => {
    const program = join(import.meta.dirname, 'say-to-monitor.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [program], {
      maxBuffer: 16 * 1024 * 1024,
    });
    const lastLine = stdout.trim().split('\n').at(-1) ?? '';
    const said = JSON.parse(lastLine) as { traceparent: string; thrown: string; items: readonly Item[] };
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    assert.match(said.traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    assert.match(said.thrown, /it broke/);
    const named = (name: string) => said.items.find((item) => item.data.baseData.name === name);
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
  }).timeout(60_000);
});
