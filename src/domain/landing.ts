import type { LandedVersion } from './landed-versions.ts';
import { MANIFEST_FILE_NAME, type Manifest } from './manifest.ts';
import { sha1 } from './sha1.ts';
import { type BlobLocation, RECORDINGS_CONTAINER, type Recording } from './vocabulary.ts';

/** When a folder in Landing is a complete recording, decided from its manifest and from what HEAD said of its files. */

/** At most so many missing files are named in a message. */
const MISSING_NAMED_MAX = 20;

export interface PlaceInLanding {
  /** `<account>/<folder name>`. */
  readonly folder: string;
  readonly location: BlobLocation;
  /** Relative to the folder; empty for the folder itself. */
  readonly path: string;
}

/** Where in Landing a blob lies; undefined when it is in no recording's folder. */
export function placeInLanding({ account, container, path }: BlobLocation): PlaceInLanding | undefined {
  const [name = '', ...rest] = path.split('/');
  if (container !== RECORDINGS_CONTAINER || name === '') return undefined;
  return {
    folder: `${account}/${name}`,
    location: { account, container, path: `${name}/` },
    path: rest.join('/'),
  };
}

export function blobIn(folder: BlobLocation, path: string): BlobLocation {
  return { ...folder, path: `${folder.path}${path}` };
}

export type SeenFile = LandedVersion;

/**
 * Whether a file is known to be on its way still, so that it need not be recorded: a hierarchical namespace
 * announces a file when it is created, empty, and again when it is closed. A file that the manifest lists with no
 * bytes is complete when it is empty, and without a manifest nobody knows.
 */
export function isKnownIntermediate(
  api: string,
  sizeBytes: number,
  listedSizeBytes: number | undefined,
): boolean {
  return api === 'CreateFile' && sizeBytes === 0 && listedSizeBytes !== undefined && listedSizeBytes > 0;
}

export type Completeness =
  | {
      readonly complete: true;
      /** Over paths, sizes and eTags of the manifest and its files: other bytes, other hash. */
      readonly filesHash: string;
      /** Those versions, the manifest first. */
      readonly versions: readonly LandedVersion[];
    }
  | {
      readonly complete: false;
      /** The first missing files in the manifest's order, with what is wrong where something is. */
      readonly missing: readonly string[];
      readonly missingCount: number;
      /** The missing file to wait for before comparing again. */
      readonly waitingFor: string;
    };

/**
 * Compares a folder with its manifest. A file of another size is not yet there; whether its bytes are right is for
 * validation to find out. Files that the manifest does not list do not matter.
 */
export function completenessOf(
  manifest: Manifest,
  manifestETag: string,
  files: ReadonlyMap<string, SeenFile>,
): Completeness {
  const missing: string[] = [];
  const problems: string[] = [];
  const hashed: string[] = [];
  const versions: LandedVersion[] = [];
  const manifestFile = files.get(MANIFEST_FILE_NAME);
  if (manifestFile?.eTag === manifestETag) {
    hashed.push(`${MANIFEST_FILE_NAME} ${manifestETag}`);
    versions.push(versionOf(manifestFile));
  } else {
    missing.push(MANIFEST_FILE_NAME);
    problems.push(MANIFEST_FILE_NAME);
  }
  for (const listed of manifest.files) {
    const seen = files.get(listed.path);
    if (seen?.sizeBytes === listed.sizeBytes) {
      hashed.push(`${listed.path} ${seen.sizeBytes} ${seen.eTag}`);
      versions.push(versionOf(seen));
      continue;
    }
    missing.push(listed.path);
    if (problems.length < MISSING_NAMED_MAX) {
      problems.push(
        seen === undefined
          ? listed.path
          : `${listed.path} (${seen.sizeBytes} bytes, not ${listed.sizeBytes})`,
      );
    }
  }
  if (missing.length === 0)
    return { complete: true, filesHash: hashOf(hashed.toSorted().join('\n')), versions };
  return {
    complete: false,
    missing: problems.slice(0, MISSING_NAMED_MAX),
    missingCount: missing.length,
    waitingFor: lastByHash(missing),
  };
}

function versionOf({ path, sizeBytes, eTag }: SeenFile): LandedVersion {
  return { path, sizeBytes, eTag };
}

/**
 * One of the missing files, chosen by a hash of its path. Whatever order files arrive in, on average half of those
 * missing arrive before the chosen one, so a folder of n files is compared about log2(n) times, not n times.
 */
function lastByHash(paths: readonly string[]): string {
  let last = paths[0] ?? '';
  let lastHash = -1;
  for (const path of paths) {
    const hash = shortHashOf(path);
    if (hash > lastHash) {
      last = path;
      lastHash = hash;
    }
  }
  return last;
}

/** FNV-1a, 32 bits, with a final mix so that similar paths are far apart. */
function shortHashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Lower-case hexadecimal. Tells contents apart; not for security. */
export function hashOf(text: string): string {
  return Array.from(sha1(new TextEncoder().encode(text)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );
}

/** What the saga is told of a complete folder. */
export function recordingOf(
  manifest: Manifest,
  facts: {
    readonly region: string;
    readonly folder: BlobLocation;
    readonly manifestSha256: string;
    readonly manifestSizeBytes: number;
  },
): Recording {
  return {
    fleet: manifest.fleet,
    recordingId: manifest.recordingId,
    region: facts.region,
    vehicle: manifest.vehicle,
    folder: facts.folder,
    manifest: {
      ...blobIn(facts.folder, MANIFEST_FILE_NAME),
      sha256: facts.manifestSha256,
      sizeBytes: facts.manifestSizeBytes,
    },
    fileCount: manifest.files.length,
    sizeBytes: manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    ...(manifest.startTime === undefined ? {} : { startTime: new Date(manifest.startTime).toISOString() }),
    ...(manifest.tags === undefined ? {} : { tags: manifest.tags }),
  };
}
