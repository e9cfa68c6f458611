// The events Azure Storage gives to Event Grid, in the Event Grid schema.
// "Azure Blob Storage as an Event Grid source": blob events, and events of accounts with a hierarchical namespace.
import { randomUUID } from 'node:crypto';
import type { BlobAddress } from './blob-operation.ts';

/** One event as Storage publishes it; Event Grid turns it into CloudEvents for subscriptions that ask so. */
export interface StorageEvent {
  readonly topic: string;
  readonly subject: string;
  readonly eventType: `Microsoft.Storage.${string}`;
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly dataVersion: string;
  readonly metadataVersion: '1';
  readonly eventTime: string;
}

/** What a blob was like after the operation. Sizes in bytes. */
export interface BlobFacts {
  /** Without quotes, as captured events have it. */
  readonly eTag: string;
  readonly contentType: string;
  readonly contentLength: number;
  readonly blobType: string;
  /** `Default` when the tier is inferred from the account. */
  readonly accessTier: string;
}

/** What is the same in every event: who asked, when, in which order, and where the blob is reached. */
export interface EventOccasion {
  readonly address: BlobAddress;
  /** The address of the blob as clients use it. */
  readonly url: string;
  readonly clientRequestId: string | undefined;
  readonly requestId: string;
  readonly now: Date;
  /** Grows with every event; comparable as text for one blob name. */
  readonly sequencer: string;
}

export type CreatingApi = 'PutBlob' | 'PutBlockList' | 'CopyBlob' | 'CreateFile' | 'FlushWithClose';

export function blobCreated(occasion: EventOccasion, api: CreatingApi, facts: BlobFacts): StorageEvent {
  const written = api === 'CreateFile' || api === 'FlushWithClose';
  // On the data lake endpoint the event says from where content was written, and has data version 2.
  const extent = written ? { contentOffset: 0 } : {};
  return event(occasion, 'BlobCreated', { api, ...facts, ...extent }, written ? '2' : '');
}

export function blobDeleted(occasion: EventOccasion, api: 'DeleteBlob' | 'DeleteFile'): StorageEvent {
  return event(occasion, 'BlobDeleted', { api }, api === 'DeleteFile' ? '1' : '');
}

export function blobTierChanged(occasion: EventOccasion, facts: BlobFacts): StorageEvent {
  return event(occasion, 'BlobTierChanged', { api: 'SetBlobTier', ...facts }, '');
}

/** A file or directory that has a new name. Of a directory there is one event, however much it holds. */
export function renamed(
  occasion: EventOccasion,
  kind: 'file' | 'directory',
  sourceUrl: string,
): StorageEvent {
  const type = kind === 'file' ? 'BlobRenamed' : 'DirectoryRenamed';
  const common = event(occasion, type, { api: kind === 'file' ? 'RenameFile' : 'RenameDirectory' }, '1');
  const { url: destinationUrl, ...rest } = common.data;
  return { ...common, data: { ...rest, destinationUrl, sourceUrl } };
}

export function directoryCreated(occasion: EventOccasion): StorageEvent {
  return event(occasion, 'DirectoryCreated', { api: 'CreateDirectory' }, '1');
}

export function directoryDeleted(occasion: EventOccasion, recursive: boolean): StorageEvent {
  return event(occasion, 'DirectoryDeleted', { api: 'DeleteDirectory', recursive: String(recursive) }, '1');
}

function event(
  occasion: EventOccasion,
  type: string,
  particulars: Record<string, unknown>,
  dataVersion: string,
): StorageEvent {
  const { address, clientRequestId, requestId } = occasion;
  const { api, ...facts } = particulars;
  return {
    topic: `/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/landfall/providers/Microsoft.Storage/storageAccounts/${address.account}`,
    subject: `/blobServices/default/containers/${address.container}/blobs/${address.blob}`,
    eventType: `Microsoft.Storage.${type}`,
    id: randomUUID(),
    data: {
      api,
      ...(clientRequestId === undefined ? {} : { clientRequestId }),
      requestId,
      ...facts,
      url: occasion.url,
      sequencer: occasion.sequencer,
      storageDiagnostics: { batchId: randomUUID() },
    },
    dataVersion,
    metadataVersion: '1',
    eventTime: occasion.now.toISOString(),
  };
}
