import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { serviceBusEntities } from '#adapters/azure/service-bus/entities.ts';
import { ServiceBusMessageSender } from '#adapters/azure/service-bus/service-bus-message-sender.ts';
import { type Envelope, envelopeOf } from '#domain/messages.ts';
import { type LocalNamespace, openNamespace } from '#test/emulators/service-bus/local-namespace.ts';

const ID = '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11';

describe('the subscriber that other teams may copy', function () {
  this.timeout(30_000);
  let namespace: LocalNamespace;
  before(async () => {
    namespace = await openNamespace(serviceBusEntities() as Parameters<typeof openNamespace>[0]);
  });
  after(() => namespace.close());

  const contextOf = (sequence: number) => ({
    id: `event-${sequence}`,
    source: 'landfall/saga',
    time: new Date(0),
    fleet: 'test',
    region: 'local',
    sequence,
  });

  it('receives the events of its team, says which are valid, and ends at the one it waits for', async () => {
    const { connectionString, adminEndpoint } = namespace.emulator;
    const sender = new ServiceBusMessageSender({ auth: 'emulator-key', connectionString, adminEndpoint });
    const cancelled = (sequence: number, actor: string) =>
      envelopeOf(
        'landfall.measurement.cancelled.v1',
        { measurementId: ID, generation: 1, actor, reason: 'wrong car' },
        contextOf(sequence),
      );
    const rehydrated = envelopeOf(
      'landfall.measurement.rehydrated.v1',
      { measurementId: ID, generation: 1, fileCount: 3 },
      contextOf(3),
    );
    const nobody = undefined as unknown as string;
    for (const envelope of [cancelled(1, 'ada'), cancelled(2, nobody), rehydrated] as Envelope[]) {
      const destination = { kind: 'topic', name: 'events' } as const;
      await sender.send([{ destination, envelope, messageId: envelope.id }]);
    }
    await sender.close();

    const { code, stdout } = await run(
      ['--until', 'landfall.measurement.rehydrated.v1', '--measurement', ID, '--timeout-seconds', '20'],
      connectionString,
    );
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ type, sequence, valid }) => [type, sequence, valid]),
      [
        ['landfall.measurement.cancelled.v1', '0000000001', true],
        ['landfall.measurement.cancelled.v1', '0000000002', false],
        ['landfall.measurement.rehydrated.v1', '0000000003', true],
      ],
    );
    assert.match(lines[1].problem, /actor/);
    assert.equal(code, 1, 'an invalid event is a failure');
    const receiver = namespace.client.createReceiver('events', 'perception');
    assert.deepEqual(await receiver.peekMessages(10), [], 'what was dealt with is gone');
    await receiver.close();
  });
});

function run(arguments_: readonly string[], connectionString: string) {
  return new Promise<{ code: number; stdout: string }>((resolve) => {
    execFile(
      process.execPath,
      ['docs/examples/subscriber/subscriber.ts', ...arguments_],
      { env: { ...process.env, LANDFALL_SERVICE_BUS_CONNECTION_STRING: connectionString } },
      (error, stdout) => resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    );
  });
}
