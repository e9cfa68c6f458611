import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { TerminalFailure } from '#domain/failures.ts';
import { type Envelope, envelopeOf } from '#domain/messages.ts';
import type { RegisteredAccount } from '#domain/ports/account-registry.ts';
import { NO_LOSS } from '#domain/recording-facts.ts';
import type { DataStreamManifest, ResultFile } from '#domain/result-manifest.ts';
import { TABLE_EVENTS } from '#domain/topology.ts';
import { tablesHandler } from '#handlers/publish-tables.ts';
import { writeJson } from '#handlers/run-papers.ts';
import { MemoryBlobStore } from '#test/simulation/fakes/memory-blob-store.ts';
import { MemoryFleetTables } from '#test/simulation/fakes/memory-fleet-tables.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';

const TIME = '2026-11-22T12:00:00.000Z';

function scenesFile(rowCount: number, startTime?: string): ResultFile {
  return {
    account: 'scenes01',
    container: 'structured',
    path: `${randomUUID()}/scenes.parquet`,
    sizeBytes: 100,
    sha256: 'a'.repeat(64),
    mediaType: 'application/vnd.apache.parquet',
    sensor: 'structured',
    rowCount,
    table: {
      name: 'scenes',
      role: 'scenes',
      schemaName: '',
      columns: [
        { name: 'start_time', type: 'timestamp' },
        { name: 'levels', type: 'list<list<float64>>', unit: 'm' },
      ],
      ...(startTime === undefined ? {} : { startTime, endTime: startTime }),
    },
  };
}

class Bench {
  readonly blobs = new MemoryBlobStore(() => new Date(TIME));
  readonly tables = new MemoryFleetTables();
  readonly registered: RegisteredAccount[] = ['scenes01', 'scenes02'].map((account) => ({
    account,
    zone: 'scenes',
    region: 'north',
    weight: 1,
    state: 'open',
  }));
  readonly measurement: Record<string, unknown> = { vin: 'V1', startTime: '2026-11-21T23:59:59Z' };
  readonly handle = () =>
    tablesHandler({
      blobs: this.blobs,
      tables: this.tables,
      telemetry: new QuietTelemetry(),
      accounts: { accounts: async () => this.registered, save: async () => undefined },
      metadata: {
        measurement: async (measurementId) =>
          this.measurement['gone'] === true
            ? undefined
            : { id: measurementId, kind: 'measurement', measurementId, ...this.measurement },
      },
    });

  async event(
    measurementId: string,
    generation: number,
    { files, passThroughOf }: { readonly files: readonly ResultFile[]; readonly passThroughOf?: string },
  ): Promise<Envelope> {
    const dataStream = {
      dataStreamId: randomUUID(),
      kind: 'scenes' as const,
      zone: 'scenes' as const,
      locations: [],
      parents: [],
    };
    const manifest: DataStreamManifest = {
      schemaVersion: 1,
      ...dataStream,
      measurementId,
      generation,
      stage: 'scene-detect',
      attempt: 1,
      createdAt: TIME,
      files: [...files],
      loss: NO_LOSS,
      ...(passThroughOf === undefined ? {} : { passThroughOf }),
    };
    const path = `${dataStream.dataStreamId}/data-stream.json`;
    const { reference } = await writeJson(
      this.blobs,
      { account: 'scenes01', container: 'structured', path },
      manifest,
    );
    const result = { ...dataStream, manifest: reference, fileCount: 1, sizeBytes: 1, rowCount: 1 };
    const place = { measurementId, generation, stage: 'scene-detect' as const, attempt: 1 };
    const data = { ...place, outcome: 'succeeded' as const, dataStream: result, sceneCount: 1, scenes: [] };
    return envelopeOf('landfall.scenes.detected.v1', data, {
      id: randomUUID(),
      source: 'landfall/scene-detect',
      time: new Date(TIME),
      fleet: 'vans',
      region: 'north',
      sequence: 1,
    });
  }

  async inTables() {
    const places = this.registered.map(({ account }) => ({
      account,
      fleet: 'vans',
      kind: 'scenes' as const,
    }));
    return (await Promise.all(places.map((place) => this.tables.files(place)))).flat();
  }
}

describe('the committer of the tables of fleets', () => {
  const measurementId = randomUUID();

  it('listens to what makes tables, and to nothing else', () => {
    assert.deepEqual(TABLE_EVENTS, [
      'landfall.data-stream.synchronized.v1',
      'landfall.data-stream.enriched.v1',
      'landfall.scenes.detected.v1',
    ]);
  });

  it('scenes become part of the table of their fleet, once, however often they are announced', async () => {
    const bench = new Bench();
    const handle = bench.handle();
    const event = await bench.event(measurementId, 1, { files: [scenesFile(4, '2026-11-22T00:00:01Z')] });
    await handle(event);
    await handle(event);
    const files = await bench.inTables();
    assert.deepEqual(
      files.map(({ table, generation, rowCount }) => ({ table, generation, rowCount })),
      [{ table: 'scenes', generation: 1, rowCount: 4 }],
    );
  });

  for (const [situation, later] of [
    ['a re-run that finds nothing', { files: [scenesFile(0)] }],
    [
      'a re-run that is skipped and passes on what is not its own',
      { files: [scenesFile(4)], passThroughOf: 'x' },
    ],
  ] as const)
    it(`${situation} takes the scenes of the earlier run away`, async () => {
      const bench = new Bench();
      const handle = bench.handle();
      await handle(await bench.event(measurementId, 1, { files: [scenesFile(4)] }));
      await handle(await bench.event(measurementId, 2, later));
      assert.deepEqual(await bench.inTables(), []);
    });

  it('a table stays in its account when that is full and another one is opened', async () => {
    const bench = new Bench();
    await bench.handle()(await bench.event(randomUUID(), 1, { files: [scenesFile(4)] }));
    const [first] = bench.registered.splice(
      0,
      2,
      ...bench.registered.map((account) => ({ ...account, state: 'full' as const })),
    );
    assert.ok(first);
    bench.registered.push({ ...first, account: 'scenes03', state: 'open' });
    await bench.handle()(await bench.event(randomUUID(), 1, { files: [scenesFile(4)] }));
    const perAccount = await Promise.all(
      bench.registered.map(
        async ({ account }) => (await bench.tables.files({ account, fleet: 'vans', kind: 'scenes' })).length,
      ),
    );
    assert.deepEqual(perAccount.toSorted(), [0, 0, 2]);
  });

  it('the day is that of the data, else that of the recording', async () => {
    const bench = new Bench();
    const seen: string[] = [];
    const replace = bench.tables.replace.bind(bench.tables);
    bench.tables.replace = (place, rows) => {
      seen.push(`${rows.date} ${rows.vin} ${JSON.stringify(rows.table?.columns[1])}`);
      return replace(place, rows);
    };
    const files = [scenesFile(4, '2026-11-22T00:00:01.123456789Z')];
    await bench.handle()(await bench.event(randomUUID(), 1, { files }));
    await bench.handle()(await bench.event(randomUUID(), 1, { files: [scenesFile(4)] }));
    const column = '{"name":"levels","type":{"list":{"list":"float64"}},"unit":"m"}';
    assert.deepEqual(seen, [`2026-11-22 V1 ${column}`, `2026-11-21 V1 ${column}`]);
  });

  it('a measurement that nobody knows is refused', async () => {
    const bench = new Bench();
    bench.measurement['gone'] = true;
    await assert.rejects(
      bench.handle()(await bench.event(measurementId, 1, { files: [scenesFile(1)] })),
      (error) => error instanceof TerminalFailure && error.code === 'not-found',
    );
  });
});
