import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { FleetTablePlace, FleetTables, MeasurementRows } from '#domain/ports/fleet-tables.ts';
import type { TableColumn } from '#domain/ports/table-writer.ts';
import type { BlobReference } from '#domain/vocabulary.ts';

export interface FleetTablesUnderTest {
  readonly tables: FleetTables;
  readonly account: string;
  /** A file that lies in the account, with a content of its own for each call. */
  readonly file: () => Promise<BlobReference>;
  /** Other committers of the same tables, as in a process that takes over. */
  readonly successor: () => FleetTables;
}

const TIME: TableColumn = { name: 'timestamp', type: 'timestamp' };
const SPEED: TableColumn = { name: 'vehicle.speed', type: 'float64', unit: 'm/s' };
const STEERING: TableColumn = { name: 'can.steering', type: 'float64', unit: 'rad' };

export function fleetTablesContract(name: string, start: () => Promise<FleetTablesUnderTest>): void {
  describe(`fleet tables: ${name}`, () => {
    let test: FleetTablesUnderTest;
    let tables: FleetTables;
    before(async () => {
      test = await start();
      tables = test.tables;
    });

    /** A fleet of its own for each situation. */
    const fleetOf = (kind: FleetTablePlace['kind'] = 'synchronized'): FleetTablePlace => ({
      account: test.account,
      fleet: `fleet-${randomUUID()}`,
      kind,
    });
    const measurement = () => ({ measurementId: randomUUID(), vin: 'WVW ZZZ/1ä', date: '2026-11-22' });
    async function rowsOf(
      who: ReturnType<typeof measurement>,
      generation: number,
      columns: readonly TableColumn[] | undefined = [TIME, SPEED],
    ): Promise<MeasurementRows> {
      const file = await test.file();
      return { ...who, generation, table: { columns, file, rowCount: generation * 10 } };
    }
    const seen = async (place: FleetTablePlace, from = tables) =>
      (await from.files(place))
        .map(({ table, measurementId, generation, rowCount }) => ({
          table,
          measurementId,
          generation,
          rowCount,
        }))
        .toSorted((a, b) => a.measurementId.localeCompare(b.measurementId));

    it('a fleet has no tables before its first rows', async () => {
      const place = fleetOf();
      assert.equal(await tables.exist(place), false);
      assert.deepEqual(await tables.files(place), []);
      assert.equal(await tables.replace(place, { ...measurement(), generation: 1 }), 'known');
      assert.equal(await tables.exist(place), false);
      await tables.replace(place, await rowsOf(measurement(), 1));
      assert.equal(await tables.exist(place), true);
      assert.equal(await tables.exist({ ...place, kind: 'scenes' }), false);
    });

    it('the same rows, said twice, are there once', async () => {
      const place = fleetOf();
      const rows = await rowsOf(measurement(), 1);
      assert.equal(await tables.replace(place, rows), 'replaced');
      assert.equal(await tables.replace(place, rows), 'known');
      assert.equal((await seen(place)).length, 1);
    });

    it('a newer generation replaces the older one, and a late older one changes nothing', async () => {
      const place = fleetOf();
      const [who, other] = [measurement(), measurement()];
      await tables.replace(place, await rowsOf(other, 1));
      await tables.replace(place, await rowsOf(who, 1));
      assert.equal(await tables.replace(place, await rowsOf(who, 3)), 'replaced');
      assert.equal(await tables.replace(place, await rowsOf(who, 2)), 'superseded');
      const files = await seen(place);
      assert.deepEqual(files.find((file) => file.measurementId === who.measurementId)?.generation, 3);
      assert.equal(files.length, 2);
    });

    it('a newer generation without rows takes the older ones away', async () => {
      const place = fleetOf();
      const who = measurement();
      await tables.replace(place, await rowsOf(who, 1));
      assert.equal(await tables.replace(place, { ...who, generation: 2 }), 'replaced');
      assert.deepEqual(await seen(place), []);
      assert.equal(await tables.replace(place, await rowsOf(who, 1)), 'superseded');
    });

    it('rows with other columns lie in another table, and replace those of the older generation there', async () => {
      const place = fleetOf();
      const [who, other] = [measurement(), measurement()];
      await tables.replace(place, await rowsOf(who, 1));
      await tables.replace(place, await rowsOf(other, 1));
      await tables.replace(place, await rowsOf(who, 2, [TIME, SPEED, STEERING]));
      const files = await seen(place);
      assert.deepEqual(files.map(({ generation }) => generation).toSorted(), [1, 2]);
      assert.equal(new Set(files.map(({ table }) => table)).size, 2);
      assert.equal(await tables.replace(place, await rowsOf(who, 1)), 'superseded');
    });

    it('all scenes of a fleet are in one table, also when later ones say more', async () => {
      const place = fleetOf('scenes');
      await tables.replace(place, await rowsOf(measurement(), 1));
      await tables.replace(place, await rowsOf(measurement(), 1, [TIME, SPEED, STEERING]));
      const files = await seen(place);
      assert.deepEqual(
        files.map(({ table }) => table),
        ['scenes', 'scenes'],
      );
    });

    it('many at once, by two committers, all get in, each once', async () => {
      const place = fleetOf();
      const successor = test.successor();
      const rows = await Promise.all(Array.from({ length: 8 }, () => rowsOf(measurement(), 1)));
      await Promise.all(
        rows.flatMap((each) => [tables.replace(place, each), successor.replace(place, each)]),
      );
      assert.deepEqual(
        (await seen(place, test.successor())).map(({ measurementId }) => measurementId),
        rows.map(({ measurementId }) => measurementId).toSorted((a, b) => a.localeCompare(b)),
      );
    });
  });
}
