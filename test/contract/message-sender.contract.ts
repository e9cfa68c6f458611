import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { envelopeOf } from '#domain/messages.ts';
import type { MessageSender, OutgoingMessage } from '#domain/ports/message-sender.ts';

export interface MessageSenderUnderTest {
  readonly sender: MessageSender;
  /** Queues and a topic that exist, and what lies in a queue (or for the topic, in its subscription) now. */
  readonly queue: string;
  readonly topic: string;
  readonly lyingIn: (
    entity: string,
  ) => Promise<readonly { readonly messageId: string; readonly body: unknown }[]>;
}

export function outgoing(more: Partial<OutgoingMessage> = {}, reason = 'r'): OutgoingMessage {
  const measurementId = randomUUID();
  const envelope = envelopeOf(
    'landfall.measurement.cancelled.v1',
    { measurementId, generation: 1, actor: 'a', reason },
    {
      id: randomUUID(),
      source: 'landfall/test',
      time: new Date('2026-01-02T03:04:05Z'),
      fleet: 'f',
      region: 'local',
      sequence: 7,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    },
  );
  return { destination: { kind: 'queue', name: 'extract' }, envelope, messageId: envelope.id, ...more };
}

export function messageSenderContract(name: string, start: () => Promise<MessageSenderUnderTest>): void {
  describe(`message sender: ${name}`, () => {
    let test: MessageSenderUnderTest;
    before(async () => {
      test = await start();
    });

    it('has delivered everything when it resolves, to queues and topics, as it was given', async () => {
      const { sender, queue, topic, lyingIn } = test;
      const toQueue = [1, 2, 3].map(() => outgoing({ destination: { kind: 'queue', name: queue } }));
      const toTopic = outgoing({ destination: { kind: 'topic', name: topic }, consumer: 'extract' });
      await sender.send([...toQueue, toTopic]);
      const expected = ({ messageId, envelope }: OutgoingMessage) => ({ messageId, body: envelope });
      const inQueue = await lyingIn(queue);
      for (const message of toQueue)
        assert.ok(inQueue.some(({ messageId }) => messageId === message.messageId));
      assert.deepEqual(
        inQueue.find(({ messageId }) => messageId === toQueue[1]?.messageId),
        expected(toQueue[1]!),
      );
      assert.deepEqual(await lyingIn(topic), [expected(toTopic)]);
      await sender.send([]);
    });

    it('sends more than one batch holds', async () => {
      const { sender, queue, lyingIn } = test;
      const before = (await lyingIn(queue)).length;
      const many = Array.from({ length: 40 }, () =>
        outgoing({ destination: { kind: 'queue', name: queue } }, 'x'.repeat(20_000)),
      );
      await sender.send(many);
      assert.equal((await lyingIn(queue)).length - before, 40);
    });
  });
}
