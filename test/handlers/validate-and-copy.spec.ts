import assert from 'node:assert/strict';
import { BlockLedger } from '#domain/block-ledger.ts';
import { costEstimateOf } from '#domain/cost-estimate.ts';
import type { Envelope } from '#domain/messages.ts';
import { DataStreamManifest } from '#domain/result-manifest.ts';
import type { Recording } from '#domain/vocabulary.ts';
import { batchStageHandler } from '#handlers/batch-stage.ts';
import { copyStage } from '#handlers/copy.ts';
import { registerHandler } from '#handlers/register.ts';
import { validateStage } from '#handlers/validate.ts';
import { bagOf, FLOAT_TOPIC, floats } from '#test/support/rosbag2-files.ts';
import { smallBag, timesNs } from '#test/support/small-bag.ts';
import { StageBench, sha256Of } from '#test/support/stage-bench.ts';

const PLACE = { generation: 1, attempt: 1 };
const START_NS = 1_772_600_000_000_000_000n;

async function validate(bench: StageBench, recording: Recording): Promise<void> {
  const handle = batchStageHandler(validateStage(bench), bench);
  await handle(bench.command('landfall.measurement.validate.v1', { ...PLACE, stage: 'validate', recording }));
  await bench.runTasks();
  for (const conclude of bench.said('landfall.stage.conclude.v1')) await handle(conclude as Envelope);
}

async function validatedBench(files: Record<string, Uint8Array>) {
  const bench = new StageBench();
  const recording = await bench.land(files);
  await validate(bench, recording);
  const validated = bench.said('landfall.measurement.validated.v1')[0]!.data;
  const { ledger, quality } = validated;
  await registerHandler(bench)(
    bench.command(
      'landfall.measurement.register.v1',
      { ...PLACE, stage: 'register', recording, ledger, quality },
      20,
    ),
  );
  const { raw, archive } = bench.said('landfall.measurement.registered.v1')[0]!.data;
  const command = bench.command(
    'landfall.measurement.copy.v1',
    { ...PLACE, stage: 'copy', recording, ledger, raw, archive },
    30,
  );
  const handle = batchStageHandler(copyStage(bench), bench);
  const conclude = async () => handle(bench.said('landfall.stage.conclude.v1').at(-1) as Envelope);
  return { bench, recording, validated, raw, archive, command, handle, conclude };
}

describe('validation', () => {
  it('of a good recording yields a ledger of all files, the manifest first, and its quality', async () => {
    const bench = new StageBench();
    const bag = await smallBag({ timesNs: timesNs(START_NS, 101, 100) });
    const notes = new TextEncoder().encode('sunny');
    await validate(bench, await bench.land({ 'a.bag': bag, 'notes.txt': notes }));
    const [validated] = bench.said('landfall.measurement.validated.v1');
    assert.equal(validated?.data.outcome, 'succeeded');
    assert.equal(validated?.data.quality.durationSeconds, 10);
    assert.equal(validated?.data.quality.messageCount, 101);
    assert.equal(validated?.data.quality.startTime, '2026-03-04T04:53:20.000Z');
    const ledger = BlockLedger.parse(
      JSON.parse(new TextDecoder().decode(await bench.blobs.readPinned(validated!.data.ledger))),
    );
    assert.deepEqual(
      ledger.files.map((file) => file.path),
      ['manifest.json', 'a.bag', 'notes.txt'],
    );
    assert.equal(ledger.files[1]?.recording?.topics[0]?.rateHz, 10);
    assert.equal(ledger.files[2]?.recording, undefined);
  });

  it('of a split ROS 2 bag takes metadata.yaml, logs and indexes as what they are, whatever the manifest calls them', async () => {
    const database = bagOf({ topics: [FLOAT_TOPIC], messages: floats(5) });
    const text = (content: string) => new TextEncoder().encode(content);
    const files = {
      'bag/bag_0.db3': database,
      'bag/bag_1.db3': bagOf({ topics: [FLOAT_TOPIC], messages: floats(4, 5) }),
      'bag/bag_1.db3-wal': new Uint8Array(0),
      'bag/metadata.yaml': text('rosbag2_bagfile_information:\n  version: 9\n'),
      'bench.tdms_index': text('TDSh'),
    };
    const declared = {
      'bag/metadata.yaml': 'rosbag2',
      'bag/bag_1.db3-wal': 'rosbag2',
      'bench.tdms_index': 'tdms',
    };
    const manifestFiles = Object.entries(files).map(([path, content]) => ({
      path,
      sizeBytes: content.length,
      sha256: sha256Of(content),
      ...(path in declared ? { format: declared[path as keyof typeof declared] } : {}),
    }));
    for (const part of [{}, { files: manifestFiles }]) {
      const bench = new StageBench();
      await validate(bench, await bench.land(files, part));
      assert.deepEqual(bench.said('landfall.measurement.rejected.v1'), []);
      assert.equal(bench.said('landfall.measurement.validated.v1').at(-1)?.data.quality.messageCount, 9);
    }
  });

  const corrupt: readonly {
    readonly name: string;
    readonly files: Record<string, Uint8Array>;
    readonly manifestFiles: readonly object[];
    readonly expected: RegExp;
    readonly code: string;
  }[] = [
    {
      name: 'a file with another checksum',
      files: { 'a.bin': Uint8Array.of(1, 2, 3) },
      manifestFiles: [{ path: 'a.bin', sizeBytes: 3, sha256: '0'.repeat(64) }],
      code: 'file-checksum-mismatch',
      expected: /a\.bin has sha256 0390.*manifest says 0000.*upload it again/,
    },
    {
      name: 'a file with another crc64',
      files: { 'a.bin': new TextEncoder().encode('123456789') },
      manifestFiles: [{ path: 'a.bin', sizeBytes: 9, crc64: 'ae8b14860a799889' }],
      code: 'file-checksum-mismatch',
      expected: /a\.bin has crc64 ae8b14860a799888, the manifest says ae8b14860a799889/,
    },
    {
      name: 'a file with another md5',
      files: { 'a.bin': Uint8Array.of(7) },
      manifestFiles: [{ path: 'a.bin', sizeBytes: 1, md5: 'f'.repeat(32) }],
      code: 'file-checksum-mismatch',
      expected: /a\.bin has md5/,
    },
    {
      name: 'a file of another size',
      files: { 'a.bin': Uint8Array.of(1) },
      manifestFiles: [{ path: 'a.bin', sizeBytes: 2, md5: 'f'.repeat(32) }],
      code: 'file-size-mismatch',
      expected: /a\.bin has 1 bytes, the manifest says 2/,
    },
    {
      name: 'a file that is not there',
      files: {},
      manifestFiles: [{ path: 'gone.bin', sizeBytes: 2, md5: 'f'.repeat(32) }],
      code: 'file-missing',
      expected: /gone\.bin is in the manifest but not in/,
    },
    {
      name: 'a file that is named like a recording and is none',
      files: { 'a.bag': Uint8Array.of(1) },
      manifestFiles: [{ path: 'a.bag', sizeBytes: 1, md5: '55a54008ad1ba589aa210d2629c1df41' }],
      code: 'file-unreadable',
      expected: /a\.bag is named like a ROS bag file but begins like none/,
    },
    {
      name: 'a file that is declared as another format',
      files: { 'a.bin': Uint8Array.of(1) },
      manifestFiles: [
        { path: 'a.bin', sizeBytes: 1, format: 'mdf4', md5: '55a54008ad1ba589aa210d2629c1df41' },
      ],
      code: 'file-unreadable',
      expected: /a\.bin is declared as mdf4 but begins like no known/,
    },
  ];
  for (const { name, files, manifestFiles, expected, code } of corrupt) {
    it(`rejects ${name}, and says what to do`, async () => {
      const bench = new StageBench();
      await validate(bench, await bench.land(files, { files: manifestFiles }));
      const [rejected] = bench.said('landfall.measurement.rejected.v1');
      assert.equal(rejected?.data.reason.code, code);
      assert.match(rejected?.data.reason.details?.[0] ?? '', expected);
      assert.equal(bench.said('landfall.measurement.validated.v1').length, 0);
    });
  }

  it('rejects a recording without the topics and the duration the manifest expects', async () => {
    const bench = new StageBench();
    const bag = await smallBag({ timesNs: timesNs(START_NS, 2, 100) });
    const expected = { topics: ['/speed', '/camera'], minDurationSeconds: 5 };
    await validate(bench, await bench.land({ 'a.bag': bag }, { expected }));
    const [rejected] = bench.said('landfall.measurement.rejected.v1');
    assert.equal(rejected?.data.reason.code, 'quality-insufficient');
    assert.deepEqual(rejected?.data.reason.details, [
      'topic /camera is expected, but in no file',
      'at least 5 s are expected, but the recording lasts 0.1 s',
    ]);
  });

  it('accepts a truncated bag as partial when it is what the manifest says', async () => {
    const bench = new StageBench();
    const bag = await smallBag({ timesNs: timesNs(START_NS, 200, 100) });
    await validate(bench, await bench.land({ 'a.bag': bag.slice(0, Math.floor(bag.length / 2)) }));
    const [validated] = bench.said('landfall.measurement.validated.v1');
    assert.equal(validated?.data.outcome, 'partial');
    assert.ok((validated?.data.reason?.details?.length ?? 0) > 0);
  });

  it('of a file that changed meanwhile fails so that the next attempt looks again', async () => {
    const bench = new StageBench();
    const recording = await bench.land({ 'a.bin': Uint8Array.of(1, 2, 3) });
    const handle = batchStageHandler(validateStage(bench), bench);
    await handle(
      bench.command('landfall.measurement.validate.v1', { ...PLACE, stage: 'validate', recording }),
    );
    await bench.put({ ...recording.folder, path: 'drive-1/a.bin' }, Uint8Array.of(1, 2, 4));
    assert.deepEqual(await bench.runTasks(), [2]);
    await handle(bench.said('landfall.stage.conclude.v1')[0] as Envelope);
    const [failed] = bench.said('landfall.stage.failed.v1');
    assert.equal(failed?.data.reason.code, 'file-changed');
    assert.equal(failed?.data.retryable, true);
  });
});

describe('copying', () => {
  it('puts every file into Raw and Archive, empties Landing, and lists the raw data stream', async () => {
    const bag = await smallBag({ timesNs: timesNs(START_NS, 20, 100) });
    const files = { 'sub/a.bag': bag, 'empty.txt': new Uint8Array(0) };
    const { bench, command, handle, conclude, raw, archive } = await validatedBench(files);
    await handle(command);
    await bench.runTasks();
    await conclude();
    const [copied] = bench.said('landfall.measurement.copied.v1');
    assert.deepEqual(await bench.paths('landing'), []);
    const folder = raw.locations[0]!.path;
    assert.match(folder, /^local\/raw\/[0-9a-f-]{36}\/[0-9a-f-]{36}\/2026\/03\/04\/$/);
    for (const path of ['manifest.json', 'sub/a.bag', 'empty.txt'])
      assert.ok((await bench.blobs.head({ ...archive, path: `${archive.path}${path}` })) !== undefined, path);
    const bytes = await bench.blobs.readPinned(copied!.data.dataStream.manifest!);
    const manifest = DataStreamManifest.parse(JSON.parse(new TextDecoder().decode(bytes)));
    assert.deepEqual(
      manifest.files.map((file) => file.sourceFile),
      ['manifest.json', 'sub/a.bag', 'empty.txt'],
    );
    assert.deepEqual(await bench.blobs.read({ ...raw.locations[0]!, path: `${folder}sub/a.bag` }), bag);
    assert.equal(manifest.files[1]?.recording?.format, 'rosbag');
  });

  it('reports what it put into Raw and Archive as its output, at what it costs to keep', async () => {
    const { bench, command, handle, conclude, archive } = await validatedBench({
      'a.bin': new Uint8Array(5000),
    });
    const reported: { readonly name: string; readonly numbers: Readonly<Record<string, number>> }[] = [];
    bench.telemetry.event = (name, _dimensions, numbers) => {
      reported.push({ name, numbers: numbers ?? {} });
    };
    await handle(command);
    await bench.runTasks();
    await conclude();
    const { numbers } = reported.find(({ name }) => name === 'stage.concluded')!;
    let archivedBytes = 0;
    for await (const { sizeBytes } of bench.blobs.list(archive)) archivedBytes += sizeBytes;
    assert.ok(archivedBytes > 5000, 'the manifest is copied too');
    const outputBytes = 2 * archivedBytes;
    assert.equal(numbers['outputBytes'], outputBytes);
    const kept = costEstimateOf({ taskMs: 0, outputBytes, archivedBytes });
    assert.ok(numbers['costEstimate']! >= kept, 'and the time of its tasks');
  });

  it('copies nothing again that is already there, block for block', async () => {
    const { bench, command, handle } = await validatedBench({ 'a.bin': Uint8Array.of(1, 2, 3) });
    await handle(command);
    await bench.runTasks();
    let copies = 0;
    const whole = bench.blobs.copyBlock.bind(bench.blobs);
    bench.blobs.copyBlock = (...parts) => {
      copies += 1;
      return whole(...parts);
    };
    const again = { ...command, id: 'second', data: { ...command.data, attempt: 2 } };
    await handle(again);
    assert.deepEqual(await bench.runTasks(), [0, 0, 0]);
    assert.equal(copies, 0);
  });

  it('removes nothing from Landing while one copy of one file differs', async () => {
    const { bench, command, handle, archive } = await validatedBench({ 'a.bin': Uint8Array.of(1, 2, 3) });
    await handle(command);
    const [toRaw, toArchive, remove] = bench.tasks.submitted().slice(-3);
    assert.deepEqual(remove?.dependsOn, [toRaw?.taskId, toArchive?.taskId]);
    const remover = bench.blobs.committedBlocks.bind(bench.blobs);
    const damaged = `${archive.path}a.bin`;
    // The copy was committed, and is gone when the removing task looks.
    bench.blobs.committedBlocks = async (location) =>
      location.path === damaged ? undefined : remover(location);
    assert.deepEqual(await bench.runTasks(), [0, 0, 1]);
    assert.ok((await bench.paths('landing')).includes('drive-1/a.bin'));
    assert.ok((await bench.paths('landing')).includes('drive-1/manifest.json'));
  });

  it('leaves the folder whole when a file was uploaded anew after it was copied', async () => {
    const { bench, command, handle, recording } = await validatedBench({ 'a.bin': Uint8Array.of(1, 2, 3) });
    await handle(command);
    const remove = bench.blobs.remove.bind(bench.blobs);
    bench.blobs.remove = async (location, options) => {
      if (location.path.endsWith('a.bin')) await bench.put(location, Uint8Array.of(9));
      return remove(location, options);
    };
    assert.deepEqual(await bench.runTasks(), [0, 0, 0]);
    const { path } = recording.folder;
    assert.deepEqual(await bench.paths('landing'), [`${path}a.bin`, `${path}manifest.json`]);
    assert.deepEqual(await bench.blobs.read({ ...recording.folder, path: `${path}a.bin` }), Uint8Array.of(9));
  });

  it('of a file that changed after validation fails without removing anything', async () => {
    const { bench, command, handle, recording } = await validatedBench({ 'a.bin': Uint8Array.of(1, 2, 3) });
    await handle(command);
    await bench.put({ ...recording.folder, path: 'drive-1/a.bin' }, Uint8Array.of(3, 2, 1));
    const exits = await bench.runTasks();
    assert.deepEqual(exits.slice(0, 2), [2, 2]);
    await handle(bench.said('landfall.stage.conclude.v1').at(-1) as Envelope);
    assert.equal(bench.said('landfall.stage.failed.v1')[0]?.data.reason.code, 'file-changed');
    assert.equal((await bench.paths('landing')).length, 2);
  });
});
