import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { VehicleConfiguration, VehicleStore } from '#domain/ports/vehicle-store.ts';

export function vehicleStoreContract(name: string, start: () => Promise<VehicleStore>): void {
  describe(`vehicle store: ${name}`, () => {
    let store: VehicleStore;
    before(async () => {
      store = await start();
    });

    it('knows the configuration that held at a time', async () => {
      const vin = `VIN${randomUUID()}`;
      const from = (validFrom: string): VehicleConfiguration => ({
        vin,
        validFrom,
        dbc: {},
        topicMap: { '/front': 'camera' },
      });
      const [spring, summer] = [from('2026-03-01T00:00:00Z'), from('2026-06-01T02:00:00+02:00')];
      await store.save(summer);
      await store.save(spring);
      assert.deepEqual(await store.configurations(vin), [spring, summer]);
      assert.equal(await store.configuration(vin, new Date('2026-02-28T23:59:59Z')), undefined);
      assert.deepEqual(await store.configuration(vin, new Date('2026-03-01T00:00:00Z')), spring);
      assert.deepEqual(await store.configuration(vin, new Date('2026-06-01T00:00:00Z')), summer);
      assert.deepEqual(await store.configurations('another'), []);
    });

    it('corrects a configuration in place', async () => {
      const vin = `VIN${randomUUID()}`;
      const configuration = { vin, validFrom: '2026-03-01T00:00:00Z', dbc: {}, topicMap: {} };
      await store.save(configuration);
      await store.save({ ...configuration, referenceClock: '/imu' });
      assert.deepEqual(await store.configurations(vin), [{ ...configuration, referenceClock: '/imu' }]);
    });
  });
}
