import assert from 'node:assert/strict';
import type { TaskDefinition, TaskWork } from '#composition/task-tools.ts';
import type { Envelope } from '#domain/messages.ts';
import { NO_LOSS, type RecordingFacts } from '#domain/recording-facts.ts';
import { DataStreamManifest, type ResultFile } from '#domain/result-manifest.ts';
import { ExtractionProfile } from '#domain/stages/extract.ts';
import { TaskConfiguration } from '#domain/task-configuration.ts';
import type { DataStreamResult } from '#domain/vocabulary.ts';
import { batchStageHandler } from '#handlers/batch-stage.ts';
import { extractStage } from '#handlers/extract.ts';
import { writeJson } from '#handlers/run-papers.ts';
import { StageBench } from '#test/support/stage-bench.ts';

const RECORDING: RecordingFacts = {
  format: 'rosbag',
  version: '2.0',
  topics: [
    { name: '/imu', schemaName: 'sensor_msgs/Imu', encoding: 'ros1', messageCount: 9, outOfOrderCount: 0 },
  ],
  loss: NO_LOSS,
};

/** Containers that write nothing but say what they would have. */
function containers(structured: TaskWork): TaskDefinition<never>[] {
  const of = (image: string, work: TaskWork) =>
    ({ image, configuration: TaskConfiguration, work: async () => work }) as unknown as TaskDefinition<never>;
  const empty: TaskWork = { outcome: 'empty', files: [], loss: NO_LOSS };
  return [
    of('landfall/extract-validation', { ...empty, outcome: 'succeeded' }),
    of('landfall/extract-metadata', empty),
    of('landfall/extract-structured', structured),
  ];
}

async function extraction(rawFiles: readonly Partial<ResultFile>[], structured: TaskWork) {
  const bench = new StageBench();
  const recording = await bench.land({});
  const asked: { vin: string; time: Date }[] = [];
  const vehicles = {
    configuration: async (vin: string, time: Date) => {
      asked.push({ vin, time });
      return undefined;
    },
    configurations: async () => [],
    save: async () => {},
  };
  const files = rawFiles.map((file) => ({
    account: 'raw',
    container: 'recordings',
    path: 'r/a.bag',
    sizeBytes: 10,
    sha256: '0'.repeat(64),
    mediaType: 'x',
    sensor: 'structured' as const,
    ...file,
  }));
  const manifest: DataStreamManifest = {
    schemaVersion: 1,
    dataStreamId: 'raw-1',
    measurementId: 'm',
    generation: 1,
    kind: 'raw',
    zone: 'raw',
    parents: [],
    stage: 'copy',
    attempt: 1,
    createdAt: bench.now.toISOString(),
    files,
    loss: NO_LOSS,
  };
  const location = { account: 'raw', container: 'recordings', path: 'r/data-stream.json' };
  const { reference } = await writeJson(bench.blobs, location, manifest);
  const input: DataStreamResult = {
    dataStreamId: 'raw-1',
    kind: 'raw',
    zone: 'raw',
    locations: [],
    parents: [],
    fileCount: 1,
    sizeBytes: 10,
    rowCount: 0,
    manifest: reference,
  };
  const profile = ExtractionProfile.parse({});
  const ports = {
    blobs: bench.blobs,
    accounts: bench.accounts,
    folderTemplate: bench.folderTemplate,
    vehicles,
    profile,
  };
  const handle = batchStageHandler(extractStage(ports), bench);
  await handle(
    bench.command('landfall.measurement.extract.v1', {
      generation: 1,
      stage: 'extract',
      attempt: 1,
      recording,
      input,
    }),
  );
  await bench.runTasks(containers(structured));
  await handle(bench.said('landfall.stage.conclude.v1').at(-1) as Envelope);
  const [completed] = bench.said('landfall.extraction.completed.v1');
  const bytes = await bench.blobs.readPinned(completed!.data.dataStream.manifest!);
  const extracted = DataStreamManifest.parse(JSON.parse(new TextDecoder().decode(bytes)));
  return { completed: completed!.data, extracted, asked };
}

const TABLE: ResultFile = {
  account: 'extracted',
  container: 'imu',
  path: 'x/imu.parquet',
  sizeBytes: 70,
  sha256: '1'.repeat(64),
  mediaType: 'application/vnd.apache.parquet',
  sensor: 'imu',
  rowCount: 9,
};

describe('extraction', () => {
  it('gathers what its tasks wrote into one data stream, made from the raw one', async () => {
    const work: TaskWork = { outcome: 'succeeded', files: [TABLE], loss: NO_LOSS };
    const { completed, extracted, asked } = await extraction([{ recording: RECORDING }], work);
    assert.equal(completed.outcome, 'succeeded');
    assert.equal(completed.dataStream.rowCount, 9);
    assert.deepEqual(completed.dataStream.parents, ['raw-1']);
    assert.deepEqual(completed.dataStream.locations.map(({ container }) => container).sort(), [
      'imu',
      'structured',
    ]);
    assert.deepEqual(extracted.files, [TABLE]);
    assert.equal(asked[0]?.vin, 'WVWZZZ1KZAW000001');
  });

  it('is partial when records were lost, and says how many', async () => {
    const loss = { records: 4, bytes: 100, reasons: ['chunk 3 is damaged'] };
    const { completed, extracted } = await extraction([{ recording: RECORDING }], {
      outcome: 'succeeded',
      files: [TABLE],
      loss,
    });
    assert.equal(completed.outcome, 'partial');
    assert.match(completed.reason?.message ?? '', /4 records and 100 bytes/);
    assert.equal(extracted.loss.records, 4);
  });

  it('ends well when a task finds nothing', async () => {
    const { completed } = await extraction([{ recording: RECORDING }], {
      outcome: 'empty',
      files: [],
      loss: NO_LOSS,
    });
    assert.equal(completed.outcome, 'succeeded');
    assert.equal(completed.dataStream.fileCount, 0);
  });

  it('is skipped with its reason when no raw file is a recording', async () => {
    const { completed } = await extraction([{}], { outcome: 'empty', files: [], loss: NO_LOSS });
    assert.equal(completed.outcome, 'skipped');
    assert.match(completed.reason?.message ?? '', /none of the 1 raw files is a recording/);
  });
});
