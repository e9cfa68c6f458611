import { type BlobEvent, KNOWN_BLOB_APIS } from '#domain/blob-event.ts';
import { RetryableFailure } from '#domain/failures.ts';
import { inParallel } from '#domain/in-parallel.ts';
import {
  blobIn,
  completenessOf,
  isKnownIntermediate,
  type PlaceInLanding,
  placeInLanding,
} from '#domain/landing.ts';
import { MANIFEST_FILE_NAME } from '#domain/manifest.ts';
import type { BlobProperties } from '#domain/ports/blob-store.ts';
import type { GoneFile, LandedFile, LandingFolder } from '#domain/ports/landing-store.ts';
import { announceIncomplete, announceReceived } from './landing-announcements.ts';
import {
  changeFolder,
  isSettled,
  type LandingPorts,
  type LandingSettings,
  ManifestShelf,
  readManifest,
} from './landing-folder.ts';

/** Looks in a row that may disagree before the event is given back. */
const LOOKS_MAX = 5;
const COMPARISONS_MAX = 5;
const INVENTORY_LANES = 8;
const LOOK_SOON_MS = 60_000;
/** After a folder was complete it is looked at once more: a change that crossed the announcement is found then. */
const LOOK_BACK_MS = 15 * 60_000;
/**
 * A folder that was complete once, and has some of its files again, may be a correction whose other files were put
 * away: after so long without an arrival it is said, so that they come back.
 */
const CORRECTION_WAIT_MS = 2 * 60_000;

type Seen = LandedFile | GoneFile;

interface Inventory {
  /** What is there, by its path in the folder. */
  readonly eTags: ReadonlyMap<string, string>;
  /** How much of it was recorded otherwise. */
  readonly changeCount: number;
  readonly copyPending: boolean;
}

/**
 * Landing: turns hints that something happened to a blob into "this recording is complete". Events may be late,
 * early, doubled, lost or wrong about what is there; HEAD decides. What one event costs does not grow with the
 * number of files in its folder.
 */
export class Landing {
  readonly #ports: LandingPorts;
  readonly #settings: LandingSettings;
  readonly #shelf: ManifestShelf;

  constructor(ports: LandingPorts, settings: LandingSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#shelf = new ManifestShelf(ports.blobs);
  }

  /**
   * @throws {RetryableFailure} when storage, store or broker do not answer, or the blob changes too fast to be seen.
   * @throws {Conflict} when others changed the folder at every try.
   */
  async handle(event: BlobEvent): Promise<void> {
    if (!KNOWN_BLOB_APIS.includes(event.api)) {
      this.#ports.telemetry.event('unknown blob api', { api: event.api, type: event.type });
    }
    for (const location of [event.source, event.location]) {
      if (location === undefined) continue;
      const place = placeInLanding(location);
      if (place === undefined) this.#ports.telemetry.event('blob outside recordings', { ...location });
      else if (!event.isDirectory) await this.#lookAtFile(place, event.api);
      // A new directory is empty; what comes into it has events of its own.
      else if (event.type !== 'created') await this.#lookAtDirectory(place);
    }
  }

  /** What the sweep does with a folder that is due: an inventory, then what the inventory says. */
  async lookAgain(due: LandingFolder): Promise<void> {
    const place: PlaceInLanding = { folder: due.folder, location: due.location, path: '' };
    const { copyPending } = await this.#takeInventory(place);
    await this.#noticeManifest(place);
    const folder = (await this.#ports.store.folder(due.folder)) ?? due;
    if (isSettled(folder)) {
      await this.#lookBack(folder);
      return;
    }
    const compared = folder.manifest === undefined ? folder : await this.#compare(folder);
    if (!isSettled(compared)) await this.#waitOn(compared, copyPending);
  }

  // Files -------------------------------------------------------------------------------------------------------

  async #lookAtFile(place: PlaceInLanding, api: string): Promise<void> {
    if (place.path === '') return;
    const { store } = this.#ports;
    const known = await store.folder(place.folder);
    const first = await this.#look(place);
    if (first.copyPending) {
      await this.#lookSoon(place);
      return;
    }
    // Of a folder that nobody has heard of, a file that is gone is nothing to remember.
    if (known === undefined && 'gone' in first.seen) return;
    if (known !== undefined && (await this.#isIntermediate(known, first.seen, api))) return;
    const before = known ?? (await this.#createFolder(place));
    if (isSettled(before)) await this.#expectChange(before, first.seen);
    const { seen, changed } = await this.#record(place, first.seen);
    if ('gone' in seen) return;
    if (place.path === MANIFEST_FILE_NAME) await this.#noticeManifest(place);
    const after = (await store.folder(place.folder)) ?? before;
    if (isSettled(after) && changed && !isSettled(before)) await this.#expectChange(after, seen, true);
    else if (after.waitingFor === place.path) await this.#compare(after);
    else if (after.lookAt === undefined && !isSettled(after)) await this.#keepLooking(after);
  }

  async #look(place: PlaceInLanding): Promise<{ readonly seen: Seen; readonly copyPending: boolean }> {
    const seenAt = this.#ports.clock.now();
    const properties = await this.#ports.blobs.head(blobIn(place.location, place.path));
    return { seen: seenOf(place.path, properties, seenAt), copyPending: properties?.copyPending ?? false };
  }

  /** Records what was seen; where somebody recorded something else, looks again until both agree. */
  async #record(
    place: PlaceInLanding,
    first: Seen,
  ): Promise<{ readonly seen: Seen; readonly changed: boolean }> {
    let seen = first;
    let changed = false;
    for (let look = 0; look < LOOKS_MAX; look++) {
      const recorded = await this.#ports.store.recordFile(place.folder, seen);
      changed ||= recorded.changed;
      if (recorded.before === undefined || isSame(recorded.before, seen)) return { seen, changed };
      const again = await this.#look(place);
      if (recorded.changed && isSame(again.seen, seen)) return { seen, changed };
      seen = again.seen;
    }
    throw new RetryableFailure(
      'file-changed',
      `${place.folder}/${place.path} changed at each of ${LOOKS_MAX} looks; look again later.`,
    );
  }

  async #isIntermediate(folder: LandingFolder, seen: Seen, api: string): Promise<boolean> {
    if ('gone' in seen || api !== 'CreateFile' || seen.sizeBytes > 0) return false;
    const shelved = await this.#shelf.manifestOf(folder);
    if (!isKnownIntermediate(api, seen.sizeBytes, shelved?.sizes.get(seen.path))) return false;
    this.#ports.telemetry.event('intermediate blob', { api, folder: folder.folder });
    return true;
  }

  /**
   * A file of a folder that was announced is about to be recorded as another: from now on the folder waits for it,
   * so that a crash between recording and comparing is found by the event's next delivery.
   */
  async #expectChange(folder: LandingFolder, seen: Seen, isRecorded = false): Promise<void> {
    if ('gone' in seen) return;
    const { store, clock } = this.#ports;
    const recorded = await store.file(folder.folder, seen.path);
    if (!isRecorded && recorded?.eTag === seen.eTag) return;
    const shelved = await this.#shelf.manifestOf(folder);
    // What the manifest does not list does not matter, however much of it comes.
    if (shelved !== undefined && seen.path !== MANIFEST_FILE_NAME && !shelved.sizes.has(seen.path)) return;
    const lookAt = later(clock.now(), this.#waitMsOf(folder));
    const expecting = await changeFolder(store, folder, async (current) =>
      isSettled(current) ? { ...current, waitingFor: seen.path, lookAt } : undefined,
    );
    if (isRecorded && expecting.waitingFor === seen.path) await this.#compare(expecting);
  }

  // Folders -----------------------------------------------------------------------------------------------------

  async #createFolder(place: PlaceInLanding): Promise<LandingFolder> {
    const now = this.#ports.clock.now();
    return this.#ports.store.createFolder({
      folder: place.folder,
      location: place.location,
      region: this.#settings.region,
      firstArrivalAt: now.toISOString(),
      lookAt: later(now, this.#settings.waitMs),
    });
  }

  async #lookAtDirectory(place: PlaceInLanding): Promise<void> {
    const { store } = this.#ports;
    const { eTags } = await this.#takeInventory(place);
    if (eTags.size > 0) await this.#createFolder(place);
    await this.#noticeManifest(place);
    const folder = await store.folder(place.folder);
    if (folder?.manifest === undefined || eTags.size === 0) return;
    if (isSettled(folder)) await this.#lookBack(folder);
    else await this.#compare(folder);
  }

  /** Records everything that lies below `place`, and that what was recorded there and is not listed is gone. */
  async #takeInventory(place: PlaceInLanding): Promise<Inventory> {
    const { blobs, store, clock } = this.#ports;
    const below = place.path === '' ? '' : place.path.replace(/\/?$/, '/');
    const recorded = new Map<string, LandedFile>();
    for await (const file of store.files(place.folder)) {
      if (file.path.startsWith(below)) recorded.set(file.path, file);
    }
    let copyPending = false;
    const seenAt = clock.now();
    const other: LandedFile[] = [];
    const eTags = new Map<string, string>();
    for await (const blob of blobs.list(blobIn(place.location, below))) {
      const path = blob.location.path.slice(place.location.path.length);
      if (blob.copyPending) copyPending = true;
      if (path === '' || blob.copyPending) continue;
      eTags.set(path, blob.eTag);
      const seen = landedOf(path, blob, seenAt);
      const known = recorded.get(path);
      if (known === undefined || !isSame(known, seen)) other.push(seen);
      recorded.delete(path);
    }
    const gone = [...recorded.keys()].map(
      (path): Seen => ({ path, gone: true, seenAt: seenAt.toISOString() }),
    );
    await inParallel([...other, ...gone], INVENTORY_LANES, async (seen) => {
      await this.#record({ ...place, path: seen.path }, seen);
    });
    return { copyPending, eTags, changeCount: other.length + gone.length };
  }

  /** Reads the manifest that is recorded now, when it is another than was read; says at once when it is wrong. */
  async #noticeManifest(place: PlaceInLanding): Promise<void> {
    const { store } = this.#ports;
    const [folder, file] = await Promise.all([
      store.folder(place.folder),
      store.file(place.folder, MANIFEST_FILE_NAME),
    ]);
    if (folder === undefined || file === undefined) return;
    const lookAt = later(this.#ports.clock.now(), this.#settings.waitMs);
    const read = await readManifest(this.#ports, this.#shelf, folder, file, lookAt);
    if (read?.manifestProblem !== undefined) {
      await announceIncomplete(this.#ports, this.#settings, read, undefined);
    }
  }

  /** Compares the folder with its manifest until that says what to do: announce it, or wait for a certain file. */
  async #compare(folder: LandingFolder): Promise<LandingFolder> {
    const { store } = this.#ports;
    let current = folder;
    for (let comparison = 0; comparison < COMPARISONS_MAX; comparison++) {
      const completeness = await this.#completeness(current);
      if (completeness === undefined) return current;
      if (completeness.complete) {
        // What is recorded may be behind what is there: files leave and are replaced before their events come.
        const place = { folder: folder.folder, location: folder.location, path: '' };
        const { changeCount, eTags } = await this.#takeInventory(place);
        // Others record as well: what they did since the comparison is no change to the inventory.
        const isBehind = completeness.versions.some(({ path, eTag }) => eTags.get(path) !== eTag);
        if (changeCount > 0 || isBehind) {
          await this.#noticeManifest(place);
          current = (await store.folder(folder.folder)) ?? current;
          continue;
        }
        const lookAt = later(this.#ports.clock.now(), LOOK_BACK_MS);
        const announced = await announceReceived(this.#ports, this.#settings, current, completeness, lookAt);
        if (announced !== undefined) return announced;
      } else {
        const { waitingFor } = completeness;
        const lookAt = current.lookAt ?? later(this.#ports.clock.now(), this.#settings.waitMs);
        const waiting =
          current.waitingFor === waitingFor && current.lookAt === lookAt
            ? current
            : await store.replaceFolder({ ...current, waitingFor, lookAt });
        if (waiting !== undefined && !(await this.#hasCome(waiting, waitingFor, completeness.sizes))) {
          return waiting;
        }
      }
      current = (await store.folder(folder.folder)) ?? current;
    }
    throw new RetryableFailure('concurrent-change', `${folder.folder} changes too fast; look again later.`);
  }

  /** The file we have just begun to wait for may have been recorded a moment before. */
  async #hasCome(folder: LandingFolder, path: string, sizes: ReadonlyMap<string, number>): Promise<boolean> {
    const file = await this.#ports.store.file(folder.folder, path);
    if (file === undefined) return false;
    if (path === MANIFEST_FILE_NAME) return file.eTag === folder.manifest?.eTag;
    return file.sizeBytes === sizes.get(path);
  }

  async #completeness(folder: LandingFolder) {
    const shelved = await this.#shelf.manifestOf(folder);
    if (shelved === undefined || folder.manifest === undefined) return undefined;
    const files = new Map<string, LandedFile>();
    for await (const file of this.#ports.store.files(folder.folder)) files.set(file.path, file);
    const { manifest, sizes } = shelved;
    return { ...completenessOf(manifest, folder.manifest.eTag, files), manifest, sizes };
  }

  // Waiting -----------------------------------------------------------------------------------------------------

  /** A folder that was announced: its files may have moved on, or changed while it was announced. */
  async #lookBack(folder: LandingFolder): Promise<void> {
    const completeness = await this.#completeness(folder);
    if (completeness?.complete && completeness.filesHash !== folder.announced?.contentHash) {
      const lookAt = later(this.#ports.clock.now(), LOOK_BACK_MS);
      await announceReceived(this.#ports, this.#settings, folder, completeness, lookAt);
      return;
    }
    await changeFolder(this.#ports.store, folder, async (current) => {
      if (!isSettled(current) || current.lookAt === undefined) return undefined;
      const { lookAt: _, ...rest } = current;
      return rest;
    });
  }

  #waitMsOf({ announced }: LandingFolder): number {
    const { waitMs } = this.#settings;
    return announced?.as === 'received' ? Math.min(waitMs, CORRECTION_WAIT_MS) : waitMs;
  }

  async #waitOn(folder: LandingFolder, copyPending: boolean): Promise<void> {
    const { store, clock } = this.#ports;
    const now = clock.now();
    const progress = await store.progress(folder.folder);
    const lastArrivalMs = Math.max(
      Date.parse(folder.firstArrivalAt),
      Date.parse(progress.lastArrivalAt ?? folder.firstArrivalAt),
    );
    const waitUntil = new Date(lastArrivalMs + this.#waitMsOf(folder));
    let lookAt: string | undefined = waitUntil.toISOString();
    let current = folder;
    if (copyPending) lookAt = later(now, LOOK_SOON_MS);
    else if (progress.fileCount === 0) lookAt = undefined;
    else if (waitUntil <= now) {
      current = await announceIncomplete(
        this.#ports,
        this.#settings,
        folder,
        await this.#completeness(folder),
      );
      lookAt = later(now, this.#settings.waitMs);
    }
    await changeFolder(store, current, async (latest) => {
      if (isSettled(latest)) return undefined;
      const { lookAt: _, ...rest } = latest;
      return lookAt === undefined ? rest : { ...rest, lookAt };
    });
  }

  /** A copy into the blob is still going on, and nobody may announce its end. */
  async #lookSoon(place: PlaceInLanding): Promise<void> {
    const folder = await this.#createFolder(place);
    const lookAt = later(this.#ports.clock.now(), LOOK_SOON_MS);
    await changeFolder(this.#ports.store, folder, async (current) =>
      current.lookAt !== undefined && current.lookAt <= lookAt ? undefined : { ...current, lookAt },
    );
  }

  async #keepLooking(folder: LandingFolder): Promise<void> {
    const lookAt = later(this.#ports.clock.now(), this.#settings.waitMs);
    await changeFolder(this.#ports.store, folder, async (current) =>
      current.lookAt !== undefined || isSettled(current) ? undefined : { ...current, lookAt },
    );
  }
}

function later(now: Date, ms: number): string {
  return new Date(now.getTime() + ms).toISOString();
}

function seenOf(path: string, properties: BlobProperties | undefined, seenAt: Date): Seen {
  if (properties === undefined) return { path, gone: true, seenAt: seenAt.toISOString() };
  return landedOf(path, properties, seenAt);
}

function landedOf(path: string, properties: BlobProperties, seenAt: Date): LandedFile {
  const { sizeBytes, eTag, lastModified } = properties;
  return { path, sizeBytes, eTag, lastModified, seenAt: seenAt.toISOString() };
}

function isSame(one: Seen, other: Seen): boolean {
  if ('gone' in one || 'gone' in other) return 'gone' in one && 'gone' in other;
  return one.eTag === other.eTag && one.sizeBytes === other.sizeBytes;
}
