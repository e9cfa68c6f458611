import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { BlobGetPropertiesResponse, BlobItem } from '@azure/storage-blob';
import { Conflict, TerminalFailure } from '#domain/failures.ts';
import type { BlobProperties, BlobSource, BlobStore, CopyBlock } from '#domain/ports/blob-store.ts';
import { type BlobLocation, type BlobReference, blobNameOf } from '#domain/vocabulary.ts';
import { codeOf, retryableFailureOf, statusOf } from '../service-failure.ts';
import { type StorageAccounts, withSourceETag } from './storage-accounts.ts';

/** Blobs that are read whole are small: manifests, configurations, results. */
const WHOLE_BLOB_BYTES_MAX = 64 * 1024 * 1024;
const UPLOAD_BLOCK_BYTES = 8 * 1024 * 1024;
const UPLOADS_AT_ONCE = 4;
/** Long enough for a block of any size to be read by the other account. */
const COPY_SIGNATURE_HOURS = 6;

type Tier = NonNullable<BlobProperties['tier']>;

/** Azure Blob Storage, flat and hierarchical accounts alike, through the blob endpoint. */
export class AzureBlobStore implements BlobStore {
  readonly #accounts: StorageAccounts;

  constructor(accounts: StorageAccounts) {
    this.#accounts = accounts;
  }

  async head(location: BlobLocation): Promise<BlobProperties | undefined> {
    try {
      const properties = await this.#accounts.blob(location).getProperties();
      return isFolder(properties.metadata) ? undefined : propertiesOf(location, properties);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw translated(error, location, 'looked at');
    }
  }

  async *list(folder: BlobLocation): AsyncGenerator<BlobProperties> {
    const container = this.#accounts.container(folder);
    const listed = container.listBlobsFlat({
      prefix: folder.path,
      includeMetadata: true,
      includeCopy: true,
    });
    try {
      for await (const item of listed) {
        if (!isFolder(item.metadata)) yield listedPropertiesOf({ ...folder, path: item.name }, item);
      }
    } catch (error) {
      if (codeOf(error) === 'ContainerNotFound') return;
      throw translated(error, folder, 'listed');
    }
  }

  async open(
    location: BlobLocation,
    options: { readonly eTag?: string; readonly sizeBytes?: number } = {},
  ): Promise<BlobSource> {
    const known = options.eTag !== undefined && options.sizeBytes !== undefined;
    const properties = known
      ? { eTag: options.eTag, sizeBytes: options.sizeBytes }
      : await this.head(location);
    if (properties === undefined) throw absent(location);
    if (options.eTag !== undefined && options.eTag !== properties.eTag) throw changed(location);
    const { sizeBytes, eTag } = properties;
    return {
      sizeBytes,
      read: (offset, lengthBytes) => this.#readRange(location, eTag, offset, lengthBytes),
    };
  }

  async read(location: BlobLocation, sizeBytesMax = WHOLE_BLOB_BYTES_MAX): Promise<Uint8Array> {
    try {
      const answer = await this.#accounts.blob(location).download();
      const sizeBytes = answer.contentLength ?? 0;
      if (sizeBytes > sizeBytesMax) {
        (answer.readableStreamBody as { destroy?(): void } | undefined)?.destroy?.();
        throw new TerminalFailure(
          'file-size-mismatch',
          `${blobNameOf(location)} has ${sizeBytes} bytes; at most ${sizeBytesMax} were expected.`,
        );
      }
      return await collect(answer.readableStreamBody, sizeBytes);
    } catch (error) {
      throw translated(error, location, 'read');
    }
  }

  async readPinned(reference: BlobReference): Promise<Uint8Array> {
    const content = await this.read(reference, Math.max(reference.sizeBytes, WHOLE_BLOB_BYTES_MAX));
    if (sha256Of(content) !== reference.sha256) throw changed(reference);
    return content;
  }

  async write(
    location: BlobLocation,
    content: Uint8Array,
    options: Parameters<BlobStore['write']>[2],
  ): Promise<{ readonly eTag: string; readonly written: boolean; readonly sha256: string }> {
    const sha256 = sha256Of(content);
    try {
      const answer = await this.#inContainer(location, () =>
        this.#accounts
          .blob(location)
          .upload(Buffer.from(content.buffer, content.byteOffset, content.length), content.length, {
            blobHTTPHeaders: { blobContentType: options.contentType },
            ...(options.metadata === undefined ? {} : { metadata: { ...options.metadata } }),
            ...(options.onlyIfAbsent === true ? { conditions: { ifNoneMatch: '*' } } : {}),
          }),
      );
      return { eTag: unquoted(answer.etag), written: true, sha256 };
    } catch (error) {
      // After a lost answer the client library tries again and meets its own blob: for the caller the same.
      if (options.onlyIfAbsent === true && [409, 412].includes(statusOf(error) ?? 0)) {
        const existing = await this.head(location);
        if (existing !== undefined) return { eTag: existing.eTag, written: false, sha256 };
      }
      throw translated(error, location, 'written');
    }
  }

  async uploadFile(
    localPath: string,
    location: BlobLocation,
    options: Parameters<BlobStore['uploadFile']>[2],
  ): Promise<{ readonly eTag: string; readonly sizeBytes: number }> {
    const { size: sizeBytes } = await stat(localPath);
    const { onProgress } = options;
    try {
      const answer = await this.#inContainer(location, () =>
        this.#accounts.blob(location).uploadFile(localPath, {
          blockSize: UPLOAD_BLOCK_BYTES,
          concurrency: UPLOADS_AT_ONCE,
          blobHTTPHeaders: { blobContentType: options.contentType },
          ...(onProgress === undefined ? {} : { onProgress: ({ loadedBytes }) => onProgress(loadedBytes) }),
        }),
      );
      return { eTag: unquoted(answer.etag), sizeBytes };
    } catch (error) {
      throw translated(error, location, `uploaded from ${localPath}`);
    }
  }

  async copyBlock(
    source: { readonly location: BlobLocation; readonly eTag: string },
    target: BlobLocation,
    block: CopyBlock,
  ): Promise<void> {
    const expiresAt = new Date(Date.now() + COPY_SIGNATURE_HOURS * 3_600_000);
    try {
      const sourceUrl = await this.#accounts.readUrl(source.location, expiresAt);
      await this.#inContainer(target, () =>
        withSourceETag(source.eTag, () =>
          this.#accounts
            .blob(target)
            .stageBlockFromURL(block.blockId, sourceUrl, block.offset, block.sizeBytes, {
              ...(block.md5 === undefined ? {} : { sourceContentMD5: Buffer.from(block.md5, 'hex') }),
            }),
        ),
      );
    } catch (error) {
      const range = `bytes ${block.offset} to ${block.offset + block.sizeBytes} of ${blobNameOf(source.location)}`;
      if (['Md5Mismatch', 'Sha256Mismatch'].includes(codeOf(error) ?? ''))
        throw new TerminalFailure('copy-unverified', `${range} are not those that were validated.`, {
          cause: error,
        });
      if (statusOf(error) === 412 || codeOf(error) === 'InvalidRange') throw changed(source.location, error);
      throw translated(error, source.location, `copied to ${blobNameOf(target)}`);
    }
  }

  async commitBlocks(
    target: BlobLocation,
    blocks: readonly CopyBlock[],
    options: Parameters<BlobStore['commitBlocks']>[2],
  ): Promise<{ readonly eTag: string }> {
    try {
      const answer = await this.#inContainer(target, () =>
        this.#accounts.blob(target).commitBlockList(
          blocks.map(({ blockId }) => blockId),
          {
            ...(options.contentType === undefined
              ? {}
              : { blobHTTPHeaders: { blobContentType: options.contentType } }),
            ...(options.metadata === undefined ? {} : { metadata: { ...options.metadata } }),
            ...(options.onlyIfAbsent === true ? { conditions: { ifNoneMatch: '*' } } : {}),
          },
        ),
      );
      return { eTag: unquoted(answer.etag) };
    } catch (error) {
      if (options.onlyIfAbsent === true && [409, 412].includes(statusOf(error) ?? 0)) {
        throw new Conflict(`${blobNameOf(target)} is there already.`, { cause: error });
      }
      if (codeOf(error) === 'InvalidBlockList' || codeOf(error) === 'InvalidBlockId') {
        throw new TerminalFailure(
          'copy-unverified',
          `${blobNameOf(target)} lacks blocks that were to be committed; copy its blocks again.`,
          { cause: error },
        );
      }
      throw translated(error, target, 'committed');
    }
  }

  async committedBlocks(
    target: BlobLocation,
  ): Promise<readonly { readonly blockId: string; readonly sizeBytes: number }[] | undefined> {
    try {
      const list = await this.#accounts.blob(target).getBlockList('committed');
      return (list.committedBlocks ?? []).map(({ name, size }) => ({ blockId: name, sizeBytes: size }));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw translated(error, target, 'looked at');
    }
  }

  async remove(location: BlobLocation, options: { readonly eTag?: string } = {}): Promise<boolean> {
    try {
      await this.#accounts.blob(location).delete({
        deleteSnapshots: 'include',
        ...(options.eTag === undefined ? {} : { conditions: { ifMatch: quoted(options.eTag) } }),
      });
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      if (statusOf(error) === 412)
        throw new Conflict(`${blobNameOf(location)} changed since it was looked at.`, { cause: error });
      throw translated(error, location, 'removed');
    }
  }

  async setTier(
    location: BlobLocation,
    tier: 'Hot' | 'Cool' | 'Archive',
    priority?: 'Standard' | 'High',
  ): Promise<void> {
    try {
      await this.#accounts
        .blob(location)
        .setAccessTier(tier, priority === undefined ? {} : { rehydratePriority: priority });
    } catch (error) {
      // Asked for a second time while the first is under way: what was wanted is happening.
      if (codeOf(error) === 'BlobBeingRehydrated') return;
      throw translated(error, location, `put into the ${tier} tier`);
    }
  }

  async readUrl(location: BlobLocation, expiresAt: Date): Promise<string> {
    try {
      return await this.#accounts.readUrl(location, expiresAt);
    } catch (error) {
      throw translated(error, location, 'signed for reading');
    }
  }

  async #readRange(
    location: BlobLocation,
    eTag: string,
    offset: number,
    lengthBytes: number,
  ): Promise<Uint8Array> {
    if (lengthBytes === 0) return new Uint8Array();
    try {
      const answer = await this.#accounts
        .blob(location)
        .download(offset, lengthBytes, { conditions: { ifMatch: quoted(eTag) }, maxRetryRequests: 3 });
      return await collect(answer.readableStreamBody, answer.contentLength ?? lengthBytes);
    } catch (error) {
      if (statusOf(error) === 412) throw changed(location, error);
      throw translated(error, location, `read at byte ${offset}`);
    }
  }

  /** Containers of a zone exist in Azure; on a fresh local stack the first write creates them. */
  async #inContainer<T>(location: BlobLocation, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (codeOf(error) !== 'ContainerNotFound') throw error;
      await this.#accounts.container(location).createIfNotExists();
      return request();
    }
  }
}

function propertiesOf(location: BlobLocation, properties: BlobGetPropertiesResponse): BlobProperties {
  return {
    location: placeOf(location),
    sizeBytes: properties.contentLength ?? 0,
    eTag: unquoted(properties.etag),
    lastModified: (properties.lastModified ?? new Date(0)).toISOString(),
    ...(properties.contentType === undefined ? {} : { contentType: properties.contentType }),
    ...md5Of(properties.contentMD5),
    metadata: properties.metadata ?? {},
    copyPending: properties.copyStatus === 'pending',
    ...(properties.accessTier === undefined ? {} : { tier: properties.accessTier as Tier }),
    rehydrating: properties.archiveStatus?.startsWith('rehydrate-pending') ?? false,
  };
}

function listedPropertiesOf(location: BlobLocation, { properties, metadata }: BlobItem): BlobProperties {
  return {
    location: placeOf(location),
    sizeBytes: properties.contentLength ?? 0,
    eTag: unquoted(properties.etag),
    lastModified: properties.lastModified.toISOString(),
    ...(properties.contentType === undefined ? {} : { contentType: properties.contentType }),
    ...md5Of(properties.contentMD5),
    metadata: metadata ?? {},
    copyPending: properties.copyStatus === 'pending',
    ...(properties.accessTier === undefined ? {} : { tier: properties.accessTier as Tier }),
    rehydrating: properties.archiveStatus?.startsWith('rehydrate-pending') ?? false,
  };
}

function md5Of(contentMd5: Uint8Array | undefined): { readonly md5?: string } {
  return contentMd5 === undefined || contentMd5.length === 0
    ? {}
    : { md5: Buffer.from(contentMd5).toString('hex') };
}

/** Accounts with a hierarchical namespace show folders as empty blobs with this mark. */
function isFolder(metadata: Readonly<Record<string, string>> | undefined): boolean {
  return metadata?.['hdi_isfolder'] === 'true';
}

/** The bytes of a stream whose length is known; a stream that ends early is an error of the connection. */
async function collect(stream: NodeJS.ReadableStream | undefined, sizeBytes: number): Promise<Uint8Array> {
  const content = new Uint8Array(sizeBytes);
  let position = 0;
  for await (const chunk of stream ?? []) {
    content.set(chunk as Uint8Array, position);
    position += (chunk as Uint8Array).length;
  }
  if (position !== sizeBytes) {
    throw Object.assign(new Error(`the answer ended after ${position} of ${sizeBytes} bytes`), {
      code: 'ECONNRESET',
    });
  }
  return content;
}

function translated(error: unknown, location: BlobLocation, done: string): unknown {
  if (error instanceof TerminalFailure) return error;
  if (statusOf(error) === 404) return absent(location, error);
  return retryableFailureOf(error, `${blobNameOf(location)} could not be ${done}`) ?? error;
}

function absent(location: BlobLocation, cause?: unknown): TerminalFailure {
  return new TerminalFailure('not-found', `${blobNameOf(location)} does not exist.`, { cause });
}

function changed(location: BlobLocation, cause?: unknown): TerminalFailure {
  return new TerminalFailure(
    'file-changed',
    `${blobNameOf(location)} is not the version any more that was looked at.`,
    { cause },
  );
}

function placeOf({ account, container, path }: BlobLocation): BlobLocation {
  return { account, container, path };
}

/** The service writes eTags with quotes in headers and without them in lists and events; we keep them without. */
function unquoted(eTag: string | undefined): string {
  return (eTag ?? '').replaceAll('"', '');
}

function quoted(eTag: string): string {
  return `"${eTag}"`;
}

function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
