import assert from 'node:assert/strict';
import { ApiClient } from '#adapters/cli/api-client.ts';
import {
  auditReplays,
  listDeadLetters,
  replayDeadLetters,
  showDeadLetter,
} from '#adapters/cli/dead-letters.ts';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { FakeApi, RecordedTerminal } from '#test/support/fake-api.ts';

const deadLetter = (id: string, reason: string) => ({
  failedMessageId: id,
  queue: 'sync',
  messageType: 'landfall.measurement.sync.v1',
  measurementId: '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11',
  cloudEventId: `event-${id}`,
  reason,
  description: 'The message does not match its schema.',
  body: { specversion: '1.0' },
  failedAt: '2026-03-01T10:00:00.000Z',
  state: 'failed',
  replayCount: 0,
});

const NO_CHOICE = { all: false, rate: 50, dryRun: false, json: false };

describe('landfall dead-letters', () => {
  let api: FakeApi;
  let base: string;
  let terminal: RecordedTerminal;
  beforeEach(async () => {
    api = new FakeApi();
    base = await api.start();
    terminal = new RecordedTerminal();
  });
  afterEach(() => api.stop());
  const ports = () => ({ api: new ApiClient(base), terminal, actor: 'ada' });
  const answerReplay = (found: number, replayed: number, dryRun = false) =>
    api.answers.set('POST /dead-letters/replay', {
      status: 200,
      body: { operationId: 'op-1', dryRun, found, replayed, skipped: found - replayed },
    });

  it('lists them below a count per cause, the most frequent first', async () => {
    api.answers.set('GET /dead-letters', {
      status: 200,
      body: {
        deadLetters: [deadLetter('a', 'Rare'), deadLetter('b', 'Frequent'), deadLetter('c', 'Frequent')],
      },
    });
    await listDeadLetters(ports(), { queue: 'sync', json: false });
    assert.match(terminal.text, /^ +2 {2}Frequent in sync\n +1 {2}Rare in sync\n\ndead letter/);
    assert.equal(api.requests[0]?.path, '/dead-letters?limit=1000&queue=sync');
  });

  it('shows who replayed what, when and why', async () => {
    const replay = {
      operationId: 'op-1',
      actor: 'ada',
      why: 'the map service is back',
      at: '2026-03-01T10:00:00.000Z',
      failedMessageIds: ['a', 'b'],
      dryRun: true,
    };
    api.answers.set('GET /replays', { status: 200, body: { replays: [replay] } });
    await auditReplays(ports(), { json: false });
    assert.match(
      terminal.text,
      /op-1 .*2026-03-01T10:00:00.000Z .*ada .*2 \(dry run\) .*the map service is back/,
    );
    terminal.printed.length = 0;
    await auditReplays(ports(), { json: true });
    assert.deepEqual(JSON.parse(terminal.text), [replay]);
  });

  it('says so when there are none', async () => {
    api.answers.set('GET /dead-letters', { status: 200, body: { deadLetters: [] } });
    await listDeadLetters(ports(), { json: false });
    assert.equal(terminal.text, 'No dead letters.');
  });

  it('shows one with its reason and the message as it was', async () => {
    api.answers.set('GET /dead-letters/a', { status: 200, body: deadLetter('a', 'Rare') });
    await showDeadLetter(ports(), 'a', { json: false });
    assert.match(terminal.text, /because +Rare: The message does not match[\s\S]*"specversion": "1.0"/);
  });

  it('says where to look when there is no such dead letter', async () => {
    answerReplay(0, 0);
    for (const work of [
      showDeadLetter(ports(), 'z', { json: false }),
      replayDeadLetters(ports(), 'z', NO_CHOICE),
    ]) {
      await assert.rejects(work, /There is no dead letter z\. `landfall dead-letters list`/);
    }
  });

  it('replays one, with who asked and why', async () => {
    answerReplay(1, 1);
    await replayDeadLetters(ports(), 'a', { ...NO_CHOICE, why: 'fixed in 1.2', rate: 5 });
    assert.deepEqual(api.requests[0]?.body, {
      failedMessageIds: ['a'],
      all: false,
      why: 'fixed in 1.2',
      ratePerSecond: 5,
      dryRun: false,
      actor: 'ada',
    });
    assert.match(terminal.text, /1 of 1 dead letters were sent/);
  });

  it('only counts on a dry run', async () => {
    answerReplay(7, 0, true);
    await replayDeadLetters(ports(), undefined, { ...NO_CHOICE, all: true, reason: 'Rare', dryRun: true });
    assert.equal(terminal.text, 'To replay: 7 dead letters. Nothing was sent.');
    assert.deepEqual(api.requests[0]?.body, {
      all: true,
      reason: 'Rare',
      ratePerSecond: 50,
      dryRun: true,
      actor: 'ada',
    });
  });

  it('goes on with a replay that was interrupted, under its own id', async () => {
    answerReplay(3, 1);
    await replayDeadLetters(ports(), undefined, { ...NO_CHOICE, all: true, operation: 'op-1' });
    const body = api.requests.at(-1)?.body as { readonly operationId?: string } | undefined;
    assert.equal(body?.operationId, 'op-1');
  });

  it('refuses to replay when nothing, or two things, were chosen', async () => {
    for (const [id, options] of [
      [undefined, NO_CHOICE],
      ['a', { ...NO_CHOICE, all: true }],
    ] as const) {
      await assert.rejects(replayDeadLetters(ports(), id, options), (error: unknown) => {
        assert.ok(error instanceof CommandError);
        assert.equal(error.exitCode, EXIT.usage);
        return true;
      });
    }
    assert.deepEqual(api.requests, []);
  });
});

describe('the metadata API as the command line uses it', () => {
  it('says how to start it when it does not answer', async () => {
    const api = new FakeApi();
    const base = await api.start();
    await api.stop();
    await assert.rejects(new ApiClient(base).get('/measurements'), (error: unknown) => {
      assert.ok(error instanceof CommandError);
      assert.equal(error.exitCode, EXIT.notReady);
      assert.match(error.message, /does not answer: .*ECONNREFUSED.*Start it with `landfall up`/);
      return true;
    });
  });

  it('passes on what a problem says', async () => {
    const api = new FakeApi();
    const base = await api.start();
    api.answers.set('POST /x', {
      status: 409,
      body: { title: 'not-allowed', detail: 'It has ended already.' },
    });
    await assert.rejects(
      new ApiClient(base).send('POST', '/x', {}),
      /^CommandError: It has ended already\.$/,
    );
    await api.stop();
  });
});
