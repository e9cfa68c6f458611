import { writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { ApiClient } from '#adapters/cli/api-client.ts';
import { EXIT } from '#adapters/cli/exit-codes.ts';
import { makeManifest, manifestIn } from '#adapters/cli/local-folder.ts';
import {
  type MeasurementCommandPorts,
  measurementIdFor,
  showStatus,
  steer,
  waitForEnd,
} from '#adapters/cli/measurements.ts';
import type { ManifestOptions, UploadOptions } from '#adapters/cli/program.ts';
import { bytesText, countText, processTerminal } from '#adapters/cli/terminal.ts';
import { manifestBytes, uploadFolder } from '#adapters/cli/upload.ts';
import { measurementIdOf } from '#domain/identity.ts';
import { MANIFEST_FILE_NAME } from '#domain/manifest.ts';
import type { MeasurementStatus } from '#domain/measurement-status.ts';
import { commandApi, commandSettings } from '../command-settings.ts';
import { landingAccountOf } from '../landing-account.ts';

/** After this long without a change, an upload of the same bytes has been recognised as such. */
const UNCHANGED_MS = 15_000;

function ports(): MeasurementCommandPorts {
  return { api: commandApi(), terminal: processTerminal(), now: () => new Date() };
}

export async function upload(folder: string, options: UploadOptions): Promise<number> {
  const settings = commandSettings();
  const { api, terminal } = ports();
  const { blobStoreOf } = await import('../storage.ts');
  const before = await statusBefore(api, folder, options);
  const uploaded = await uploadFolder(
    folder,
    options,
    { blobs: blobStoreOf(settings), landingAccountOf: (folder) => landingAccountOf(settings, folder) },
    terminal,
  );
  const { measurementId, fileCount, sizeBytes } = uploaded;
  if (!options.wait) {
    const status = await api.find<MeasurementStatus>(`/measurements/${measurementId}`);
    const state = status?.state ?? 'Receiving';
    terminal.print(
      options.json
        ? JSON.stringify({ measurementId, state })
        : `In Landing: ${countText(fileCount, 'file')}, ${bytesText(sizeBytes)}. Measurement ${measurementId} is ${state}.\nWatch it with: landfall status ${measurementId} --watch`,
    );
    return EXIT.ok;
  }
  terminal.progress(`waiting for ${measurementId}`);
  const status = await waitForEnd(api, measurementId, before, UNCHANGED_MS);
  terminal.print(
    options.json
      ? JSON.stringify({
          measurementId,
          state: status.state,
          ...(status.reason === undefined ? {} : { reason: status.reason }),
        })
      : `Measurement ${measurementId} is ${status.state}.${status.reason === undefined ? '' : ` ${status.reason.message}`}`,
  );
  return status.state === 'Shared' ? EXIT.ok : EXIT.notShared;
}

async function statusBefore(
  api: ApiClient,
  folder: string,
  options: UploadOptions,
): Promise<MeasurementStatus | undefined> {
  const own = await manifestIn(folder);
  const { fleet, recordingId } = own?.manifest ?? {
    fleet: options.fleet,
    recordingId: basename(resolve(folder)),
  };
  return api.find<MeasurementStatus>(`/measurements/${measurementIdOf(fleet, recordingId)}`);
}

export async function manifest(
  folder: string,
  options: ManifestOptions & { json: boolean },
): Promise<number> {
  const terminal = processTerminal();
  const made = await makeManifest(folder, options, terminal);
  const path = join(folder, MANIFEST_FILE_NAME);
  await writeFile(path, manifestBytes(made));
  terminal.print(
    options.json
      ? JSON.stringify(made)
      : `${path}: ${countText(made.files.length, 'file')}, recording ${made.recordingId}, fleet ${made.fleet}`,
  );
  return EXIT.ok;
}

export function status(id: string | undefined, options: { watch: boolean; json: boolean }): Promise<number> {
  return showStatus(ports(), id, options);
}

export function rehydrate(
  id: string,
  { from, priority, reason, json }: { from?: string; priority: string; reason: string; json: boolean },
): Promise<number> {
  const wish = { actor: actor(), reason, priority, ...(from === undefined ? {} : { from }) };
  return steer(ports(), id, 'rehydrate', wish, json);
}

export function cancel(id: string, { reason, json }: { reason: string; json: boolean }): Promise<number> {
  return steer(ports(), id, 'cancel', { actor: actor(), reason }, json);
}

export function rerun(
  id: string,
  { from, reason, json }: { from: string; reason: string; json: boolean },
): Promise<number> {
  return steer(ports(), id, 'rerun', { actor: actor(), reason, fromStage: from }, json);
}

export async function shareLink(id: string, { json }: { json: boolean }): Promise<number> {
  const { api, terminal } = ports();
  const measurementId = await measurementIdFor(api, id);
  const link = await api.send<{ url: string; expiresAt: string }>(
    'POST',
    `/measurements/${measurementId}/share-link`,
    { actor: actor() },
  );
  terminal.print(json ? JSON.stringify(link) : `${link.url}\nexpires ${link.expiresAt}`);
  return EXIT.ok;
}

/** Who asks, for the audit. */
export function actor(): string {
  return process.env['USER'] ?? process.env['USERNAME'] ?? 'operator';
}
