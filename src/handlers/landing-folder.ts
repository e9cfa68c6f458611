import { Conflict, isOvertaken } from '#domain/failures.ts';
import { blobIn } from '#domain/landing.ts';
import {
  MANIFEST_FILE_NAME,
  MANIFEST_SIZE_BYTES_MAX,
  type Manifest,
  parseManifest,
} from '#domain/manifest.ts';
import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { LandedFile, LandingFolder, LandingStore } from '#domain/ports/landing-store.ts';
import type { MessageSender } from '#domain/ports/message-sender.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';

export interface LandingPorts {
  readonly store: LandingStore;
  readonly blobs: BlobStore;
  readonly sender: MessageSender;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Lower-case hexadecimal SHA-256. */
  readonly sha256: (content: Uint8Array) => string;
}

export interface LandingSettings {
  readonly region: string;
  /** How long a folder may go without an arrival before it is Incomplete. */
  readonly waitMs: number;
  /** The fleet of a folder whose manifest is missing or unreadable. */
  readonly defaultFleet: string;
  /** Where the versions that were announced are noted: the container `tasks` of the operations account. */
  readonly papers: { readonly account: string; readonly container: string };
}

const FOLDER_TRIES_MAX = 10;

/** Announced as complete, and nothing has changed since. */
export function isSettled(folder: Pick<LandingFolder, 'announced' | 'waitingFor'>): boolean {
  return folder.announced?.as === 'received' && folder.waitingFor === undefined;
}

/**
 * Replaces what is decided of a folder, starting over when others were first. `change` says undefined when there is
 * nothing to change any more.
 * @throws {Conflict} when others were first every time.
 */
export async function changeFolder(
  store: LandingStore,
  folder: LandingFolder,
  change: (current: LandingFolder) => Promise<LandingFolder | undefined>,
): Promise<LandingFolder> {
  let current = folder;
  for (let attempt = 0; attempt < FOLDER_TRIES_MAX; attempt++) {
    const next = await change(current);
    if (next === undefined) return current;
    const replaced = await store.replaceFolder(next);
    if (replaced !== undefined) return replaced;
    current = (await store.folder(folder.folder)) ?? current;
  }
  throw new Conflict(`${folder.folder}: others changed it at each of ${FOLDER_TRIES_MAX} tries.`);
}

interface ShelvedManifest {
  readonly manifest: Manifest;
  /** Size in bytes by path. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Manifests in memory, so that each is read once per version and process, not once per event. */
export class ManifestShelf {
  static readonly #COUNT_MAX = 8;
  readonly #blobs: BlobStore;
  readonly #shelved = new Map<string, ShelvedManifest>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** The manifest a folder is known to have; undefined when it has none, or it has just been replaced. */
  async manifestOf(folder: LandingFolder): Promise<ShelvedManifest | undefined> {
    if (folder.manifest === undefined) return undefined;
    const { eTag, sha256, sizeBytes } = folder.manifest;
    const shelved = this.#shelved.get(keyOf(folder, eTag));
    if (shelved !== undefined) return shelved;
    const reference = { ...blobIn(folder.location, MANIFEST_FILE_NAME), sha256, sizeBytes };
    const bytes = await unlessReplaced(() => this.#blobs.readPinned(reference));
    const parsed = bytes === undefined ? undefined : parseManifest(bytes);
    return parsed?.ok ? this.shelve(folder, eTag, parsed.manifest) : undefined;
  }

  shelve(folder: LandingFolder, eTag: string, manifest: Manifest): ShelvedManifest {
    const [oldest] = this.#shelved.keys();
    if (this.#shelved.size >= ManifestShelf.#COUNT_MAX && oldest !== undefined) this.#shelved.delete(oldest);
    const sizes = new Map(manifest.files.map((file) => [file.path, file.sizeBytes]));
    const shelved = { manifest, sizes };
    this.#shelved.set(keyOf(folder, eTag), shelved);
    return shelved;
  }
}

function keyOf(folder: LandingFolder, eTag: string): string {
  return `${eTag} ${folder.folder}`;
}

/**
 * Reads the version of the manifest that was seen and writes down what it decides, or the sentence that says what is
 * wrong with it. An empty one is still being written.
 * @returns the folder afterwards; undefined when there was nothing new, or a newer version that announces itself.
 */
export async function readManifest(
  ports: LandingPorts,
  shelf: ManifestShelf,
  folder: LandingFolder,
  file: LandedFile,
  lookAt: string,
): Promise<LandingFolder | undefined> {
  const { eTag, sizeBytes } = file;
  const isKnown = folder.manifest?.eTag === eTag;
  const isKnownProblem = folder.manifestProblem?.eTag === eTag;
  if (isKnownProblem) return folder;
  if (isKnown || sizeBytes === 0) return undefined;
  const location = blobIn(folder.location, MANIFEST_FILE_NAME);
  const verdict =
    sizeBytes > MANIFEST_SIZE_BYTES_MAX
      ? ({
          ok: false,
          problem: `${MANIFEST_FILE_NAME} has ${sizeBytes} bytes; at most ${MANIFEST_SIZE_BYTES_MAX} are read`,
        } as const)
      : await unlessReplaced(async () => {
          const source = await ports.blobs.open(location, { eTag });
          const bytes = await source.read(0, source.sizeBytes);
          return { ...parseManifest(bytes), sha256: ports.sha256(bytes) };
        });
  if (verdict === undefined) return undefined;
  if (verdict.ok) shelf.shelve(folder, eTag, verdict.manifest);
  return changeFolder(ports.store, folder, async (current) => {
    const recorded = await ports.store.file(folder.folder, MANIFEST_FILE_NAME);
    if (recorded?.eTag !== eTag || current.manifest?.eTag === eTag) return undefined;
    const { manifest: _, manifestProblem: __, waitingFor: ___, ...rest } = current;
    if (!verdict.ok) return { ...rest, lookAt, manifestProblem: { eTag, sentence: verdict.problem } };
    const { fleet, recordingId, vehicle, files } = verdict.manifest;
    const { sha256 } = verdict;
    const manifest = {
      eTag,
      sha256,
      sizeBytes,
      fleet,
      recordingId,
      vin: vehicle.vin,
      fileCount: files.length,
    };
    // Waiting for the manifest itself makes whoever recorded it compare the folder, now or after a crash.
    return { ...rest, lookAt, manifest, waitingFor: MANIFEST_FILE_NAME };
  });
}

/** Undefined where the blob was replaced or removed meanwhile: its new version is somebody's next event. */
async function unlessReplaced<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isOvertaken(error)) return undefined;
    throw error;
  }
}
