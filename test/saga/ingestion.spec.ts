import assert from 'node:assert/strict';
import type { Envelope } from '#domain/messages.ts';
import { STAGES } from '#domain/vocabulary.ts';
import {
  failedOf,
  measurementIdOfRecording,
  messageOf,
  receivedOf,
  recordingOf,
  rejectedOf,
  startedOf,
  succeededOf,
} from '#test/simulation/scripted-stage.ts';
import { Journey, NOON } from './given.ts';

function request(type: 'landfall.measurement.cancel.v1', journey: Journey, number = 1) {
  const { measurementId } = journey;
  return messageOf(
    type,
    { measurementId, actor: 'ann', reason: 'wrong car' },
    { identity: [measurementId, number], time: NOON },
  );
}

function rerunFrom(journey: Journey, fromStage: (typeof STAGES)[number], number = 1) {
  const { measurementId } = journey;
  return messageOf(
    'landfall.measurement.rerun.v1',
    { measurementId, fromStage, actor: 'ann', reason: 'new DBC' },
    { identity: [measurementId, 'rerun', number], time: NOON },
  );
}

function rehydrate(journey: Journey, from?: 'archive' | 'error') {
  const { measurementId } = journey;
  return messageOf(
    'landfall.measurement.rehydrate.v1',
    {
      measurementId,
      priority: 'High',
      actor: 'ann',
      reason: 'audit',
      ...(from === undefined ? {} : { from }),
    },
    { identity: [measurementId, 'rehydrate'], time: NOON },
  );
}

function restoreFailure(journey: Journey, number: number) {
  const { measurementId } = journey;
  const { generation } = journey.state;
  const reason = { code: 'not-found', message: 'there is nothing to restore' };
  return messageOf(
    'landfall.restore.failed.v1',
    { measurementId, generation, number, reason },
    { identity: [measurementId, generation, number], time: NOON },
  );
}

function expiryOf(journey: Journey, stage: (typeof STAGES)[number] | 'rehydrate', attempt: number) {
  const { measurementId } = journey;
  const { generation } = journey.state;
  return messageOf(
    'landfall.stage.expire.v1',
    { measurementId, generation, stage, attempt },
    { identity: [measurementId, generation, stage, attempt], time: NOON },
  );
}

describe('ingestion saga', () => {
  describe('a complete recording', () => {
    it('goes through all eight stages, in order, and ends Shared', () => {
      const journey = new Journey().throughTo('share');
      assert.equal(journey.state.state, 'Shared');
      const commanded = journey.said
        .filter((message) => message.destination.name === 'commands')
        .map((message) => message.consumer);
      assert.deepEqual(commanded, STAGES);
      assert.equal(journey.measurementDocument()['state'], 'Shared');
      assert.equal(journey.measurementDocument()['dueAt'], undefined);
    });

    it('publishes every state of every data stream, the copy stage with StartCopy and CopyComplete', () => {
      const journey = new Journey().throughTo('validate');
      for (const stage of STAGES.slice(1)) {
        journey.tell(startedOf(journey.command(stage), NOON));
        journey.succeed(stage);
      }
      assert.deepEqual(journey.dataStreamStates('raw'), [
        'Created',
        'StartCopy',
        'CopyComplete',
        'Completed',
      ]);
      assert.deepEqual(journey.dataStreamStates('extracted'), ['Created', 'Processing', 'Completed']);
      assert.deepEqual(journey.dataStreamStates('scenes'), ['Created', 'Processing', 'Completed']);
    });

    it('numbers its messages in rising order and leaves nine numbers behind each command', () => {
      const journey = new Journey().throughTo('share');
      const numbers = journey.said.map((message) => Number(message.envelope.sequence));
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(numbers).size, numbers.length);
      journey.said.forEach((message, index) => {
        if (message.destination.name === 'commands') assert.ok(numbers[index + 1]! >= numbers[index]! + 10);
      });
    });

    it('schedules a deadline to its own queue with each command', () => {
      const journey = new Journey();
      journey.receive();
      const [command, deadline] = journey.said;
      assert.equal(command?.envelope.type, 'landfall.measurement.validate.v1');
      assert.deepEqual(deadline?.destination, { kind: 'queue', name: 'saga' });
      assert.equal(deadline?.enqueueAt?.toISOString(), '2026-05-04T18:00:00.000Z');
      assert.equal(journey.measurementDocument()['dueAt'], '2026-05-04T18:00:00.000Z');
    });

    it('leaves lineage from every data stream back to the measurement', () => {
      const journey = new Journey().throughTo('share');
      const edges = [...journey.documents.values()].filter((document) => document['kind'] === 'lineage-edge');
      const parentOf = new Map(edges.map((edge) => [edge['to'], edge['from']]));
      let at: unknown = journey.state.stages.share.result?.dataStream?.dataStreamId;
      const path = [];
      while (at !== undefined) {
        path.push(at);
        at = parentOf.get(at);
      }
      assert.equal(path.length, 7);
      assert.equal(path.at(-1), journey.measurementId);
    });
  });

  describe('messages out of order', () => {
    it('a start that comes after the success changes nothing', () => {
      const journey = new Journey().throughTo('copy');
      const started = startedOf(journey.command('copy'), NOON);
      assert.deepEqual(journey.tell(started), []);
    });

    it('an Incomplete that comes after the Received changes nothing', () => {
      const journey = new Journey();
      journey.receive();
      const { recording, measurementId } = journey;
      const incomplete = messageOf(
        'landfall.measurement.incomplete.v1',
        {
          measurementId,
          fleet: recording.fleet,
          recordingId: recording.recordingId,
          folder: recording.folder,
          missing: ['a.mcap'],
          missingCount: 1,
          reason: { code: 'file-missing', message: '1 file is missing' },
        },
        { identity: [measurementId], time: NOON },
      );
      assert.deepEqual(journey.tell(incomplete), []);
      assert.equal(journey.state.state, 'Running');

      const other = new Journey();
      other.tell(incomplete);
      assert.equal(other.state.state, 'Incomplete');
      assert.equal(other.measurementDocument()['recordingId'], recording.recordingId);
      other.receive();
      assert.equal(other.state.state, 'Running');
    });

    it('the answer of an attempt that was given up is ignored', () => {
      const journey = new Journey().throughTo('copy');
      const first = journey.command('extract');
      journey.tell(failedOf(first, true, NOON));
      assert.deepEqual(journey.tell(succeededOf(first, NOON)), []);
      assert.equal(journey.state.stages.extract.attempt, 2);
    });
  });

  describe('a failing stage', () => {
    it('is tried again after a pause, as often as its budget allows, then the measurement is Failed', () => {
      const journey = new Journey().throughTo('copy');
      journey.tell(failedOf(journey.command('extract'), true, NOON));
      assert.equal(journey.state.state, 'Waiting');
      const second = journey.said.findLast((message) => message.consumer === 'extract');
      assert.equal(second?.enqueueAt?.toISOString(), '2026-05-04T12:00:10.000Z');
      journey.tell(startedOf(journey.command('extract'), NOON));
      assert.equal(journey.state.state, 'Running');
      journey.tell(failedOf(journey.command('extract'), true, NOON));
      journey.tell(failedOf(journey.command('extract'), true, NOON));
      assert.equal(journey.state.state, 'Failed');
      assert.equal(journey.saidOf('landfall.measurement.failed.v1').length, 1);
      assert.equal(journey.dataStreamStates('extracted').at(-1), 'Failed');
      assert.equal(journey.saidOf('landfall.measurement.quarantine.v1').length, 0);
      const runs = [...journey.documents.values()].filter(
        (document) => document['kind'] === 'stage-run' && document['stage'] === 'extract',
      );
      assert.deepEqual(
        runs.map((run) => [run['attempt'], run['state']]),
        [
          [1, 'Failed'],
          [2, 'Failed'],
          [3, 'Failed'],
        ],
      );
    });

    it('is not tried again when trying cannot help; before the copy is done its files go to the error zone', () => {
      const journey = new Journey().throughTo('validate');
      journey.tell(failedOf(journey.command('register'), false, NOON));
      assert.equal(journey.state.state, 'Failed');
      assert.equal(journey.saidOf('landfall.measurement.quarantine.v1').length, 1);
    });

    it('that keeps silent is a failed attempt when its deadline message comes, whatever the clock says', () => {
      const journey = new Journey();
      journey.receive();
      journey.tell(expiryOf(journey, 'validate', 1));
      assert.equal(journey.state.stages.validate.attempt, 2);
      assert.deepEqual(journey.tell(expiryOf(journey, 'validate', 1)), []);
    });

    it('a rejected recording goes to the error zone with the reason', () => {
      const journey = new Journey();
      journey.receive();
      journey.tell(rejectedOf(journey.command('validate'), NOON));
      assert.equal(journey.state.state, 'Rejected');
      const quarantine = journey.lastDataOf('landfall.measurement.quarantine.v1');
      assert.equal(quarantine.reason.code, 'file-checksum-mismatch');
    });
  });

  describe('a stage with little to do', () => {
    it('is Skipped with its reason, and its pass-through data stream feeds the next stage', () => {
      const journey = new Journey().throughTo('extract');
      journey.succeed('sync', 'skipped');
      assert.equal(journey.state.stages.sync.state, 'Skipped');
      assert.equal(journey.state.stages.sync.reason?.message, 'skipped');
      assert.equal(journey.dataStreamStates('synchronized').at(-1), 'Completed');
      const { input } = journey.lastDataOf('landfall.measurement.enrich.v1');
      assert.equal(input.dataStreamId, journey.state.stages.sync.result?.dataStream?.dataStreamId);
    });

    it('that lost records publishes PartiallyCompleted', () => {
      const journey = new Journey().throughTo('copy');
      journey.succeed('extract', 'partial');
      assert.equal(journey.dataStreamStates('extracted').at(-1), 'PartiallyCompleted');
      assert.equal(journey.state.stages.sync.state, 'Running');
    });
  });

  describe('a second arrival', () => {
    it('of the same files is nothing new', () => {
      const journey = new Journey().throughTo('validate');
      assert.deepEqual(journey.receive('files-1'), []);
    });

    it('of other files before the copy is done starts validation again, under new attempt numbers', () => {
      const journey = new Journey().throughTo('register');
      const oldCopy = journey.command('copy');
      journey.receive('files-2');
      assert.equal(journey.command('validate').data.attempt, 2);
      assert.equal(journey.state.generation, 1);
      assert.deepEqual(journey.tell(succeededOf(oldCopy, NOON)), []);
      journey.throughTo('share');
      assert.equal(journey.state.state, 'Shared');
      assert.equal(journey.command('copy').data.attempt, 2);
    });

    it('of the same manifest after the copy is a duplicate', () => {
      const journey = new Journey().throughTo('share');
      const saidBefore = journey.said.length;
      journey.receive('files-2');
      assert.equal(journey.said.length, saidBefore);
      assert.equal(journey.state.generation, 1);
      assert.equal(journey.state.duplicateCount, 1);
    });

    it('of the same manifest is removed from Landing again, by its versions, once both copies are verified', () => {
      const journey = new Journey().throughTo('share');
      const landed = { ...journey.recording.manifest, path: 'landing/landing1/drive-001/files-2.json' };
      const folder = { ...journey.recording.folder, path: 'drive-001-again/' };
      const again = { ...journey.recording, folder };
      journey.tell(receivedOf(again, 'files-2', NOON, landed));
      const removal = journey.lastDataOf('landfall.duplicate.remove.v1');
      assert.deepEqual(removal.landed, landed);
      assert.deepEqual(removal.recording.folder, folder, 'where it came again, not where it was');
      assert.deepEqual(removal.raw, journey.state.stages.copy.result?.dataStream?.locations[0]);
      assert.deepEqual(removal.archive, journey.state.archived?.location);
    });

    it('of the same manifest before the copy is verified removes nothing', () => {
      const journey = new Journey().throughTo('register');
      journey.tell(receivedOf(journey.recording, 'files-2', NOON, journey.recording.manifest));
      assert.deepEqual(journey.saidOf('landfall.duplicate.remove.v1'), []);
      assert.equal(journey.command('validate').data.attempt, 2);
    });

    it('of another manifest after the copy is a correction: a new generation whose outputs supersede the old', () => {
      const journey = new Journey().throughTo('extract');
      const oldSync = journey.command('sync');
      journey.receive('files-2', recordingOf('drive-001', { manifestSha256: 'b'.repeat(64) }));
      assert.equal(journey.state.generation, 2);
      journey.throughTo('extract');
      assert.equal(journey.state.stages.sync.state, 'Running');
      assert.deepEqual(
        journey.tell(succeededOf(oldSync, NOON)),
        [],
        'same stage, same attempt, older generation',
      );
      journey.throughTo('share');
      assert.equal(journey.state.state, 'Shared');
      const states = Object.values(journey.state.dataStreams).map((known) => [known.generation, known.state]);
      assert.ok(states.every(([generation, state]) => (generation === 1) === (state === 'Superseded')));
      assert.equal(states.length, 2 + 6);
    });

    it('starts a Rejected measurement again', () => {
      const journey = new Journey();
      journey.receive();
      journey.tell(rejectedOf(journey.command('validate'), NOON));
      journey.receive('files-2');
      assert.equal(journey.state.state, 'Running');
      journey.throughTo('share');
      assert.equal(journey.state.state, 'Shared');
    });
  });

  describe('a re-run', () => {
    it('keeps the outputs of the earlier stages and replaces the later ones', () => {
      const journey = new Journey().throughTo('share');
      const extracted = journey.state.stages.extract.result?.dataStream?.dataStreamId;
      journey.tell(rerunFrom(journey, 'sync'));
      assert.equal(journey.state.generation, 2);
      assert.equal(journey.state.stages.extract.generation, 1);
      const { input } = journey.lastDataOf('landfall.measurement.sync.v1');
      assert.equal(input.dataStreamId, extracted);
      journey.throughTo('share');
      assert.equal(journey.state.state, 'Shared');
      assert.equal(journey.state.dataStreams[extracted!]?.state, 'Completed');
      assert.deepEqual(journey.dataStreamStates('enriched').slice(-3), [
        'Created',
        'Completed',
        'Superseded',
      ]);
    });

    it('of a stage whose input is not there is refused, with the reason in the document', () => {
      const journey = new Journey().throughTo('register');
      journey.tell(rerunFrom(journey, 'enrich'));
      assert.equal(journey.state.generation, 1);
      const refusal = journey.measurementDocument()['lastRefusal'] as { reason: { message: string } };
      assert.match(refusal.reason.message, /copy has no result yet/);
    });

    it('of a stage that reads Landing is refused once the files have moved', () => {
      const journey = new Journey().throughTo('share');
      journey.tell(rerunFrom(journey, 'validate'));
      assert.match(journey.state.lastRefusal?.reason.message ?? '', /rehydrate/);
    });
  });

  describe('cancelling', () => {
    it('stops the measurement; late answers change nothing; a new arrival starts it again', () => {
      const journey = new Journey().throughTo('extract');
      const sync = journey.command('sync');
      journey.tell(request('landfall.measurement.cancel.v1', journey));
      assert.equal(journey.state.state, 'Cancelled');
      assert.equal(journey.saidOf('landfall.measurement.cancelled.v1').length, 1);
      assert.deepEqual(journey.tell(succeededOf(sync, NOON)), []);
      journey.receive('files-2');
      assert.equal(journey.state.generation, 2);
    });

    it('of a measurement nobody has heard of leaves no trace', () => {
      const journey = new Journey();
      assert.deepEqual(journey.tell(request('landfall.measurement.cancel.v1', journey)), []);
    });
  });

  describe('a correction of one file', () => {
    const location = { account: 'error1', container: 'recordings', path: 'x/' };

    function rejected(): Journey {
      const journey = new Journey();
      journey.receive();
      journey.tell(rejectedOf(journey.command('validate'), NOON));
      return journey;
    }

    function putAway(journey: Journey): Envelope {
      const { measurementId } = journey;
      const data = { measurementId, generation: 1, location, fileCount: 3 };
      const about = { identity: [measurementId], time: NOON };
      const envelope = messageOf('landfall.measurement.quarantined.v1', data, about);
      const [order] = journey.saidOf('landfall.measurement.quarantine.v1').slice(-1);
      return { ...envelope, causationid: order!.id };
    }

    function corrected(journey: Journey, number = 1, folder = journey.recording.folder): Envelope {
      const { measurementId, recording } = journey;
      const { fleet, recordingId } = recording;
      const reason = { code: 'file-missing', message: '2 of 2 files are missing or not whole.' };
      const missing = ['can/bus.mf4', 'manifest.json'];
      const data = { measurementId, fleet, recordingId, folder, missing, missingCount: 2, reason };
      const about = { identity: [measurementId, number], time: NOON };
      return messageOf('landfall.measurement.incomplete.v1', data, about);
    }

    it('brings the others back from the error zone, and runs when they are there', () => {
      const journey = rejected();
      journey.tell(putAway(journey));
      journey.tell(corrected(journey));
      assert.equal(journey.state.state, 'Rehydrating');
      const restore = journey.lastDataOf('landfall.measurement.restore.v1');
      assert.deepEqual([restore.from, restore.locations], ['error', [location]]);
      journey.receive('files-corrected');
      assert.equal(journey.throughTo('share').state.state, 'Shared');
    });

    it('that comes while they are moved there waits until they are there', () => {
      const journey = rejected();
      journey.tell(corrected(journey));
      assert.equal(journey.state.state, 'Rejected');
      journey.tell(putAway(journey));
      assert.equal(journey.state.state, 'Rehydrating');
    });

    it('that does not make the folder whole leaves it rejected, and says what is still missing', () => {
      const journey = rejected();
      const { reason } = journey.state;
      journey.tell(putAway(journey));
      journey.tell(corrected(journey));
      const { measurementId } = journey;
      const back = { measurementId, generation: 1, fileCount: 1 };
      const about = { identity: [measurementId], time: NOON };
      journey.tell(messageOf('landfall.measurement.rehydrated.v1', back, about));
      journey.tell(corrected(journey, 2));
      assert.equal(journey.state.state, 'Rejected');
      assert.deepEqual(journey.state.reason, reason);
      assert.deepEqual(journey.state.lastRefusal?.reason.details, ['can/bus.mf4', 'manifest.json']);
    });

    it('is of no concern in another folder, nor once the measurement was copied', () => {
      const journey = rejected();
      journey.tell(putAway(journey));
      const elsewhere = { ...journey.recording.folder, account: 'landing2' };
      assert.deepEqual(journey.tell(corrected(journey, 1, elsewhere)), []);
      journey.receive('files-corrected');
      journey.throughTo('copy');
      journey.tell(failedOf(journey.command('extract'), false, NOON));
      assert.equal(journey.state.state, 'Failed');
      assert.deepEqual(journey.tell(corrected(journey, 2)), []);
    });

    it('does not take the answer to an earlier move for that to the last', () => {
      const journey = rejected();
      const late = putAway(journey);
      journey.receive('files-corrected');
      journey.tell(rejectedOf(journey.command('validate'), NOON));
      assert.deepEqual(journey.tell(late), []);
      assert.equal(journey.state.quarantine?.location, undefined);
    });
  });

  it('a rehydration names the duplicates that are to be removed before', () => {
    const journey = new Journey().throughTo('share');
    const landed = { ...journey.recording.manifest, path: 'landed.json' };
    journey.tell(receivedOf(journey.recording, 'files-again', NOON, landed));
    const [removal] = journey.saidOf('landfall.duplicate.remove.v1');
    journey.tell(rehydrate(journey));
    assert.deepEqual(journey.lastDataOf('landfall.measurement.restore.v1').after, [
      { commandId: removal?.id, generation: 1 },
    ]);
    assert.equal(journey.state.removals, undefined);
  });

  describe('rehydration', () => {
    it('asks the archive, waits with a deadline, and runs as a new generation when the files are back', () => {
      const journey = new Journey().throughTo('share');
      journey.tell(rehydrate(journey));
      assert.equal(journey.state.state, 'Rehydrating');
      assert.equal(journey.lastDataOf('landfall.measurement.restore.v1').from, 'archive');
      assert.equal(journey.measurementDocument()['dueAt'], '2026-05-07T12:00:00.000Z');
      journey.receive('files-restored');
      assert.equal(journey.state.generation, 2);
      assert.equal(journey.throughTo('share').state.state, 'Shared');
    });

    it('of a rejected measurement takes the error zone', () => {
      const journey = new Journey();
      journey.receive();
      journey.tell(rejectedOf(journey.command('validate'), NOON));
      const { measurementId } = journey;
      const location = { account: 'error1', container: 'recordings', path: 'x/' };
      journey.tell(
        messageOf(
          'landfall.measurement.quarantined.v1',
          { measurementId, generation: 1, location, fileCount: 3 },
          { identity: [measurementId], time: NOON },
        ),
      );
      journey.tell(rehydrate(journey));
      assert.deepEqual(journey.lastDataOf('landfall.measurement.restore.v1').locations, [location]);
    });

    it('that comes to nothing leaves the measurement as it was, says why, and can be asked for again', () => {
      const journey = new Journey().throughTo('share');
      journey.tell(rehydrate(journey));
      journey.tell(restoreFailure(journey, 1));
      assert.equal(journey.state.state, 'Shared');
      assert.equal(journey.measurementDocument()['dueAt'], undefined, 'nothing is waited for');
      const { request, actor, reason } = journey.state.lastRefusal!;
      assert.deepEqual([request, actor, reason.code], ['rehydrate', 'ann', 'not-found']);
      journey.tell(rehydrate(journey));
      assert.equal(journey.state.state, 'Rehydrating');
      assert.deepEqual(journey.tell(restoreFailure(journey, 1)), [], 'the first one cannot fail the second');
      assert.deepEqual(journey.tell(expiryOf(journey, 'rehydrate', 1)), []);
    });

    it('of a rejected measurement that comes to nothing keeps why it was rejected', () => {
      const journey = new Journey();
      journey.receive();
      journey.tell(rejectedOf(journey.command('validate'), NOON));
      const { reason } = journey.state;
      const { measurementId } = journey;
      const location = { account: 'error1', container: 'recordings', path: 'x/' };
      const quarantined = { measurementId, generation: 1, location, fileCount: 3 };
      const about = { identity: [measurementId], time: NOON };
      journey.tell(messageOf('landfall.measurement.quarantined.v1', quarantined, about));
      journey.tell(rehydrate(journey));
      journey.tell(restoreFailure(journey, 1));
      assert.equal(journey.state.state, 'Rejected');
      assert.deepEqual(journey.state.reason, reason);
    });

    it('that does not end in time is a failure, from which an upload still starts', () => {
      const journey = new Journey().throughTo('share');
      journey.tell(rehydrate(journey));
      journey.tell(expiryOf(journey, 'rehydrate', 1));
      assert.equal(journey.state.state, 'Failed');
      journey.receive('files-2');
      assert.equal(journey.state.state, 'Running');
      assert.equal(journey.state.generation, 2);
    });
  });

  describe('data streams of other teams', () => {
    const dataStreamId = 'team-lanes-1';
    const created = (journey: Journey) =>
      messageOf(
        'landfall.data-stream.create.v1',
        {
          measurementId: journey.measurementId,
          generation: 1,
          dataStream: {
            dataStreamId,
            kind: 'labeled',
            zone: 'labeled',
            locations: [],
            parents: [journey.state.stages.extract.result?.dataStream?.dataStreamId ?? 'none'],
            fileCount: 1,
            sizeBytes: 1,
            rowCount: 1,
          },
        },
        { identity: [journey.measurementId, dataStreamId], time: NOON },
      );
    const reported = (journey: Journey, state: 'Processing' | 'Completed' | 'StartCopy', attempt: number) =>
      messageOf(
        'landfall.data-stream.report-state.v1',
        { measurementId: journey.measurementId, dataStreamId, attempt, state },
        { identity: [journey.measurementId, dataStreamId, state, attempt], time: NOON },
      );

    it('are created, change state when reported, and refuse stale or impossible reports', () => {
      const journey = new Journey().throughTo('extract');
      journey.tell(created(journey));
      journey.tell(reported(journey, 'Processing', 1));
      journey.tell(reported(journey, 'Completed', 2));
      assert.match(journey.state.lastRefusal?.reason.message ?? '', /current attempt 1/);
      journey.tell(reported(journey, 'Completed', 1));
      assert.equal(journey.state.dataStreams[dataStreamId]?.state, 'Completed');
      journey.tell(reported(journey, 'Processing', 1));
      assert.equal(journey.state.dataStreams[dataStreamId]?.state, 'Completed');
    });
  });

  it('measurement ids are computed from fleet and recording', () => {
    assert.equal(measurementIdOfRecording(recordingOf()), new Journey().measurementId);
  });
});
