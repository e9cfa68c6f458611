// The AMQP port: who may enter, what a broken client does to it, and faults on demand.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { ServiceBusClient } from '@azure/service-bus';
import rhea, { type Connection, type EventContext } from 'rhea';
import {
  entitiesOf,
  eventually,
  failureOf,
  fetchJson,
  type LocalNamespace,
  openNamespace,
  QUICK_RETRIES,
} from './local-namespace.ts';

const NO_RETRY = { retryOptions: { ...QUICK_RETRIES, maxRetries: 0, timeoutInMs: 1000 } };

describe('Service Bus: the AMQP port', () => {
  let namespace: LocalNamespace;
  const reports: string[] = [];

  before(async () => {
    namespace = await openNamespace(
      entitiesOf([{ Name: 'landing' }, { Name: 'kept' }, { Name: 'raw' }], [{ Name: 'events' }]),
      { idleTimeoutMs: 500, report: (line) => reports.push(line) },
    );
  });

  after(() => namespace.close());

  it('refuses a wrong key, and a wrong key name', async () => {
    const { connectionString } = namespace.emulator;
    for (const wrong of [
      connectionString.replace('SAS_KEY_VALUE', 'WRONG'),
      connectionString.replace('RootManageSharedAccessKey', 'Other'),
    ]) {
      const client = new ServiceBusClient(wrong, NO_RETRY);
      const failure = await failureOf(client.createSender('landing').sendMessages({ body: 1 }));
      assert.equal(failure.code, 'UnauthorizedAccess');
      await client.close();
    }
    assert.deepEqual(await namespace.bodies('landing'), []);
  });

  it('says that an entity does not exist, to senders, receivers and peekers alike', async () => {
    const { client } = namespace;
    const failures = await Promise.all([
      failureOf(client.createSender('nowhere').sendMessages({ body: 1 })),
      failureOf(client.createReceiver('nowhere').receiveMessages(1, { maxWaitTimeInMs: 500 })),
      failureOf(client.createReceiver('events', 'nobody').receiveMessages(1, { maxWaitTimeInMs: 500 })),
    ]);
    for (const failure of failures) assert.equal(failure.code, 'MessagingEntityNotFound');
  });

  it('refuses who asks for a session, or for messages of a topic', async () => {
    await failureOf(namespace.client.acceptSession('landing', 'A'));
    const topic = namespace.client.createReceiver('events').receiveMessages(1, { maxWaitTimeInMs: 500 });
    assert.match((await failureOf(topic)).message, /is a topic; receive from one of its subscriptions/);
  });

  it('goes on after clients that send garbage', async () => {
    const brokenOpen = Buffer.from([0, 0, 0, 12, 2, 0, 0, 0, 0x00, 0x53, 0x10, 0x02]);
    const greetings = [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'),
      Buffer.from([0, 0, 0, 200, 1, 2, 3]),
      Buffer.concat([Buffer.from('AMQP\x00\x01\x00\x00', 'latin1'), brokenOpen]),
    ];
    for (const greeting of greetings) await talk(namespace.emulator.port, greeting);
    assert.ok(reports.some((line) => line.startsWith('A connection was ended: ')));
    await namespace.send('kept', { body: 'still here' });
    assert.deepEqual(await namespace.bodies('kept'), ['still here']);
  });

  it('keeps a quiet client connected by heartbeats, and ends one that gives none', async () => {
    const sender = namespace.client.createSender('landing');
    await sender.sendMessages({ body: 'before the silence' });
    const mute = await mutePeer(namespace.emulator.port);
    // rhea ends a connection after twice the time it asked for.
    await eventually('the mute client is cut off', () => mute.isClosed());
    const { connections } = await fetchJson<{ connections: number }>(
      `${namespace.emulator.adminEndpoint}/health`,
    );
    assert.equal(connections, 1, 'the quiet client is still connected');
    await sender.sendMessages({ body: 'after the silence' });
  });

  it('asks for a token before anything else, and ends links whose token has expired', async () => {
    const connection = connectRaw(namespace.emulator.port);
    const refused = await attach(connection, 'raw');
    assert.equal(refused.condition, 'amqp:unauthorized-access');
    assert.equal(await putToken(connection, namespace.emulator.port, 'raw', Date.now() - 1000), 401);
    const seconds = Math.ceil(Date.now() / 1000) + 1;
    assert.equal(await putToken(connection, namespace.emulator.port, 'raw', seconds * 1000), 202);
    const foreign = await attach(connection, 'landing');
    assert.equal(foreign.condition, 'amqp:unauthorized-access', 'a token opens its own entity only');
    const accepted = await attach(connection, 'raw');
    assert.equal(accepted.condition, undefined);
    await eventually('the link is closed', () => accepted.closedWith() === 'amqp:unauthorized-access');
    assert.ok(Date.now() >= seconds * 1000);
    connection.close();
  });

  it('accepts the SASL mechanism the .NET client asks for', async () => {
    const answer = await saslWith(namespace.emulator.port, 'MSSBCBS');
    assert.equal(answer, 'ok');
  });
});

describe('Service Bus: faults on demand', () => {
  let namespace: LocalNamespace;

  beforeEach(async () => {
    namespace = await openNamespace(entitiesOf([{ Name: 'landing' }, { Name: 'other' }]));
  });

  afterEach(() => namespace.close());

  it('is busy for as often as it was told, and an SDK that retries does not notice', async () => {
    await namespace.addFault({ kind: 'serverBusy', operation: 'send', entity: 'landing', times: 2 });
    const impatient = new ServiceBusClient(namespace.emulator.connectionString, NO_RETRY);
    const failure = await failureOf(impatient.createSender('landing').sendMessages({ body: 'refused' }));
    assert.equal(failure.code, 'ServiceBusy');
    assert.equal(failure.retryable, true);
    await impatient.close();
    await namespace.send('other', { body: 'another entity' });
    await namespace.send('landing', { body: 'patient' });
    assert.deepEqual(await namespace.bodies('landing'), ['patient']);
  });

  it('stores a message and drops the answer, so that a retry stores it twice', async () => {
    await namespace.addFault({ kind: 'lostAnswer', operation: 'send', skip: 1 });
    const client = new ServiceBusClient(namespace.emulator.connectionString, {
      retryOptions: { ...QUICK_RETRIES, timeoutInMs: 200 },
    });
    const sender = client.createSender('landing');
    await sender.sendMessages({ body: 'answered' });
    await sender.sendMessages({ body: 'unanswered' });
    await client.close();
    assert.deepEqual(await namespace.bodies('landing'), ['answered', 'unanswered', 'unanswered']);
  });

  it('completes a message and drops the answer: the receiver fails, the message is gone', async () => {
    await namespace.send('landing', { body: 'done' });
    const client = new ServiceBusClient(namespace.emulator.connectionString, {
      retryOptions: { ...QUICK_RETRIES, maxRetries: 0, timeoutInMs: 300 },
    });
    const receiver = client.createReceiver('landing');
    const [message] = await namespace.receive(receiver);
    await namespace.addFault({ kind: 'lostAnswer', operation: 'settle' });
    await failureOf(receiver.completeMessage(message!));
    assert.deepEqual(await namespace.bodies('landing'), []);
    await client.close();
  });

  it('cuts the connection after it stored a message, and clients come back', async () => {
    await namespace.addFault({ kind: 'dropConnection', operation: 'send' });
    const client = new ServiceBusClient(namespace.emulator.connectionString, {
      retryOptions: { ...QUICK_RETRIES, timeoutInMs: 300 },
    });
    await client.createSender('landing').sendMessages({ body: 'cut off' });
    await client.close();
    assert.deepEqual(await namespace.bodies('landing'), ['cut off', 'cut off']);
  });

  it('answers late by as much as it was told', async () => {
    const sender = namespace.client.createSender('landing');
    await sender.sendMessages({ body: 'in time' });
    await namespace.addFault({ kind: 'latency', operation: 'send', milliseconds: 300 });
    const startedAt = performance.now();
    await sender.sendMessages({ body: 'late' });
    assert.ok(performance.now() - startedAt >= 295);
  });

  it('cuts all connections on demand, and a subscriber goes on by itself', async () => {
    const seen = new Set<number>();
    const receiver = namespace.client.createReceiver('landing');
    receiver.subscribe({
      processMessage: async (message) => void seen.add(message.body),
      processError: async () => undefined,
    });
    await namespace.send('landing', { body: 1 });
    await eventually('the first message is handled', () => seen.has(1));
    const url = `${namespace.emulator.adminEndpoint}/control/connections/drop`;
    const { dropped } = await fetchJson<{ dropped: number }>(url, { method: 'POST' });
    assert.equal(dropped, 1);
    const other = new ServiceBusClient(namespace.emulator.connectionString, { retryOptions: QUICK_RETRIES });
    await other.createSender('landing').sendMessages({ body: 2 });
    await eventually('the second message is handled', () => seen.has(2));
    await other.close();
  });

  it('refuses a fault it does not know, and forgets all of them when told', async () => {
    const url = `${namespace.emulator.adminEndpoint}/control/faults`;
    const refused = await fetch(url, { method: 'POST', body: '{"kind":"earthquake"}' });
    assert.equal(refused.status, 400);
    assert.match(await refused.text(), /kind/);
    await namespace.addFault({ kind: 'serverBusy', times: null });
    assert.equal((await fetchJson<{ faults: unknown[] }>(url)).faults.length, 1);
    await fetch(url, { method: 'DELETE' });
    await namespace.send('landing', { body: 'undisturbed' });
  });
});

function talk(port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.resume();
  });
}

/** Opens an AMQP connection and then says nothing more. */
async function mutePeer(port: number): Promise<{ isClosed(): boolean }> {
  let isClosed = false;
  const socket = connect(port, '127.0.0.1');
  const openFrame = Buffer.from('000000110200000000531 0c0040 1a10141'.replaceAll(' ', ''), 'hex');
  socket.write(Buffer.concat([Buffer.from('AMQP\x00\x01\x00\x00', 'latin1'), openFrame]));
  socket.on('close', () => {
    isClosed = true;
  });
  socket.on('error', () => undefined);
  socket.resume();
  await new Promise((resolve) => socket.once('data', resolve));
  return { isClosed: () => isClosed };
}

function connectRaw(port: number): Connection {
  return rhea.create_container().connect({ host: '127.0.0.1', port, reconnect: false, username: 'test' });
}

/** Attaches a sender; tells how it was refused, or later closed. */
async function attach(
  connection: Connection,
  address: string,
): Promise<{ condition: string | undefined; closedWith(): string | undefined }> {
  const link = connection.open_sender({ target: { address }, name: `${address}-${Math.random()}` });
  let closedWith: string | undefined;
  link.on('sender_error', () => {
    closedWith = (link.error as { condition?: string } | undefined)?.condition;
  });
  await new Promise((resolve) => {
    link.once('sendable', resolve);
    link.once('sender_close', resolve);
  });
  return { condition: closedWith, closedWith: () => closedWith };
}

async function putToken(
  connection: Connection,
  port: number,
  entity: string,
  expiresAt: number,
): Promise<number> {
  const replyTo = `cbs-${Math.random()}`;
  const resource = encodeURIComponent(`sb://127.0.0.1:${port}/${entity}`);
  const expiry = Math.floor(expiresAt / 1000);
  const signature = createHmac('sha256', 'SAS_KEY_VALUE').update(`${resource}\n${expiry}`).digest('base64');
  const sender = connection.open_sender({ target: { address: '$cbs' } });
  const receiver = connection.open_receiver({ source: { address: '$cbs' }, name: replyTo });
  const answer = new Promise<number>((resolve) => {
    receiver.once('message', ({ message }: EventContext) =>
      resolve(message?.application_properties?.['status-code']),
    );
  });
  await new Promise((resolve) => sender.once('sendable', resolve));
  sender.send({
    message_id: replyTo,
    reply_to: replyTo,
    application_properties: {
      operation: 'put-token',
      type: 'servicebus.windows.net:sastoken',
      name: resource,
    },
    body:
      `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}` +
      `&se=${expiry}&skn=RootManageSharedAccessKey`,
  });
  const status = await answer;
  sender.close();
  receiver.close();
  return status;
}

function saslWith(port: number, mechanism: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.write(Buffer.from('AMQP\x03\x01\x00\x00', 'latin1'));
    const name = Buffer.from(mechanism);
    const fields = Buffer.concat([Buffer.from([0xa3, name.length]), name]);
    const init = Buffer.concat([
      Buffer.from([2, 1, 0, 0, 0, 0x53, 0x41, 0xc0, fields.length + 1, 1]),
      fields,
    ]);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(init.length + 4);
    socket.write(Buffer.concat([size, init]));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      // sasl-outcome is descriptor 0x44; its code is ubyte 0 for "ok".
      const outcomeAt = received.indexOf(Buffer.from([0x00, 0x53, 0x44]));
      if (outcomeAt < 0) return;
      const codeAt = received.indexOf(0x50, outcomeAt);
      resolve(received[codeAt + 1] === 0 ? 'ok' : `code ${received[codeAt + 1]}`);
      socket.destroy();
    });
  });
}
