import assert from 'node:assert/strict';
import sinon from 'sinon';
import type { Broker } from '#emulators/service-bus/broker.ts';
import { PublisherLink } from '#emulators/service-bus/publisher-link.ts';
import type { RheaDelivery, RheaReceiver } from '#emulators/service-bus/rhea-internals.ts';
import { messageTooLarge } from '#emulators/service-bus/service-bus-error.ts';

const MESSAGE = Buffer.from([0x00, 0x53, 0x77, 0xa1, 0x01, 0x78]);

describe('Service Bus: a sender', () => {
  it('is answered only after its message is on disk', () => {
    const stored: (() => void)[] = [];
    const publish = sinon.stub().returns([1]);
    const broker = { publish, whenStored: (callback: () => void) => stored.push(callback) };
    const delivery = { update: sinon.spy() };
    const link = new PublisherLink(
      {} as RheaReceiver,
      { kind: 'queue', path: 'landing' } as never,
      broker as unknown as Broker,
    );
    link.receive(delivery as unknown as RheaDelivery, MESSAGE, 1, undefined);
    sinon.assert.calledOnce(publish);
    sinon.assert.notCalled(delivery.update);
    assert.equal(stored.length, 1);
    stored[0]!();
    sinon.assert.calledOnceWithMatch(delivery.update, true);
  });

  it('is refused with all three fields of an AMQP error', () => {
    const publish = sinon.stub().throws(messageTooLarge(2, 1));
    const broker = { publish, whenStored: (callback: () => void) => callback() };
    const delivery = { update: sinon.spy() };
    const link = new PublisherLink(
      {} as RheaReceiver,
      { kind: 'queue', path: 'landing' } as never,
      broker as unknown as Broker,
    );
    link.receive(delivery as unknown as RheaDelivery, MESSAGE, 1, undefined);
    const [, outcome] = delivery.update.firstCall.args;
    assert.equal(outcome.value[0].value.length, 3);
  });
});
