import { isFailure } from '../failures.ts';
import type { BlobLocation, BlobReference } from '../vocabulary.ts';

export interface BlobProperties {
  readonly location: BlobLocation;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly eTag: string;
  readonly lastModified: string;
  readonly contentType?: string;
  /** Lower-case hexadecimal; only where the service stores one. */
  readonly md5?: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** A copy into this blob that has not ended. */
  readonly copyPending: boolean;
  readonly tier?: 'Hot' | 'Cool' | 'Cold' | 'Archive';
  /** Asked back from the Archive tier, not yet there. */
  readonly rehydrating: boolean;
}

/** Bytes of one version of a blob, by range; structurally a ByteSource of src/formats. */
export interface BlobSource {
  readonly sizeBytes: number;
  read(offset: number, lengthBytes: number): Promise<Uint8Array>;
}

export interface CopyBlock {
  /** Base64, equal length within a blob. */
  readonly blockId: string;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Lower-case hexadecimal MD5 of the block; the service refuses other bytes. Absent: only the source's eTag pins them. */
  readonly md5?: string;
}

/** Blobs in all zones. Every method throws RetryableFailure when the service cannot be reached or throttles. */
export interface BlobStore {
  head(location: BlobLocation): Promise<BlobProperties | undefined>;
  /** All blobs below a folder, in path order. */
  list(folder: BlobLocation): AsyncIterable<BlobProperties>;
  /**
   * Pinned to the version named by `eTag`, else to the one seen at opening. Who has just looked and says both size and
   * eTag spares a second look; what is wrong is then found by reading.
   * @throws {TerminalFailure} `not-found`; `file-changed`, at opening or reading, when it is another version.
   */
  open(
    location: BlobLocation,
    options?: { readonly eTag?: string; readonly sizeBytes?: number },
  ): Promise<BlobSource>;
  /** The whole of a small blob. @throws {TerminalFailure} `not-found`, or when larger than `sizeBytesMax`. */
  read(location: BlobLocation, sizeBytesMax?: number): Promise<Uint8Array>;
  /** The whole of a blob that somebody referred to. @throws {TerminalFailure} `not-found`, `file-changed` when its SHA-256 differs. */
  readPinned(reference: BlobReference): Promise<Uint8Array>;
  /** `sha256` is of the content given, also where `onlyIfAbsent` found another and `written` is false. */
  write(
    location: BlobLocation,
    content: Uint8Array,
    options: {
      readonly contentType: string;
      readonly onlyIfAbsent?: boolean;
      readonly metadata?: Readonly<Record<string, string>>;
    },
  ): Promise<{ readonly eTag: string; readonly written: boolean; readonly sha256: string }>;
  /** A file of any size, in blocks, committed at the end. */
  uploadFile(
    localPath: string,
    location: BlobLocation,
    options: { readonly contentType: string; readonly onProgress?: (bytesSent: number) => void },
  ): Promise<{ readonly eTag: string; readonly sizeBytes: number }>;
  /**
   * Server-side: the bytes go from account to account, never through this process.
   * @throws {TerminalFailure} `file-changed` when the source has another eTag, `copy-unverified` when a block has other bytes.
   */
  copyBlock(
    source: { readonly location: BlobLocation; readonly eTag: string },
    target: BlobLocation,
    block: CopyBlock,
  ): Promise<void>;
  /** @throws {Conflict} when there is a blob already, and there was to be none (`onlyIfAbsent`). */
  commitBlocks(
    target: BlobLocation,
    blocks: readonly CopyBlock[],
    options: {
      readonly contentType?: string;
      readonly metadata?: Readonly<Record<string, string>>;
      readonly onlyIfAbsent?: boolean;
    },
  ): Promise<{ readonly eTag: string }>;
  /** The committed blocks in order, or undefined when the blob does not exist. */
  committedBlocks(
    target: BlobLocation,
  ): Promise<readonly { readonly blockId: string; readonly sizeBytes: number }[] | undefined>;
  /** @returns false when it was not there. @throws {Conflict} when the eTag differs. */
  remove(location: BlobLocation, options?: { readonly eTag?: string }): Promise<boolean>;
  setTier(
    location: BlobLocation,
    tier: 'Hot' | 'Cool' | 'Archive',
    priority?: 'Standard' | 'High',
  ): Promise<void>;
  /** A URL anyone can read with, until it expires; signed with the narrowest rights. */
  readUrl(location: BlobLocation, expiresAt: Date): Promise<string>;
}

/** As `read`; undefined where there is no such blob. What else goes wrong is thrown. */
export async function readIfThere(
  blobs: Pick<BlobStore, 'read'>,
  location: BlobLocation,
  sizeBytesMax?: number,
): Promise<Uint8Array | undefined> {
  try {
    return await blobs.read(location, sizeBytesMax);
  } catch (error) {
    if (isFailure(error) && error.code === 'not-found') return undefined;
    throw error;
  }
}
