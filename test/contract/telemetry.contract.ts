import assert from 'node:assert/strict';
import type { Telemetry } from '#domain/ports/telemetry.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`;

export function telemetryContract(name: string, start: () => Promise<Telemetry>): void {
  describe(`telemetry: ${name}`, () => {
    it('gives what it runs a trace context of the same trace, and its result back', async () => {
      const telemetry = await start();
      const result = await telemetry.span('work', { parent: PARENT, kind: 'consumer' }, async (span) => {
        span.set({ rows: 3 });
        return span.traceparent;
      });
      assert.match(result, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
    });

    it('starts a trace where there is none, and takes a broken context for none', async () => {
      const telemetry = await start();
      const of = (parent: string | undefined) =>
        telemetry.span('work', parent === undefined ? {} : { parent }, async (span) => span.traceparent);
      assert.match(await of(undefined), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      assert.match(await of('nonsense'), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    });

    it('lets an error travel on, and never fails the work by an event', async () => {
      const telemetry = await start();
      await assert.rejects(
        telemetry.span('work', {}, async () => {
          throw new RangeError('too far');
        }),
        RangeError,
      );
      telemetry.event('stage.ended', { stage: 'copy', partial: false }, { durationMs: 12.5 });
    });

    it('takes calls to services in a span, after it and outside of any', async () => {
      const telemetry = await start();
      const call = () =>
        telemetry.call({ service: 'Cosmos DB', operation: 'read_item', target: 'vehicles', durationMs: 1 });
      call();
      let late: Promise<void> | undefined;
      await telemetry.span('work', {}, async () => {
        call();
        late = new Promise((resolve) => setImmediate(resolve)).then(call);
      });
      await late;
    });
  });
}
