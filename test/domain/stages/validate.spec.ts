import assert from 'node:assert/strict';
import type { LedgerFile } from '#domain/block-ledger.ts';
import type { Manifest } from '#domain/manifest.ts';
import { NO_LOSS, type TopicFacts } from '#domain/recording-facts.ts';
import { judgeValidation, planValidation, qualityOf } from '#domain/stages/validate.ts';
import type { FileFinding, ValidateTask } from '#domain/tasks/validate-task.ts';

const FOLDER = { account: 'landing', container: 'recordings', path: 'd/' };
const RECORDING = {
  fleet: 'f',
  recordingId: 'd',
  region: 'r',
  vehicle: { vin: 'V' },
  folder: FOLDER,
  manifest: { ...FOLDER, path: 'd/manifest.json', sha256: 'a'.repeat(64), sizeBytes: 9 },
  fileCount: 1,
  sizeBytes: 1,
};

function manifestOf(files: Manifest['files']): Manifest {
  return { schemaVersion: 1, fleet: 'f', recordingId: 'd', vehicle: { vin: 'V' }, files };
}

function ledgerFile(
  path: string,
  topics: readonly Partial<TopicFacts>[],
  startTime: string,
  endTime: string,
): LedgerFile {
  const full = topics.map((topic) => ({
    name: '/t',
    schemaName: 's',
    encoding: 'ros1',
    messageCount: 10,
    outOfOrderCount: 0,
    ...topic,
  }));
  const recording = {
    format: 'mcap' as const,
    version: '1',
    startTime,
    endTime,
    topics: full,
    loss: NO_LOSS,
  };
  return {
    path,
    sizeBytes: 1,
    eTag: 'e',
    sha256: 'a'.repeat(64),
    blockSizeBytes: 8,
    blockMd5s: [],
    recording,
  };
}

describe('planning a validation', () => {
  it('bundles 10,000 small files into a few tasks, and gives a large one its own', () => {
    const file = (path: string, sizeBytes: number) => ({ path, sizeBytes, sha256: 'b'.repeat(64) });
    const small = Array.from({ length: 10_000 }, (_, index) => file(`${index}.bag`, 1000));
    const manifest = manifestOf([...small, file('large.mf4', 3 * 1024 ** 3)]);
    const { tasks } = planValidation({
      recording: RECORDING,
      manifest,
      landedETags: new Map([['7.bag', 'e7']]),
    });
    assert.equal(tasks.length, 52);
    const files = tasks.flatMap((task) => task.own['files'] as ValidateTask['files']);
    assert.equal(files.length, 10_002);
    assert.equal(files[0]?.path, 'manifest.json');
    assert.equal(files[0]?.sha256, RECORDING.manifest.sha256);
    assert.equal(files.find(({ path }) => path === '7.bag')?.eTag, 'e7');
    assert.equal(files.find(({ path }) => path === '8.bag')?.eTag, '', 'not there: the task says so');
  });
});

describe('judging a validation', () => {
  it('spans the quality over all files, and counts a topic of several files once', () => {
    const quality = qualityOf('V', [
      ledgerFile('b', [{}], '2026-01-01T00:00:10.000Z', '2026-01-01T00:00:20.000Z'),
      ledgerFile(
        'a',
        [{}, { name: '/u', messageCount: 5 }],
        '2026-01-01T00:00:00.000Z',
        '2026-01-01T00:00:10.000Z',
      ),
    ]);
    assert.equal(quality.durationSeconds, 20);
    assert.equal(quality.topicCount, 2);
    assert.equal(quality.messageCount, 25);
    assert.deepEqual(quality.warnings, []);
  });

  it('warns of an unknown vehicle, of silence, of silent topics and of disorder', () => {
    const topics = [
      { name: '/gap', rateHz: 10, gapMsMax: 2500 },
      { name: '/slow', rateHz: 0.1, gapMsMax: 20_000 },
      { name: '/silent', messageCount: 0 },
      { name: '/shuffled', outOfOrderCount: 3 },
    ];
    const file = ledgerFile('a', topics, '2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z');
    const { warnings } = qualityOf('UNKNOWN', [file]);
    assert.deepEqual(warnings, [
      'the vehicle is UNKNOWN: no vehicle configuration (DBC, topic map) applies',
      'a: topic /gap is silent for 2.5 s at 10.0 Hz',
      'a: topic /silent has no messages',
      'a: topic /shuffled has 3 messages earlier than the one before',
    ]);
  });

  it('lists twenty problems at most, and says how many more there are', () => {
    const findings = Array.from({ length: 30 }, (_, index): FileFinding => {
      const path = `${index}.bag`;
      return { path, problem: { code: 'file-missing', message: `${path} is not there` } };
    });
    const judgement = judgeValidation(manifestOf([]), 'V', findings);
    assert.equal(judgement.verdict, 'rejected');
    const details = judgement.verdict === 'rejected' ? (judgement.reason.details ?? []) : [];
    assert.equal(details.length, 20);
    assert.equal(details[19], 'and 11 further problems');
  });
});
