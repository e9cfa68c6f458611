import assert from 'node:assert/strict';
import { RetryableFailure, TerminalFailure } from '#domain/failures.ts';
import type { Envelope } from '#domain/messages.ts';
import type { BlobReference, Recording } from '#domain/vocabulary.ts';
import { batchStageHandler } from '#handlers/batch-stage.ts';
import { copyStage } from '#handlers/copy.ts';
import { custodyHandler } from '#handlers/custody.ts';
import { reportTask } from '#handlers/operations/report-task.ts';
import { validateStage } from '#handlers/validate.ts';
import { StageBench } from '#test/support/stage-bench.ts';

const REASON = { code: 'file-checksum-mismatch', message: 'a.bin is not what the manifest says' };

async function landed() {
  const bench = new StageBench();
  const recording = await bench.land({ 'a.bin': Uint8Array.of(1, 2, 3), 'b/c.bin': Uint8Array.of(4) });
  const handle = custodyHandler(Object.assign(bench, { rehydrationPollSeconds: 600 }));
  const conclude = async () => handle(bench.said('landfall.stage.conclude.v1').at(-1) as Envelope);
  const landed = await bench.noteLanded(recording.folder);
  const quarantine = async (meanwhile = async () => {}) => {
    await handle(
      bench.command('landfall.measurement.quarantine.v1', {
        generation: 1,
        recording,
        landed,
        reason: REASON,
      }),
    );
    await meanwhile();
    await bench.runTasks();
    await conclude();
    return bench.said('landfall.measurement.quarantined.v1')[0]!.data.location;
  };
  return { bench, recording, handle, conclude, quarantine };
}

const FOLDER = { account: 'landing', container: 'recordings', path: 'drive-1/' };
const RAW = { account: 'raw', container: 'recordings', path: 'm1/raw/' };
const ARCHIVE = { account: 'archive', container: 'recordings', path: 'm1/' };

/** A recording that was validated and copied, so that Landing is empty, and can come again. */
async function copied() {
  const bench = new StageBench();
  const files = { 'a.bin': Uint8Array.of(1, 2, 3), 'b/c.bin': Uint8Array.of(4) };
  const recording = await bench.land(files);
  const validate = batchStageHandler(validateStage(bench), bench);
  const place = { generation: 1, attempt: 1, recording };
  await validate(bench.command('landfall.measurement.validate.v1', { ...place, stage: 'validate' }));
  await bench.runTasks();
  await validate(bench.said('landfall.stage.conclude.v1').at(-1) as Envelope);
  const { ledger } = bench.said('landfall.measurement.validated.v1')[0]!.data;
  const copy = batchStageHandler(copyStage(bench), bench);
  const raw = { dataStreamId: 'raw-1', locations: [RAW] };
  const copying = { ...place, stage: 'copy' as const, ledger, raw, archive: ARCHIVE };
  await copy(bench.command('landfall.measurement.copy.v1', copying, 20));
  await bench.runTasks();
  assert.deepEqual(await bench.paths('landing'), []);
  const handle = custodyHandler(Object.assign(bench, { rehydrationPollSeconds: 600 }));
  const removeDuplicate = async (meanwhile = async () => {}, noted?: BlobReference) => {
    const landed = noted ?? (await bench.noteLanded(FOLDER));
    const removal = { generation: 1, recording, landed, ledger, raw: RAW, archive: ARCHIVE };
    await handle(bench.command('landfall.duplicate.remove.v1', removal, 30));
    await meanwhile();
    const exits = await bench.runTasks();
    const concluded = bench.said('landfall.stage.conclude.v1').at(-1);
    if (concluded?.data.stage === 'remove-duplicate') await handle(concluded as Envelope);
    return exits;
  };
  const after = [{ commandId: 'landfall.duplicate.remove.v1-30', generation: 1 }];
  const restoreCommand = () => restoreOf(bench, recording, 'archive', ARCHIVE, after);
  const restore = () => handle(restoreCommand());
  return {
    bench,
    handle,
    raw: RAW,
    again: () => bench.land(files),
    removeDuplicate,
    restore,
    restoreCommand,
  };
}

function restoreOf(
  bench: StageBench,
  recording: Recording,
  from: 'archive' | 'error',
  location: Recording['folder'],
  after: { commandId: string; generation: number }[] = [],
) {
  const priority = 'Standard' as const;
  const number = 1;
  return bench.command(
    'landfall.measurement.restore.v1',
    { generation: 1, recording, from, locations: [location], priority, number, after },
    50,
  );
}

describe('custody', () => {
  it('moves a rejected measurement to the error zone and says there why', async () => {
    const { bench, quarantine } = await landed();
    const location = await quarantine();
    assert.deepEqual(await bench.paths('landing'), []);
    const reason = JSON.parse(
      new TextDecoder().decode(await bench.blobs.read({ ...location, path: `${location.path}reason.json` })),
    );
    assert.deepEqual(reason.reason, REASON);
    assert.deepEqual(
      await bench.blobs.read({ ...location, path: `${location.path}b/c.bin` }),
      Uint8Array.of(4),
    );
    assert.equal(bench.said('landfall.measurement.quarantined.v1')[0]?.data.fileCount, 3);
  });

  const WHOLE = ['drive-1/a.bin', 'drive-1/b/c.bin', 'drive-1/manifest.json'];

  it('leaves the folder whole when a corrected file arrives while the broken one is being moved away', async () => {
    const { bench, recording, quarantine } = await landed();
    const corrected = { ...recording.folder, path: 'drive-1/a.bin' };
    const location = await quarantine(() => bench.put(corrected, Uint8Array.of(7, 7, 7)));
    assert.deepEqual(await bench.paths('landing'), WHOLE);
    assert.deepEqual(await bench.blobs.read(corrected), Uint8Array.of(7, 7, 7));
    assert.ok(!(await bench.paths('error')).includes(`${location.path}a.bin`), 'it is not moved either');
    assert.equal(bench.said('landfall.measurement.quarantined.v1')[0]?.data.fileCount, 2);
  });

  for (const [when, sibling] of [
    ['between its copy and its removal', 'drive-1/a.bin'],
    ['after others were removed', 'drive-1/manifest.json'],
  ]) {
    it(`leaves the folder whole when a corrected file arrives ${when}`, async () => {
      const { bench, recording, quarantine } = await landed();
      const corrected = { ...recording.folder, path: 'drive-1/a.bin' };
      const remove = bench.blobs.remove.bind(bench.blobs);
      bench.blobs.remove = async (location, options) => {
        if (location.path === sibling) await bench.put(corrected, Uint8Array.of(7, 7, 7));
        return remove(location, options);
      };
      const location = await quarantine();
      assert.deepEqual(await bench.paths('landing'), WHOLE);
      assert.deepEqual(await bench.blobs.read(corrected), Uint8Array.of(7, 7, 7));
      const broken = await bench.blobs.read({ ...location, path: `${location.path}a.bin` });
      assert.deepEqual(broken, Uint8Array.of(1, 2, 3), 'the broken one is kept as it was judged');
    });
  }

  it('leaves alone what the rejected measurement does not consist of', async () => {
    const { bench, recording, quarantine } = await landed();
    await bench.put({ ...recording.folder, path: 'drive-1/late.bin' }, new Uint8Array());
    await quarantine();
    assert.deepEqual(await bench.paths('landing'), ['drive-1/late.bin']);
  });

  it('moves what lies there when a saga of an older release orders it, which names no versions', async () => {
    const { bench, recording, handle, conclude } = await landed();
    const order = { generation: 1, recording, reason: REASON };
    await handle(bench.command('landfall.measurement.quarantine.v1', order));
    await bench.put({ ...recording.folder, path: 'drive-1/a.bin' }, Uint8Array.of(7));
    await bench.runTasks();
    await conclude();
    assert.deepEqual(await bench.paths('landing'), WHOLE);
  });

  it('brings it back from the error zone, without the reason, and leaves nothing behind', async () => {
    const { bench, recording, handle, conclude, quarantine } = await landed();
    const location = await quarantine();
    await handle(restoreOf(bench, recording, 'error', location));
    await bench.runTasks();
    await conclude();
    assert.deepEqual(await bench.paths('landing'), [
      'drive-1/a.bin',
      'drive-1/b/c.bin',
      'drive-1/manifest.json',
    ]);
    assert.deepEqual(await bench.paths('error'), [`${location.path}reason.json`]);
    assert.equal(bench.said('landfall.measurement.rehydrated.v1')[0]?.data.fileCount, 3);
  });

  it('does not overwrite a file that lies in Landing already', async () => {
    const { bench, recording, handle, conclude, quarantine } = await landed();
    const location = await quarantine();
    await bench.put({ ...recording.folder, path: 'drive-1/a.bin' }, Uint8Array.of(9, 9));
    await handle(restoreOf(bench, recording, 'error', location));
    await bench.runTasks();
    await conclude();
    assert.deepEqual(
      await bench.blobs.read({ ...recording.folder, path: 'drive-1/a.bin' }),
      Uint8Array.of(9, 9),
    );
    assert.ok((await bench.paths('error')).includes(`${location.path}a.bin`), 'the old version is kept');
  });

  it('does not overwrite a file that comes to lie in Landing while it is brought back', async () => {
    const { bench, recording, handle, conclude, quarantine } = await landed();
    const location = await quarantine();
    const uploaded = { ...recording.folder, path: 'drive-1/a.bin' };
    const copyBlock = bench.blobs.copyBlock.bind(bench.blobs);
    bench.blobs.copyBlock = async (source, target, block) => {
      if (target.path === uploaded.path) await bench.put(uploaded, Uint8Array.of(9, 9));
      return copyBlock(source, target, block);
    };
    await handle(restoreOf(bench, recording, 'error', location));
    await bench.runTasks();
    await conclude();
    assert.deepEqual(await bench.blobs.read(uploaded), Uint8Array.of(9, 9));
    assert.deepEqual(await bench.paths('landing'), WHOLE);
    assert.deepEqual(await bench.paths('error'), [`${location.path}a.bin`, `${location.path}reason.json`]);
  });

  it('asks archived files back, waits in its queue, and copies once they can be read', async () => {
    const { bench, recording, handle, conclude } = await landed();
    const archive = { account: 'archive', container: 'recordings', path: 'm1/' };
    await bench.put({ ...archive, path: 'm1/a.bin' }, Uint8Array.of(1, 2, 3));
    await bench.blobs.setTier({ ...archive, path: 'm1/a.bin' }, 'Archive');
    const command = restoreOf(
      bench,
      { ...recording, folder: { ...recording.folder, path: 'back/' } },
      'archive',
      archive,
    );
    await handle(command);
    await handle(command);
    const waiting = bench.sent.filter(({ destination }) => destination.name === 'custody');
    assert.equal(new Set(waiting.map(({ messageId }) => messageId)).size, 1, 'twice is one waiting');
    assert.ok(waiting[0]!.enqueueAt!.getTime() > bench.now.getTime());
    assert.equal((await bench.blobs.head({ ...archive, path: 'm1/a.bin' }))?.tier, 'Hot');
    await handle(waiting[0]!.envelope);
    await bench.runTasks();
    await conclude();
    assert.deepEqual(await bench.paths('landing', 'recordings', 'back/'), ['back/a.bin']);
    assert.deepEqual(await bench.paths('archive'), ['m1/a.bin'], 'the archive keeps its copy');
  });

  it('that may not ask blobs back from the Archive tier says so once, with the reason', async () => {
    const { bench, recording, handle } = await landed();
    const archive = { account: 'archive', container: 'recordings', path: 'm1/' };
    await bench.put({ ...archive, path: 'm1/a.bin' }, Uint8Array.of(1, 2, 3));
    await bench.blobs.setTier({ ...archive, path: 'm1/a.bin' }, 'Archive');
    bench.blobs.setTier = async () => {
      throw new TerminalFailure('access-denied', 'the tier of m1/a.bin may not be changed');
    };
    const command = restoreOf(bench, recording, 'archive', archive);
    await handle(command);
    await handle(command);
    const [failed, ...further] = bench.said('landfall.restore.failed.v1');
    assert.equal(failed?.data.reason.code, 'access-denied');
    assert.equal(failed.data.number, 1);
    assert.deepEqual(further, []);
    assert.equal(bench.sent.filter(({ destination }) => destination.name === 'custody').length, 0);
  });

  it('leaves it to redelivery when the Archive tier does not answer', async () => {
    const { bench, recording, handle } = await landed();
    const archive = { account: 'archive', container: 'recordings', path: 'm1/' };
    await bench.put({ ...archive, path: 'm1/a.bin' }, Uint8Array.of(1, 2, 3));
    await bench.blobs.setTier({ ...archive, path: 'm1/a.bin' }, 'Archive');
    bench.blobs.setTier = async () => {
      throw new RetryableFailure('dependency-unavailable', 'storage is busy');
    };
    await assert.rejects(handle(restoreOf(bench, recording, 'archive', archive)), {
      code: 'dependency-unavailable',
    });
    assert.deepEqual(bench.said('landfall.restore.failed.v1'), []);
  });

  it('can be ordered again in the same generation, and says so again', async () => {
    const { bench, recording, handle, conclude } = await landed();
    const quarantine = (sequence: number) =>
      bench.command(
        'landfall.measurement.quarantine.v1',
        { generation: 1, recording, reason: REASON },
        sequence,
      );
    for (const sequence of [10, 20]) {
      await bench.land({ 'a.bin': Uint8Array.of(1, 2, 3) });
      await handle(quarantine(sequence));
      await bench.runTasks();
      await conclude();
      assert.deepEqual(await bench.paths('landing', 'recordings', 'drive-1/a'), []);
    }
    assert.equal(bench.said('landfall.measurement.quarantined.v1').length, 2);
  });

  it('that finds nothing to restore says so, with the places it looked at, and nobody waits for it', async () => {
    const { bench, recording, handle } = await landed();
    const gone = { account: 'error', container: 'recordings', path: 'gone/' };
    await handle(restoreOf(bench, recording, 'error', gone));
    const [failed] = bench.said('landfall.restore.failed.v1');
    assert.equal(failed?.data.number, 1);
    assert.match(failed?.data.reason.message ?? '', /nothing to restore.*error\/gone/);
  });

  it('that cannot restore in three attempts says so once, however often it is asked', async () => {
    const { bench, recording, handle, conclude, quarantine } = await landed();
    const location = await quarantine();
    const command = restoreOf(bench, recording, 'error', location);
    await handle(command);
    for (const attempt of [1, 2, 3]) {
      assert.equal(bench.said('landfall.restore.failed.v1').length, 0, `before attempt ${attempt} failed`);
      const reason = { code: 'task-failed', message: 'storage says no' };
      for (const { taskId } of bench.tasks.submitted().slice(-2))
        await reportTask(bench, taskId, { outcome: 'failed', reason });
      await conclude();
    }
    await conclude();
    assert.match(bench.said('landfall.restore.failed.v1')[0]?.data.reason.message ?? '', /storage says no/);
    assert.equal(bench.said('landfall.restore.failed.v1').length, 1);
  });

  describe('of a recording that came again', () => {
    it('removes it from Landing, once both copies are there and its bytes are theirs', async () => {
      const { bench, again, removeDuplicate } = await copied();
      await again();
      await removeDuplicate();
      assert.deepEqual(await bench.paths('landing'), []);
      const [removed] = bench.said('landfall.duplicate.removed.v1');
      assert.deepEqual([removed?.data.fileCount, removed?.data.kept], [3, []]);
    });

    it('leaves what was uploaded once more meanwhile', async () => {
      const { bench, again, removeDuplicate } = await copied();
      await again();
      const fresh = { account: 'landing', container: 'recordings', path: 'drive-1/a.bin' };
      await removeDuplicate(() => bench.put(fresh, Uint8Array.of(5, 5, 5)));
      assert.deepEqual(await bench.paths('landing'), ['drive-1/a.bin']);
      assert.deepEqual(bench.said('landfall.duplicate.removed.v1')[0]?.data.kept, ['a.bin']);
    });

    it('is waited for by what is brought back, so that nothing of that is removed', async () => {
      const { bench, restore, again, removeDuplicate } = await copied();
      await again();
      await restore();
      await restore();
      assert.equal(bench.tasks.submitted().filter(({ taskId }) => taskId.includes('restore')).length, 0);
      const waiting = bench.sent.filter(({ destination }) => destination.name === 'custody');
      assert.equal(new Set(waiting.map(({ messageId }) => messageId)).size, 1, 'twice is one waiting');
      await removeDuplicate();
      assert.deepEqual(await bench.paths('landing'), []);
      await restore();
      await bench.runTasks();
      assert.equal((await bench.paths('landing')).length, 3);
    });

    it('is not waited for when its removal has died, nor when it takes longer than it could', async () => {
      const { bench, restore, again, removeDuplicate } = await copied();
      await again();
      await bench.put({ ...FOLDER, path: 'drive-1/b/c.bin' }, Uint8Array.of(8));
      await assert.rejects(removeDuplicate(undefined, await bench.noteLanded(FOLDER)));
      const before = bench.tasks.submitted().length;
      await restore();
      assert.ok(bench.tasks.submitted().length > before, 'the removal has died');

      const other = await copied();
      await other.again();
      const order = other.restoreCommand();
      other.bench.now = new Date(other.bench.now.getTime() + 13 * 3_600_000);
      const asked = other.bench.tasks.submitted().length;
      await other.handle(order);
      assert.ok(other.bench.tasks.submitted().length > asked, 'the removal is long over');
    });

    it('leaves everything when another manifest lies there by now', async () => {
      const { bench, again, removeDuplicate } = await copied();
      await again();
      const manifest = { account: 'landing', container: 'recordings', path: 'drive-1/manifest.json' };
      await removeDuplicate(() => bench.put(manifest, Uint8Array.of(5)));
      assert.equal((await bench.paths('landing')).length, 3);
      assert.equal(bench.said('landfall.duplicate.removed.v1')[0]?.data.fileCount, 0);
    });

    it('removes nothing when a copy is not whole', async () => {
      const { bench, raw, again, removeDuplicate } = await copied();
      await again();
      await bench.blobs.remove({ ...raw, path: `${raw.path}b/c.bin` });
      const exits = await removeDuplicate();
      assert.notEqual(exits.at(-1), 0, 'Batch runs the task again, and later says that it failed');
      assert.equal((await bench.paths('landing')).length, 3);
      assert.deepEqual(bench.said('landfall.duplicate.removed.v1'), []);
    });

    it('removes nothing, and becomes a dead letter, when it has other bytes under the same manifest', async () => {
      const { bench, again, removeDuplicate } = await copied();
      await again();
      await bench.put(
        { account: 'landing', container: 'recordings', path: 'drive-1/b/c.bin' },
        Uint8Array.of(8),
      );
      await assert.rejects(
        removeDuplicate(undefined, await bench.noteLanded(FOLDER)),
        /nothing is removed: b\/c.bin .* with other bytes/,
      );
      assert.equal((await bench.paths('landing')).length, 3);
    });
  });

  it('tries again by itself, and gives up after three attempts with a dead letter', async () => {
    const { bench, recording, handle, conclude } = await landed();
    bench.blobs.commitBlocks = () => Promise.reject(new Error('storage says no'));
    await handle(
      bench.command('landfall.measurement.quarantine.v1', { generation: 1, recording, reason: REASON }),
    );
    const failTasks = async () => {
      for (const { taskId } of bench.tasks.submitted().slice(-2))
        await reportTask(bench, taskId, {
          outcome: 'failed',
          reason: { code: 'task-failed', message: 'no' },
        });
    };
    for (const taskCount of [4, 6]) {
      await failTasks();
      await conclude();
      assert.equal(bench.tasks.submitted().length, taskCount);
    }
    await failTasks();
    await assert.rejects(conclude(), /tasks failed/);
    assert.equal((await bench.paths('landing')).length, 3, 'nothing is lost');
  });
});
