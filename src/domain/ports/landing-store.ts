import type { BlobLocation } from '../vocabulary.ts';

/** What is known of one file in Landing, as HEAD said last. */
export interface LandedFile {
  /** Relative to the folder. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly eTag: string;
  /** When the blob was written, by the storage account's clock (RFC 3339). */
  readonly lastModified: string;
  /** When we asked, by our clock (RFC 3339). */
  readonly seenAt: string;
}

/** A file that HEAD did not find any more. */
export interface GoneFile {
  readonly path: string;
  readonly gone: true;
  readonly seenAt: string;
}

/**
 * What has been decided about one folder in Landing. Kept outside the saga, and apart from the files: a folder may
 * hold 10,000 files that arrive at once, and none of them may wait for the others to change this document.
 */
export interface LandingFolder {
  /** `<account>/<first path segment>`: the partition. */
  readonly folder: string;
  readonly location: BlobLocation;
  readonly region: string;
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
  readonly manifestProblem?: { readonly eTag: string; readonly sentence: string };
  /** The missing file whose arrival makes it worth comparing the whole folder with the manifest again. */
  readonly waitingFor?: string;
  readonly firstArrivalAt: string;
  /** When the sweep looks at the folder next (RFC 3339); absent = nothing to wait for. */
  readonly lookAt?: string;
  /** What was said last; `contentHash` is over what it was said about, so that the same content is announced once. */
  readonly announced?: {
    readonly as: 'received' | 'incomplete';
    readonly contentHash: string;
    readonly measurementId: string;
    readonly at: string;
  };
  /** Changes with every `replaceFolder`, not when a file is recorded. */
  readonly etag: string;
}

export interface LandingStore {
  folder(folder: string): Promise<LandingFolder | undefined>;
  /** Creates the document of a folder. @returns it, or the one that was there before. */
  createFolder(folder: Omit<LandingFolder, 'etag'>): Promise<LandingFolder>;
  /** @returns the folder as it is now, or undefined when somebody replaced it since it was read (`etag`). */
  replaceFolder(folder: LandingFolder): Promise<LandingFolder | undefined>;
  file(folder: string, path: string): Promise<LandedFile | undefined>;
  /**
   * Records what HEAD said of one file, in one document per file. What was seen earlier (`seenAt`) than what is
   * recorded is ignored; at equal times the given one wins. Seeing the same again need not be written.
   * @returns whether this changed what is recorded, and what was recorded before, if anything. Clocks differ between
   * workers, so a caller who sees something else in `before` than it saw itself looks again.
   */
  recordFile(
    folder: string,
    file: LandedFile | GoneFile,
  ): Promise<{ readonly changed: boolean; readonly before?: LandedFile | GoneFile }>;
  /** The files that are there, not those that are gone. */
  files(folder: string): AsyncIterable<LandedFile>;
  /** Counted by the store, for `status` and for the sweep. `lastArrivalAt` is the latest `lastModified`. */
  progress(
    folder: string,
  ): Promise<{ readonly fileCount: number; readonly sizeBytes: number; readonly lastArrivalAt?: string }>;
  /** Folders with `lookAt <= now`, longest waiting first. */
  due(now: Date, limit: number): Promise<readonly LandingFolder[]>;
  /** Folders not announced as received, for `status`. */
  waiting(limit: number): Promise<readonly LandingFolder[]>;
}
