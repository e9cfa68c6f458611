import { measurementIdOf, messageIdOf } from '#domain/identity.ts';
import type { LandedVersions } from '#domain/landed-versions.ts';
import { type Completeness, hashOf, recordingOf } from '#domain/landing.ts';
import { MANIFEST_FILE_NAME, type Manifest } from '#domain/manifest.ts';
import { type DataOf, type Envelope, envelopeOf, type MessageType } from '#domain/messages.ts';
import type { LandingFolder } from '#domain/ports/landing-store.ts';
import type { OutgoingMessage } from '#domain/ports/message-sender.ts';
import { COMMANDS_TOPIC, consumerOf, EVENTS_TOPIC } from '#domain/topology.ts';
import type { BlobReference, Reason } from '#domain/vocabulary.ts';
import { changeFolder, type LandingPorts, type LandingSettings } from './landing-folder.ts';
import { writeJson } from './run-papers.ts';

/**
 * What Landing says. Said first, written down after: a crash between the two says it twice, under the same id,
 * because ids are hashes of what it is said about.
 */

const LANDING_SOURCE = 'landfall/landing';

/** @returns the folder afterwards; undefined when somebody changed it meanwhile, so that it must be compared again. */
export async function announceReceived(
  ports: LandingPorts,
  settings: LandingSettings,
  folder: LandingFolder,
  complete: Extract<Completeness, { complete: true }> & { readonly manifest: Manifest },
  lookAt: string,
): Promise<LandingFolder | undefined> {
  const { filesHash, manifest } = complete;
  if (folder.manifest === undefined) return undefined;
  const { waitingFor: _, ...rest } = folder;
  if (folder.announced?.as === 'received' && folder.announced.contentHash === filesHash) {
    return ports.store.replaceFolder({ ...rest, lookAt });
  }
  const measurementId = measurementIdOf(manifest.fleet, manifest.recordingId);
  const recording = recordingOf(manifest, {
    region: folder.region,
    folder: folder.location,
    manifestSha256: folder.manifest.sha256,
    manifestSizeBytes: folder.manifest.sizeBytes,
  });
  const landed = await noteVersions(ports, settings, folder, complete);
  const type = 'landfall.measurement.received.v1';
  const announcement = say(ports, folder, manifest.fleet, type, filesHash, {
    measurementId,
    recording,
    filesHash,
    landed,
  });
  await ports.sender.send([announcement, ...farewellTo(ports, folder, manifest.fleet, measurementId)]);
  const at = ports.clock.now().toISOString();
  const announced = { as: 'received', contentHash: filesHash, measurementId, at } as const;
  ports.telemetry.event(
    'recording received',
    { measurementId, fleet: manifest.fleet, folder: folder.folder },
    { files: recording.fileCount, bytes: recording.sizeBytes },
  );
  return ports.store.replaceFolder({ ...rest, announced, lookAt });
}

/** Notes what lies there now, under the hash of just that: noting it twice is noting it once. */
async function noteVersions(
  { blobs }: LandingPorts,
  { papers }: LandingSettings,
  folder: LandingFolder,
  { filesHash, versions }: Extract<Completeness, { complete: true }>,
): Promise<BlobReference> {
  const location = { ...papers, path: `landing/${folder.folder}/${filesHash}.json` };
  const landed: LandedVersions = { schemaVersion: 1, files: [...versions] };
  return (await writeJson(blobs, location, landed, { onlyIfAbsent: true })).reference;
}

/**
 * While its manifest was missing, the folder was announced under a name we made up. Now that its true name is known,
 * the made-up measurement goes: nothing will ever come of it.
 */
function farewellTo(
  ports: LandingPorts,
  folder: LandingFolder,
  fleet: string,
  measurementId: string,
): readonly OutgoingMessage[] {
  const { announced } = folder;
  if (announced?.as !== 'incomplete' || announced.measurementId === measurementId) return [];
  const type = 'landfall.measurement.cancel.v1';
  const reason = `The manifest of ${folder.folder} names measurement ${measurementId}.`;
  const data = { measurementId: announced.measurementId, actor: LANDING_SOURCE, reason };
  return [say(ports, folder, fleet, type, measurementId, data)];
}

/** Says once what is missing, or what is wrong with the manifest. @returns the folder afterwards. */
export async function announceIncomplete(
  ports: LandingPorts,
  settings: LandingSettings,
  folder: LandingFolder,
  completeness: Completeness | undefined,
): Promise<LandingFolder> {
  if (completeness?.complete) return folder;
  const fleet = folder.manifest?.fleet ?? settings.defaultFleet;
  const recordingId = folder.manifest?.recordingId ?? folder.folder.slice(folder.folder.lastIndexOf('/') + 1);
  const measurementId = measurementIdOf(fleet, recordingId);
  const { missing, missingCount, reason } = shortcomingOf(folder, completeness);
  const contentHash = hashOf(JSON.stringify([reason, missing, missingCount, folder.manifest?.eTag ?? '']));
  if (folder.announced?.as === 'incomplete' && folder.announced.contentHash === contentHash) return folder;
  const data: DataOf<'landfall.measurement.incomplete.v1'> = {
    measurementId,
    fleet,
    recordingId,
    folder: folder.location,
    ...(folder.manifest === undefined ? {} : { vehicle: { vin: folder.manifest.vin } }),
    missing: [...missing],
    missingCount,
    reason,
  };
  await ports.sender.send([
    say(ports, folder, fleet, 'landfall.measurement.incomplete.v1', contentHash, data),
  ]);
  ports.telemetry.event(
    'recording incomplete',
    { measurementId, fleet, code: reason.code },
    { missing: missingCount },
  );
  const at = ports.clock.now().toISOString();
  return changeFolder(ports.store, folder, async (current) =>
    // Somebody else may have found it complete meanwhile.
    current.announced?.contentHash !== folder.announced?.contentHash
      ? undefined
      : { ...current, announced: { as: 'incomplete', contentHash, measurementId, at } },
  );
}

function shortcomingOf(
  folder: LandingFolder,
  completeness: Extract<Completeness, { complete: false }> | undefined,
): { readonly missing: readonly string[]; readonly missingCount: number; readonly reason: Reason } {
  const { manifestProblem, manifest } = folder;
  if (manifestProblem !== undefined) {
    const message = `${manifestProblem.sentence}. Correct it and upload it again; the files can stay.`;
    return {
      missing: [],
      missingCount: 0,
      reason: { code: 'manifest-invalid', message: shortened(message) },
    };
  }
  if (manifest === undefined || completeness === undefined) {
    const message = `The folder has no ${MANIFEST_FILE_NAME}. Upload one, or let \`landfall manifest\` write it.`;
    return { missing: [MANIFEST_FILE_NAME], missingCount: 1, reason: { code: 'file-missing', message } };
  }
  const { missing, missingCount } = completeness;
  const message = `${missingCount} of ${manifest.fileCount} files are missing or not whole. The measurement starts when the last one is there.`;
  return { missing, missingCount, reason: { code: 'file-missing', message } };
}

function shortened(message: string): string {
  return message.length <= 2000 ? message : `${message.slice(0, 1999)}…`;
}

function say<T extends MessageType>(
  ports: LandingPorts,
  folder: LandingFolder,
  fleet: string,
  type: T,
  contentHash: string,
  data: DataOf<T>,
): OutgoingMessage {
  const id = messageIdOf(type, folder.folder, contentHash);
  const envelope = envelopeOf(type, data, {
    id,
    source: LANDING_SOURCE,
    time: ports.clock.now(),
    fleet,
    region: folder.region,
    sequence: 0,
  }) as Envelope;
  if (type === 'landfall.measurement.cancel.v1') {
    const destination = { kind: 'topic', name: COMMANDS_TOPIC } as const;
    return { destination, envelope, messageId: id, consumer: consumerOf(type) };
  }
  return { destination: { kind: 'topic', name: EVENTS_TOPIC }, envelope, messageId: id };
}
