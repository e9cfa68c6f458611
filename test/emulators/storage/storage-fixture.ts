// A storage emulator in a temporary folder with a stand-in for Event Grid that keeps what it is given.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BlobServiceClient, type ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { sharedKeyAuthorization } from '#emulators/storage-shared-key.ts';

export const ACCOUNT_KEY = Buffer.from('k'.repeat(64)).toString('base64');

export interface ReceivedEvent {
  readonly id: string;
  readonly topic: string;
  readonly subject: string;
  readonly eventType: string;
  readonly dataVersion: string;
  readonly data: Record<string, unknown>;
}

export interface EventSink {
  readonly endpoint: string;
  readonly events: ReceivedEvent[];
  /** Answers 503 to everything until it is true again. */
  accepting: boolean;
  close(): void;
}

export async function startEventSink(): Promise<EventSink> {
  const events: ReceivedEvent[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (sink.accepting) events.push(...JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(sink.accepting ? 200 : 503).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sink: EventSink = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    events,
    accepting: true,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return sink;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'landfall-storage-'));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export function containerClient(endpoint: string, account: string, container: string): ContainerClient {
  const credential = new StorageSharedKeyCredential(account, ACCOUNT_KEY);
  return new BlobServiceClient(`${endpoint}/${account}`, credential, {
    retryOptions: { maxTries: 1 },
  }).getContainerClient(container);
}

/** A request to the dfs endpoint, signed with the account key. `target` is the path below the account. */
export async function dataLake(
  endpoint: string,
  account: string,
  method: string,
  target: string,
  { headers = {}, body = '' }: { headers?: Record<string, string>; body?: string } = {},
): Promise<Response> {
  const path = `/${account}/${target}`;
  const signed: Record<string, string> = {
    'x-ms-version': '2023-11-03',
    'x-ms-date': new Date().toUTCString(),
    'content-type': 'application/octet-stream',
    ...(method === 'DELETE' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const authorization = sharedKeyAuthorization(account, ACCOUNT_KEY, {
    method,
    target: path,
    headers: signed,
  });
  const { 'content-length': _counted, ...sent } = signed;
  return fetch(endpoint + path, {
    method,
    headers: { ...sent, authorization },
    ...(method === 'DELETE' ? {} : { body }),
  });
}

/** Waits for a condition; fails with `what` when it has not come true after `deadlineMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 5_000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited ${deadlineMs} ms in vain until ${what}.`);
    await delay(10);
  }
}

/** The events of one blob name so far, in the order they came, as `Type api`. */
export function story(sink: EventSink, subjectEnd: string): string[] {
  return sink.events
    .filter((event) => event.subject.endsWith(subjectEnd))
    .map((event) => `${event.eventType.replace('Microsoft.Storage.', '')} ${event.data['api']}`);
}
