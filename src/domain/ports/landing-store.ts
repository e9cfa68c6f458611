import type { BlobLocation } from '../vocabulary.ts';

/** What is known of one file in Landing, as HEAD said last. */
export interface LandedFile {
  /** Relative to the folder. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly eTag: string;
  /** When the blob was written, by the storage account's clock (RFC 3339). */
  readonly lastModified: string;
}

/** One folder in Landing. Kept outside the saga: a folder may hold 10,000 files that arrive at once. */
export interface LandingFolder {
  readonly folder: string;
  readonly location: BlobLocation;
  /** The manifest's file list is in the blob; here only what decides. Absent until a readable manifest is there. */
  readonly manifest?: {
    readonly eTag: string;
    readonly sha256: string;
    readonly sizeBytes: number;
    readonly fleet: string;
    readonly recordingId: string;
    readonly vin: string;
    readonly fileCount: number;
  };
  /** A manifest is there but breaks a rule; the sentence says which. */
  readonly manifestProblem?: string;
  /** Files recorded, whether listed or not. */
  readonly fileCount: number;
  readonly firstArrivalAt: string;
  readonly lastArrivalAt: string;
  /** When waiting for missing files ends (RFC 3339). */
  readonly waitUntil: string;
  /** Hash of paths, sizes and eTags that was announced last, so that the same content is announced once. */
  readonly announcedFilesHash?: string;
  readonly announced?: 'received' | 'incomplete';
  readonly etag: string;
}

export interface LandingStore {
  folder(folder: string): Promise<LandingFolder | undefined>;
  /**
   * Records what HEAD said of one file (`undefined` = it is gone). Ignored when something newer is recorded already.
   * Creates the folder on its first file. Cheap: does not grow with the number of files.
   * @returns the folder afterwards, and whether this changed anything.
   */
  recordFile(
    folder: { readonly folder: string; readonly location: BlobLocation; readonly waitUntil: string },
    file: LandedFile | { readonly path: string; readonly goneAt: string },
    at: string,
  ): Promise<{ readonly folder: LandingFolder; readonly changed: boolean }>;
  files(folder: string): AsyncIterable<LandedFile>;
  /** Replaces the deciding part of a folder. @returns false when somebody changed it since (`etag`). */
  replaceFolder(folder: LandingFolder): Promise<boolean>;
  /** Folders that wait and whose time is over. */
  overdue(now: Date, limit: number): Promise<readonly LandingFolder[]>;
  /** All folders not yet announced as received, for `status`; at most `limit`. */
  waiting(limit: number): Promise<readonly LandingFolder[]>;
}
