// Raises the event of what has just happened to a blob.
import type { AzuriteClient } from './azurite-client.ts';
import * as events from './blob-event.ts';
import type { BlobAddress } from './blob-operation.ts';
import type { EventOutbox } from './event-outbox.ts';

/** The request that made something happen. */
export interface Cause {
  readonly address: BlobAddress;
  readonly clientRequestId: string | undefined;
  readonly requestId: string;
}

/** Each method has the event on disk when its promise is kept, and must be awaited before the client is answered. */
export class StorageEvents {
  readonly #azurite: AzuriteClient;
  readonly #outbox: EventOutbox;
  readonly #endpoint: () => string;
  readonly #silentAccounts: ReadonlySet<string>;

  /**
   * `endpoint` is the address clients use, without a slash at its end; known once the proxy listens. Accounts that are
   * silent raise no events.
   */
  constructor(
    azurite: AzuriteClient,
    outbox: EventOutbox,
    endpoint: () => string,
    silentAccounts: ReadonlySet<string>,
  ) {
    this.#azurite = azurite;
    this.#outbox = outbox;
    this.#endpoint = endpoint;
    this.#silentAccounts = silentAccounts;
  }

  /** `known` is what the blob is like, where the request has said it. */
  async created(cause: Cause, api: events.CreatingApi, known?: events.BlobFacts): Promise<void> {
    if (this.#isSilent(cause)) return;
    const facts = known ?? (await this.#factsOf(cause));
    this.#add(cause, (occasion) => events.blobCreated(occasion, api, facts));
  }

  async tierChanged(cause: Cause): Promise<void> {
    if (this.#isSilent(cause)) return;
    const facts = await this.#factsOf(cause);
    this.#add(cause, (occasion) => events.blobTierChanged(occasion, facts));
  }

  deleted(cause: Cause, api: 'DeleteBlob' | 'DeleteFile'): void {
    this.#add(cause, (occasion) => events.blobDeleted(occasion, api));
  }

  renamed(cause: Cause, kind: 'file' | 'directory', sourcePath: string): void {
    const sourceUrl = this.#endpoint() + sourcePath;
    this.#add(cause, (occasion) => events.renamed(occasion, kind, sourceUrl));
  }

  directoryCreated(cause: Cause): void {
    this.#add(cause, (occasion) => events.directoryCreated(occasion));
  }

  directoryDeleted(cause: Cause, recursive: boolean): void {
    this.#add(cause, (occasion) => events.directoryDeleted(occasion, recursive));
  }

  async #factsOf(cause: Cause): Promise<events.BlobFacts> {
    const facts = await this.#azurite.blobFacts(cause.address.account, cause.address.path);
    // Somebody else has already deleted it again. Azure would still have told of the creation.
    return (
      facts ?? {
        eTag: '',
        contentType: 'application/octet-stream',
        contentLength: 0,
        blobType: 'BlockBlob',
        accessTier: 'Default',
      }
    );
  }

  #isSilent({ address }: Cause): boolean {
    return this.#silentAccounts.has(address.account);
  }

  #add(cause: Cause, build: (occasion: events.EventOccasion) => events.StorageEvent): void {
    if (this.#isSilent(cause)) return;
    const url = this.#endpoint() + cause.address.path;
    this.#outbox.add((sequencer) => build({ ...cause, url, sequencer, now: new Date() }));
  }
}
