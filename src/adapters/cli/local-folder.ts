import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { MANIFEST_FILE_NAME, type Manifest, parseManifest } from '#domain/manifest.ts';
import { CommandError, EXIT } from './exit-codes.ts';
import { bytesText, type Terminal } from './terminal.ts';

export interface LocalFile {
  /** Relative to the folder, with forward slashes. */
  readonly path: string;
  readonly localPath: string;
  readonly sizeBytes: number;
}

/** Every file below the folder, the manifest left out, in path order. Hidden files are not recordings. */
export async function filesBelow(folder: string): Promise<readonly LocalFile[]> {
  const entries = await readdirOf(folder);
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((localPath) => ({
      localPath,
      path: localPath
        .slice(resolve(folder).length + 1)
        .split(sep)
        .join('/'),
    }))
    .filter(
      ({ path }) => path !== MANIFEST_FILE_NAME && !path.split('/').some((part) => part.startsWith('.')),
    )
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return Promise.all(files.map(async (file) => ({ ...file, sizeBytes: (await stat(file.localPath)).size })));
}

async function readdirOf(folder: string) {
  try {
    return await readdir(resolve(folder), { recursive: true, withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ENOENT' || code === 'ENOTDIR' ? notAFolder(folder) : error;
  }
}

function notAFolder(path: string): CommandError {
  return new CommandError(
    `${path} is not a folder. Name the folder that holds the recording files.`,
    EXIT.usage,
  );
}

/** The folder's own manifest, or undefined. @throws {CommandError} when it breaks a rule. */
export async function manifestIn(
  folder: string,
): Promise<{ manifest: Manifest; bytes: Uint8Array } | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(join(folder, MANIFEST_FILE_NAME));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw code === 'ENOTDIR' ? notAFolder(folder) : error;
  }
  const parsed = parseManifest(bytes);
  if (!parsed.ok) {
    throw new CommandError(
      `${parsed.problem}. Correct it, or remove it and let \`landfall manifest\` write one.`,
    );
  }
  return { manifest: parsed.manifest, bytes };
}

/** A manifest of the folder as it is: the recording is named as the folder. Reads every file once, for its SHA-256. */
export async function makeManifest(
  folder: string,
  options: { readonly fleet: string; readonly vin?: string },
  terminal: Terminal,
): Promise<Manifest> {
  const files = await filesBelow(folder);
  if (files.length === 0) {
    throw new CommandError(
      `${folder} holds no files. A measurement needs at least one recording file.`,
      EXIT.usage,
    );
  }
  const listed: Manifest['files'] = [];
  for (const file of files) {
    terminal.progress(
      `checksum of ${file.path} (${bytesText(file.sizeBytes)}), ${listed.length + 1} of ${files.length}`,
    );
    listed.push({ path: file.path, sizeBytes: file.sizeBytes, sha256: await sha256Of(file.localPath) });
  }
  return {
    schemaVersion: 1,
    fleet: options.fleet,
    recordingId: basename(resolve(folder)),
    vehicle: { vin: options.vin ?? 'UNKNOWN' },
    files: listed,
  };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
