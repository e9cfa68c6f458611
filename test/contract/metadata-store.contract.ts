import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { MetadataStore, SceneDocument } from '#domain/ports/metadata-store.ts';
import type { MetadataDocument } from '#domain/ports/saga-store.ts';

export interface MetadataStoreUnderTest {
  readonly metadata: MetadataStore;
  /** Writes documents as the saga does. */
  readonly write: (measurementId: string, documents: readonly MetadataDocument[]) => Promise<void>;
}

export function metadataStoreContract(name: string, start: () => Promise<MetadataStoreUnderTest>): void {
  describe(`metadata store: ${name}`, () => {
    let metadata: MetadataStore;
    let write: MetadataStoreUnderTest['write'];
    before(async () => {
      ({ metadata, write } = await start());
    });

    function measurement(fields: Record<string, unknown>): MetadataDocument {
      const id = randomUUID();
      const defaults = { fleet: 'f', vin: 'V', state: 'Running', updatedAt: '2026-01-01T00:00:00.000Z' };
      return { ...defaults, ...fields, id, kind: 'measurement', measurementId: id };
    }

    it('gives back the documents of a measurement by kind, and nothing of another', async () => {
      const one = measurement({ state: 'Shared' });
      const stream = (id: string, measurementId: string): MetadataDocument => ({
        id,
        kind: 'data-stream',
        measurementId,
        state: 'Completed',
        locations: [{ account: 'raw01', container: 'recordings', path: 'a/' }],
      });
      const mine = stream('s1', one.measurementId);
      const sameId: MetadataDocument = { ...mine, kind: 'stage-run' };
      await write(one.measurementId, [one, mine, sameId]);
      const two = measurement({});
      await write(two.measurementId, [two, stream('s2', two.measurementId)]);
      assert.deepEqual(await metadata.measurement(one.measurementId), one);
      assert.deepEqual(await metadata.documents(one.measurementId, 'data-stream'), [mine]);
      assert.deepEqual(await metadata.documents(one.measurementId, 'stage-run'), [sameId]);
      assert.deepEqual(await metadata.dataStream(one.measurementId, 's1'), mine);
      assert.equal(await metadata.dataStream(one.measurementId, 's2'), undefined);
      assert.equal(await metadata.measurement(randomUUID()), undefined);
    });

    it('finds measurements by fleet, vehicle and state, newest first, no more than asked for', async () => {
      const fleet = `fleet ${randomUUID()}`;
      const documents = [
        measurement({ fleet, vin: 'A', updatedAt: '2026-01-01T00:00:01.000Z' }),
        measurement({ fleet, vin: 'A', state: 'Failed', updatedAt: '2026-01-01T00:00:02.000Z' }),
        measurement({ fleet, vin: 'B', updatedAt: '2026-01-01T00:00:03.000Z' }),
      ];
      for (const document of documents) await write(document.measurementId, [document]);
      const found = async (filter: Parameters<MetadataStore['measurements']>[0], limit = 10) =>
        (await metadata.measurements(filter, limit)).map(({ id }) =>
          documents.findIndex((one) => one.id === id),
        );
      assert.deepEqual(await found({ fleet }), [2, 1, 0]);
      assert.deepEqual(await found({ fleet }, 2), [2, 1]);
      assert.deepEqual(await found({ fleet, vin: 'A', state: 'Running' }), [0]);
      assert.deepEqual(await found({ fleet, state: 'Shared' }), []);
    });

    it('keeps scenes once, however often they are written, in the order of time', async () => {
      const measurementId = randomUUID();
      const scene = (sceneId: string, startTime: string, confidence: number): SceneDocument => ({
        sceneId,
        measurementId,
        dataStreamId: 'd',
        generation: 1,
        type: 'hard-braking',
        startTime,
        endTime: startTime,
        confidence,
        rule: { name: 'hard-braking', version: '1' },
        evidence: { decelerationMax: 6.1 },
      });
      const late = scene('a', '2026-01-01T00:00:02Z', 0.5);
      const early = scene('b', '2026-01-01T00:00:01Z', 0.5);
      await metadata.writeScenes([late, early]);
      await metadata.writeScenes([{ ...late, confidence: 0.9 }]);
      assert.deepEqual(await metadata.scenes(measurementId), [early, { ...late, confidence: 0.9 }]);
      assert.deepEqual(await metadata.scenes(randomUUID()), []);
    });
  });
}
