import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Conflict, TerminalFailure } from '#domain/failures.ts';
import type { BlobProperties, BlobSource, BlobStore, CopyBlock } from '#domain/ports/blob-store.ts';
import type { BlobLocation, BlobReference } from '#domain/vocabulary.ts';

interface StoredBlob {
  readonly content: Uint8Array;
  readonly properties: BlobProperties;
  readonly blocks: readonly { readonly blockId: string; readonly sizeBytes: number }[];
}

interface WriteOptions {
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Blobs in any number of accounts, in memory, with blocks that are staged and committed. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<string, StoredBlob>();
  readonly #staged = new Map<string, Map<string, Uint8Array>>();
  readonly #now: () => Date;
  #eTagCount = 0;

  constructor(now: () => Date) {
    this.#now = now;
  }

  async head(location: BlobLocation): Promise<BlobProperties | undefined> {
    return this.#blobs.get(keyOf(location))?.properties;
  }

  async *list(folder: BlobLocation): AsyncIterable<BlobProperties> {
    const prefix = keyOf(folder);
    const found = [...this.#blobs.entries()].filter(([key]) => key.startsWith(prefix));
    for (const [, blob] of found.toSorted(([a], [b]) => (a < b ? -1 : 1))) yield blob.properties;
  }

  /** What lies below a folder. Not part of the port. */
  pathsBelow(folder: BlobLocation): readonly string[] {
    return [...this.#blobs.keys()].filter((key) => key.startsWith(keyOf(folder)));
  }

  async open(location: BlobLocation, options: { readonly eTag?: string } = {}): Promise<BlobSource> {
    const eTag = options.eTag ?? this.#existing(location).properties.eTag;
    const pinned = (): Uint8Array => {
      const { content, properties } = this.#existing(location);
      if (properties.eTag === eTag) return content;
      throw new TerminalFailure('file-changed', `${keyOf(location)} is not the version ${eTag} any more`);
    };
    return {
      sizeBytes: pinned().length,
      read: async (offset, lengthBytes) => pinned().slice(offset, offset + lengthBytes),
    };
  }

  async read(location: BlobLocation, sizeBytesMax = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const { content } = this.#existing(location);
    if (content.length <= sizeBytesMax) return content;
    throw new TerminalFailure(
      'file-size-mismatch',
      `${keyOf(location)} is larger than ${sizeBytesMax} bytes`,
    );
  }

  async readPinned(reference: BlobReference): Promise<Uint8Array> {
    const { content } = this.#existing(reference);
    if (sha256Of(content) === reference.sha256) return content;
    throw new TerminalFailure('file-changed', `${keyOf(reference)} has other bytes than were referred to`);
  }

  async write(
    location: BlobLocation,
    content: Uint8Array,
    options: WriteOptions & { readonly onlyIfAbsent?: boolean },
  ): Promise<{ readonly eTag: string; readonly written: boolean; readonly sha256: string }> {
    const sha256 = sha256Of(content);
    const known = this.#blobs.get(keyOf(location));
    if (options.onlyIfAbsent === true && known !== undefined) {
      return { eTag: known.properties.eTag, written: false, sha256 };
    }
    return { eTag: this.#put(location, content, options, []), written: true, sha256 };
  }

  async uploadFile(
    localPath: string,
    location: BlobLocation,
    options: { readonly contentType: string; readonly onProgress?: (bytesSent: number) => void },
  ): Promise<{ readonly eTag: string; readonly sizeBytes: number }> {
    const content = new Uint8Array(await readFile(localPath));
    const eTag = this.#put(location, content, options, []);
    options.onProgress?.(content.length);
    return { eTag, sizeBytes: content.length };
  }

  async copyBlock(
    source: { readonly location: BlobLocation; readonly eTag: string },
    target: BlobLocation,
    block: CopyBlock,
  ): Promise<void> {
    const { content, properties } = this.#existing(source.location);
    if (properties.eTag !== source.eTag) {
      throw new TerminalFailure('file-changed', `${keyOf(source.location)} is not ${source.eTag} any more`);
    }
    const bytes = content.slice(block.offset, block.offset + block.sizeBytes);
    const hasOtherBytes =
      block.md5 !== undefined && createHash('md5').update(bytes).digest('hex') !== block.md5;
    if (bytes.length !== block.sizeBytes || hasOtherBytes) {
      throw new TerminalFailure(
        'copy-unverified',
        `block ${block.blockId} of ${keyOf(source.location)} differs`,
      );
    }
    const staged = this.#staged.get(keyOf(target)) ?? new Map<string, Uint8Array>();
    this.#staged.set(keyOf(target), staged.set(block.blockId, bytes));
  }

  async commitBlocks(
    target: BlobLocation,
    blocks: readonly CopyBlock[],
    options: WriteOptions & { readonly onlyIfAbsent?: boolean },
  ): Promise<{ readonly eTag: string }> {
    if (options.onlyIfAbsent === true && this.#blobs.has(keyOf(target))) {
      throw new Conflict(`${keyOf(target)} is there already`);
    }
    const staged = this.#staged.get(keyOf(target));
    const parts = blocks.map((block) => {
      const bytes = staged?.get(block.blockId);
      if (bytes !== undefined) return bytes;
      throw new TerminalFailure(
        'copy-unverified',
        `block ${block.blockId} of ${keyOf(target)} was never copied`,
      );
    });
    const list = blocks.map(({ blockId, sizeBytes }) => ({ blockId, sizeBytes }));
    this.#staged.delete(keyOf(target));
    return { eTag: this.#put(target, new Uint8Array(Buffer.concat(parts)), options, list) };
  }

  async committedBlocks(
    target: BlobLocation,
  ): Promise<readonly { readonly blockId: string; readonly sizeBytes: number }[] | undefined> {
    return this.#blobs.get(keyOf(target))?.blocks;
  }

  async remove(location: BlobLocation, options: { readonly eTag?: string } = {}): Promise<boolean> {
    const known = this.#blobs.get(keyOf(location));
    if (known === undefined) return false;
    if (options.eTag !== undefined && known.properties.eTag !== options.eTag) {
      throw new Conflict(`${keyOf(location)} is not the version ${options.eTag} any more`);
    }
    return this.#blobs.delete(keyOf(location));
  }

  async setTier(location: BlobLocation, tier: 'Hot' | 'Cool' | 'Archive'): Promise<void> {
    const blob = this.#existing(location);
    this.#blobs.set(keyOf(location), { ...blob, properties: { ...blob.properties, tier } });
  }

  async readUrl(location: BlobLocation, expiresAt: Date): Promise<string> {
    return `https://memory.invalid/${keyOf(location)}?se=${expiresAt.toISOString()}&sp=r`;
  }

  /** What a copy that has not ended looks like. Not part of the port. */
  setCopyPending(location: BlobLocation, copyPending: boolean): void {
    const blob = this.#existing(location);
    this.#blobs.set(keyOf(location), { ...blob, properties: { ...blob.properties, copyPending } });
  }

  /** A rename on an account with a hierarchical namespace: the same bytes and eTag under another path. */
  rename(source: BlobLocation, target: BlobLocation): void {
    const blob = this.#existing(source);
    this.#blobs.delete(keyOf(source));
    this.#blobs.set(keyOf(target), { ...blob, properties: { ...blob.properties, location: place(target) } });
  }

  #existing(location: BlobLocation): StoredBlob {
    const blob = this.#blobs.get(keyOf(location));
    if (blob !== undefined) return blob;
    throw new TerminalFailure('not-found', `${keyOf(location)} does not exist`);
  }

  #put(
    location: BlobLocation,
    content: Uint8Array,
    options: WriteOptions,
    blocks: StoredBlob['blocks'],
  ): string {
    const eTag = `0x${(++this.#eTagCount).toString(16).toUpperCase().padStart(15, '0')}`;
    // As the service does: whole seconds (Last-Modified is an HTTP date).
    const lastModified = new Date(Math.floor(this.#now().getTime() / 1000) * 1000).toISOString();
    const properties: BlobProperties = {
      location: place(location),
      sizeBytes: content.length,
      eTag,
      lastModified,
      ...(options.contentType === undefined ? {} : { contentType: options.contentType }),
      metadata: options.metadata ?? {},
      copyPending: false,
      rehydrating: false,
      tier: 'Hot',
    };
    this.#blobs.set(keyOf(location), { content: content.slice(), properties, blocks });
    return eTag;
  }
}

function keyOf({ account, container, path }: BlobLocation): string {
  return `${account}/${container}/${path}`;
}

function place({ account, container, path }: BlobLocation): BlobLocation {
  return { account, container, path };
}

export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
