import assert from 'node:assert/strict';
import { ApiClient } from '#adapters/cli/api-client.ts';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { measurementIdFor, showStatus, steer, waitForEnd } from '#adapters/cli/measurements.ts';
import type { MeasurementStatus } from '#domain/measurement-status.ts';
import { FakeApi, RecordedTerminal } from '#test/support/fake-api.ts';

const ID = '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11';
const OTHER = '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c12';
const NOW = new Date('2026-03-01T10:00:10.000Z');

const status = (state: MeasurementStatus['state'], more: Partial<MeasurementStatus> = {}) => ({
  measurementId: ID,
  fleet: 'test',
  recordingId: 'drive-7',
  vehicle: { vin: 'WLF1' },
  generation: 1,
  state,
  stages: [
    {
      stage: 'validate',
      state: 'Succeeded',
      attempt: 2,
      startedAt: '2026-03-01T10:00:00.000Z',
      endedAt: '2026-03-01T10:00:01.500Z',
    },
    { stage: 'register', state: 'Running', attempt: 1, startedAt: '2026-03-01T10:00:02.000Z' },
    { stage: 'copy', state: 'Pending', attempt: 0 },
  ],
  dataStreams: [],
  scenes: [],
  shares: [],
  updatedAt: '2026-03-01T10:00:02.000Z',
  ...more,
});

describe('landfall status', () => {
  let api: FakeApi;
  let client: ApiClient;
  let terminal: RecordedTerminal;
  beforeEach(async () => {
    api = new FakeApi();
    client = new ApiClient(await api.start());
    terminal = new RecordedTerminal();
  });
  afterEach(() => api.stop());
  const ports = () => ({ api: client, terminal, now: () => NOW });
  const answer = (...bodies: readonly object[]) =>
    api.answerInTurn(
      `GET /measurements/${ID}`,
      bodies.map((body) => ({ status: 200, body })),
    );
  const lines = (...recordings: readonly [string, string][]) =>
    api.answers.set('GET /measurements', {
      status: 200,
      body: {
        measurements: recordings.map(([measurementId, recordingId]) => ({
          measurementId,
          recordingId,
          fleet: 'test',
          generation: 1,
          state: 'Running',
        })),
      },
    });

  it('says what a measurement is, how far each stage is, and how long it took', async () => {
    answer(status('Running'));
    assert.equal(await showStatus(ports(), ID, { watch: false, json: false }), EXIT.ok);
    assert.match(terminal.text, /^drive-7 {2}Running\n/);
    assert.match(terminal.text, /✓ validate +Succeeded, attempt 2 {2}1\.5 s/);
    assert.match(terminal.text, /▸ register +Running {2}8 s/);
    assert.match(terminal.text, /· copy +Pending$/);
  });

  it('gives the reason, and the page that helps', async () => {
    const reason = { code: 'file-missing', message: 'b.bag is not there.', details: ['one more'] };
    answer(status('Failed', { reason }));
    await showStatus(ports(), ID, { watch: false, json: false });
    assert.match(
      terminal.text,
      /because +b\.bag is not there\.\n +one more\n +help +docs\/runbooks\/file-missing\.md/,
    );
  });

  it('says where to look when there is no such measurement', async () => {
    await assert.rejects(
      showStatus(ports(), ID, { watch: false, json: false }),
      /There is no measurement 0b0e3b0a.*`landfall status` lists them/,
    );
  });

  it('lists measurements, or says how to begin', async () => {
    lines();
    await showStatus(ports(), undefined, { watch: false, json: false });
    assert.match(terminal.text, /No measurements yet.*landfall upload/);
    lines([ID, 'drive-7']);
    await showStatus(ports(), undefined, { watch: false, json: false });
    assert.match(terminal.printed[1]!, /^measurement +recording[\s\S]*drive-7/);
  });

  it('finds a measurement by the name of its recording or the beginning of its id', async () => {
    lines([ID, 'drive-7'], [OTHER, 'drive-8']);
    assert.equal(await measurementIdFor(client, 'drive-8'), OTHER);
    await assert.rejects(measurementIdFor(client, '0b0e3b0a'), /may be one of .*c11.*c12; name it whole/);
    await assert.rejects(measurementIdFor(client, 'drive-9'), /There is no measurement drive-9/);
    lines([ID, 'drive-7']);
    assert.equal(await measurementIdFor(client, '0b0e3b0a'), ID);
    assert.equal(await measurementIdFor(client, OTHER.toUpperCase()), OTHER);
  });

  it('watches until the end, each change once, and tells by its exit code how it ended', async () => {
    const ended = status('Rejected');
    ended.stages[1]!.state = 'Failed';
    answer(status('Running'), status('Running'), ended);
    assert.equal(await showStatus(ports(), ID, { watch: true, json: false }), EXIT.notShared);
    assert.deepEqual(
      terminal.printed.map((line) => line.trim().slice(0, 10)),
      ['✓ validate', '✗ register'],
    );
    answer(status('Shared'));
    assert.equal(await showStatus(ports(), ID, { watch: true, json: true }), EXIT.ok);
    assert.equal(JSON.parse(terminal.printed.at(-1)!).state, 'Shared');
  });

  it('goes on watching when the API was away for a moment, and not when it says no', async () => {
    api.answerInTurn(`GET /measurements/${ID}`, [
      { status: 200, body: status('Running') },
      { status: 503, body: { detail: 'Cosmos is busy.' } },
      { status: 200, body: status('Shared') },
    ]);
    assert.equal(await showStatus(ports(), ID, { watch: true, json: true }), EXIT.ok);
    api.answerInTurn(`GET /measurements/${ID}`, [
      { status: 200, body: status('Running') },
      { status: 400, body: { detail: 'What?' } },
    ]);
    await assert.rejects(showStatus(ports(), ID, { watch: true, json: true }), /CommandError: What\?/);
  });

  it('says that it waits for a measurement that is not there yet', async () => {
    api.answerInTurn(`GET /measurements/${ID}`, [{ status: 404 }, { status: 200, body: status('Shared') }]);
    await showStatus(ports(), ID, { watch: true, json: false });
    assert.match(terminal.notes[0]!, /There is no measurement .* yet\. Waiting/);
  });

  it('does not take the end of an earlier run for the end of this one', async () => {
    const before = status('Shared') as MeasurementStatus;
    const after = status('Shared', { updatedAt: '2026-03-01T11:00:00.000Z' });
    answer(before, status('Running'), after);
    assert.equal((await waitForEnd(client, ID, before, 60_000)).updatedAt, after.updatedAt);
  });

  it('ends when the same bytes came again and nothing had to be done', async () => {
    const before = status('Shared') as MeasurementStatus;
    answer(before);
    assert.equal((await waitForEnd(client, ID, before, 0)).state, 'Shared');
  });

  it('sends a wish and says that it is one', async () => {
    api.answers.set(`POST /measurements/${ID}/cancel`, { status: 202 });
    const wish = { actor: 'ada', reason: 'wrong car' };
    assert.equal(await steer(ports(), ID, 'cancel', wish, false), EXIT.ok);
    assert.deepEqual(api.requests.at(-1)?.body, wish);
    assert.match(terminal.text, /^Accepted\. Watch it with/);
  });

  it('gives a stranger between us and the API no stack trace', async () => {
    api.answers.set('GET /measurements', { status: 502, text: '<html>Bad Gateway</html>' });
    await assert.rejects(
      showStatus(ports(), undefined, { watch: false, json: false }),
      (error: unknown) => error instanceof CommandError && /answered 502 Bad Gateway/.test(error.message),
    );
  });
});
