// Events that could not be delivered, as a blob each in the container their subscription names.
// "Dead letter and retry policies" and "Event Grid message delivery and retry", section "Dead-letter events".
import { randomUUID } from 'node:crypto';
import { sharedKeyAuthorization } from '../storage-shared-key.ts';
import type { Delivery } from './delivery-store.ts';

/** A storage account that dead letters can be written to. */
export interface DeadLetterAccount {
  readonly name: string;
  readonly key: string;
  /** `http://127.0.0.1:10000/<account>`, without a slash at its end. */
  readonly blobEndpoint: string;
}

/** Reads `AccountName=…;AccountKey=…;BlobEndpoint=…`. */
export function parseStorageConnectionString(text: string): DeadLetterAccount {
  const parts = new Map(
    text.split(';').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );
  const name = parts.get('AccountName');
  const key = parts.get('AccountKey');
  const blobEndpoint = parts.get('BlobEndpoint');
  if (name === undefined || key === undefined || blobEndpoint === undefined)
    throw new Error('The storage connection string must have AccountName, AccountKey and BlobEndpoint.');
  return { name, key, blobEndpoint: blobEndpoint.replace(/\/$/, '') };
}

/** `<TOPIC>/<SUBSCRIPTION>/YYYY/M/D/H/<id>.json`, names in upper case, numbers not padded, UTC. */
export function deadLetterBlobName(subscription: string, at: Date): string {
  const hour = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours()].join('/');
  return `${subscription.toUpperCase()}/${hour}/${randomUUID()}.json`;
}

/** The blob's content: an array with the event and why it is here. */
export function deadLetterContent(delivery: Delivery): string {
  const { schema, event } = delivery.published;
  const facts = {
    deadLetterReason: delivery.deadLetterReason,
    deliveryAttempts: delivery.attempts,
    lastDeliveryOutcome: delivery.lastOutcome,
    publishTime: new Date(delivery.publishedAtMs).toISOString(),
    lastDeliveryAttemptTime:
      delivery.lastAttemptAtMs === undefined ? undefined : new Date(delivery.lastAttemptAtMs).toISOString(),
  };
  // Attributes of CloudEvents are in lower case.
  const added =
    schema === 'EventGridSchema'
      ? facts
      : Object.fromEntries(Object.entries(facts).map(([name, value]) => [name.toLowerCase(), value]));
  return JSON.stringify([{ ...event, ...added }]);
}

/** Writes the blob. Throws when the account cannot be reached or refuses, so that it can be tried again. */
export async function writeDeadLetter(
  account: DeadLetterAccount,
  container: string,
  blobName: string,
  content: string,
): Promise<void> {
  const url = new URL(`${account.blobEndpoint}/${container}/${blobName}`);
  const headers: Record<string, string> = {
    'x-ms-version': '2023-11-03',
    'x-ms-date': new Date().toUTCString(),
    'x-ms-blob-type': 'BlockBlob',
    'content-type': 'application/json',
  };
  const signed = {
    method: 'PUT',
    target: url.pathname,
    headers: { ...headers, 'content-length': String(Buffer.byteLength(content)) },
  };
  const authorization = sharedKeyAuthorization(account.name, account.key, signed);
  const answer = await fetch(url, { method: 'PUT', headers: { ...headers, authorization }, body: content });
  const text = await answer.text();
  if (!answer.ok)
    throw new Error(`The dead letter ${url} was refused: ${answer.status} ${text.slice(0, 200)}`);
}
