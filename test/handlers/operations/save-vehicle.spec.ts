import assert from 'node:assert/strict';
import { type SaveVehiclePorts, saveVehicle } from '#handlers/operations/save-vehicle.ts';
import { MemoryBlobStore } from '#test/simulation/fakes/memory-blob-store.ts';
import { MemoryVehicleStore } from '#test/simulation/fakes/memory-vehicle-store.ts';
import { sha256Of } from '#test/support/stage-bench.ts';

const VIN = 'WVWZZZ1KZAW000001';
const bytesOf = (text: string) => new TextEncoder().encode(text);

describe('what is true of a vehicle', () => {
  let ports: SaveVehiclePorts & { readonly blobs: MemoryBlobStore; readonly vehicles: MemoryVehicleStore };
  beforeEach(() => {
    const clock = { now: () => new Date('2026-03-01T00:00:00Z'), wait: async () => undefined };
    ports = {
      vehicles: new MemoryVehicleStore(),
      blobs: new MemoryBlobStore(() => clock.now()),
      clock,
      sha256: sha256Of,
      folder: { account: 'operations', container: 'vehicles' },
    };
  });

  it('is true of recordings of any age when no time is said', async () => {
    const saved = await saveVehicle(ports, VIN, { topicMap: { '/front': 'camera' } });
    assert.equal(saved.validFrom, '1970-01-01T00:00:00.000Z');
    assert.deepEqual(await ports.vehicles.configurations(VIN), [saved]);
  });

  it('holds what held before, but for what is said anew', async () => {
    await saveVehicle(ports, VIN, {
      dbc: {
        powertrain: { name: 'a.dbc', bytes: bytesOf('a') },
        body: { name: 'b.dbc', bytes: bytesOf('b') },
      },
      topicMap: { '/front': 'camera' },
      referenceClock: '/gnss',
    });
    const later = await saveVehicle(ports, VIN, {
      validFrom: '2026-02-01T01:00:00+01:00',
      dbc: { powertrain: { name: 'c.dbc', bytes: bytesOf('c') } },
    });
    assert.equal(later.validFrom, '2026-02-01T00:00:00.000Z');
    assert.equal(later.dbc['powertrain']?.sha256, sha256Of(bytesOf('c')));
    assert.equal(later.dbc['body']?.sha256, sha256Of(bytesOf('b')));
    assert.deepEqual(later.topicMap, { '/front': 'camera' });
    assert.equal(later.referenceClock, '/gnss');
  });

  it('keeps a DBC file by its content, under a name that cannot leave its folder', async () => {
    const file = { name: '../my buses.dbc', bytes: bytesOf('VERSION ""') };
    const { dbc } = await saveVehicle(ports, 'A/B', { dbc: { can: file } });
    const kept = dbc['can']!;
    assert.match(kept.path, /^A%2FB\/[0-9a-f]{16}\/\.\._my_buses\.dbc$/);
    assert.deepEqual(await ports.blobs.readPinned(kept), file.bytes);
  });
});
