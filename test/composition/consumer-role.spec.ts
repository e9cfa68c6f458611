import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageRole } from '#composition/consumer-role.ts';
import { localStack } from '#composition/local-stack.ts';
import type { Role } from '#composition/role.ts';
import { readSettings, type Settings } from '#composition/settings.ts';
import { RetryableFailure } from '#domain/failures.ts';
import { type Envelope, envelopeOf } from '#domain/messages.ts';
import {
  entitiesOf,
  eventually,
  type LocalNamespace,
  openNamespace,
} from '#test/emulators/service-bus/local-namespace.ts';
import { QuietTelemetry } from '#test/simulation/fakes/quiet-telemetry.ts';

const MEASUREMENT = '0f3f3c5e-7a5e-5a57-9a0c-5b1f6a1c2d3e';

function cancelMessage(id: string): Envelope {
  return envelopeOf(
    'landfall.measurement.cancel.v1',
    { measurementId: MEASUREMENT, actor: 'somebody', reason: 'a test' },
    { id, source: 'test', time: new Date(0), fleet: 'default', region: 'local', sequence: 0 },
  ) as Envelope;
}

describe('a role that consumes a queue', function () {
  this.timeout(30_000);
  let namespace: LocalNamespace;
  let settings: Settings;
  let role: Role | undefined;

  before(async () => {
    namespace = await openNamespace(
      entitiesOf([
        { Name: 'failed-messages' },
        { Name: 'saga', Properties: { ForwardDeadLetteredMessagesTo: 'failed-messages' } },
      ]),
    );
    settings = readSettings({
      ...localStack({ LANDFALL_HOME: join(tmpdir(), 'landfall-consumer-role-spec') }).environment,
      LANDFALL_SERVICE_BUS_CONNECTION_STRING: namespace.emulator.connectionString,
      LANDFALL_SERVICE_BUS_ADMIN_ENDPOINT: namespace.emulator.adminEndpoint,
      LANDFALL_RETRY_DELAYS_SECONDS: '0.2',
    });
  });

  afterEach(async () => {
    await role?.stop();
    role = undefined;
  });

  after(() => namespace.close());

  async function consume(handle: (message: Envelope) => Promise<void>): Promise<void> {
    role = messageRole({ settings, telemetry: new QuietTelemetry() }, 'saga', 2, handle);
    await role.start();
  }

  const send = (id: string, body: unknown) => namespace.send('saga', { body, messageId: id });
  const isEmpty = async () =>
    (await namespace.administration.getQueueRuntimeProperties('saga')).totalMessageCount === 0;

  it('hands over our messages, as what their type says they are', async () => {
    const seen: Envelope[] = [];
    await consume(async (message) => {
      seen.push(message);
    });
    await send('one', cancelMessage('one'));
    await eventually('it is handled', async () => seen.length === 1 && (await isEmpty()));
    assert.equal(seen[0]?.type, 'landfall.measurement.cancel.v1');
    assert.equal(seen[0].subject, MEASUREMENT);
  });

  it('sends what nobody can read to the failed messages, with the reason', async () => {
    let handledCount = 0;
    await consume(async () => {
      handledCount += 1;
    });
    await send('poison', { specversion: '1.0', type: 'landfall.measurement.paint.v9' });
    const receiver = namespace.client.createReceiver('failed-messages');
    const [dead] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
    assert.equal(dead?.deadLetterReason, 'TerminalFailure:message-invalid');
    assert.match(
      dead.deadLetterErrorDescription ?? '',
      /not a Landfall CloudEvent.*nobody here can handle it/,
    );
    await receiver.completeMessage(dead);
    await receiver.close();
    assert.equal(handledCount, 0);
  });

  it('tries again after the delay that the settings name', async () => {
    const at: number[] = [];
    await consume(async () => {
      at.push(performance.now());
      if (at.length === 1) throw new RetryableFailure('dependency-unavailable', 'Cosmos does not answer');
    });
    await send('again', cancelMessage('again'));
    await eventually('a second time', async () => at.length === 2 && (await isEmpty()));
    assert.ok(at[1]! - at[0]! >= 180, `after ${at[1]! - at[0]!} ms`);
  });

  it('finishes what is in hand when it stops', async () => {
    let begun = () => {};
    const handling = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let ended = false;
    await consume(async () => {
      begun();
      await new Promise((resolve) => setTimeout(resolve, 300));
      ended = true;
    });
    await send('slow', cancelMessage('slow'));
    await handling;
    await role?.stop();
    assert.ok(ended);
    assert.ok(await isEmpty(), 'and it is completed');
  });
});
