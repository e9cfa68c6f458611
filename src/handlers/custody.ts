import { TerminalFailure } from '#domain/failures.ts';
import { dataStreamIdOf } from '#domain/identity.ts';
import { inParallel } from '#domain/in-parallel.ts';
import { type LandedVersions, storedVersions } from '#domain/landed-versions.ts';
import type { Envelope } from '#domain/messages.ts';
import type { BlobProperties, BlobStore } from '#domain/ports/blob-store.ts';
import { below, type EndedTask, type RunPlace, runKeyOf, workFolderOf } from '#domain/stage-plan.ts';
import {
  isCopy,
  planDuplicateRemoval,
  planQuarantine,
  planRestore,
  quarantineTarget,
  REASON_FILE_NAME,
  WALL_CLOCK_SECONDS_MAX,
} from '#domain/stages/custody.ts';
import { CopyFacts } from '#domain/tasks/copy-task.ts';
import { CUSTODY_QUEUE } from '#domain/topology.ts';
import {
  type BlobLocation,
  type BlobReference,
  CUSTODY_WORKS,
  isCustodyWork,
  RECORDINGS_CONTAINER,
} from '#domain/vocabulary.ts';
import { type BatchStage, type BatchStagePorts, batchStageHandler } from './batch-stage.ts';
import { type PlacingPorts, placeIn } from './placing.ts';
import { writeJson } from './run-papers.ts';
import { stageEvent } from './stage-messages.ts';

export interface CustodyPorts extends BatchStagePorts, PlacingPorts {
  /** How often to look whether blobs have come back from the Archive tier. */
  readonly rehydrationPollSeconds: number;
}

type RestoreCommand = Envelope<'landfall.measurement.restore.v1'>;

/** The saga counts no attempts of custody: after this many a person looks. */
const ATTEMPTS_MAX = 3;
const PARALLEL_TIER_CHANGES = 32;

/** Keeps the files: out of Landing when they are bad or came twice, back to Landing when they are to be run again. */
export function custodyHandler(ports: CustodyPorts): (message: Envelope) => Promise<void> {
  const quarantine = batchStageHandler(quarantineWork(ports), ports);
  const restore = batchStageHandler(restoreWork(ports), ports);
  const removeDuplicate = notingTheEnd(ports, batchStageHandler(duplicateWork(), ports));
  const byWork = { quarantine, restore, 'remove-duplicate': removeDuplicate };
  return async (message) => {
    switch (message.type) {
      case 'landfall.measurement.quarantine.v1':
        return quarantine(message);
      case 'landfall.measurement.restore.v1':
        return restore(message);
      case 'landfall.duplicate.remove.v1':
        return removeDuplicate(message);
      case 'landfall.stage.conclude.v1':
        if (isCustodyWork(message.data.stage)) return byWork[message.data.stage](message);
        throw misdirected(`the conclusion of ${message.data.stage}`);
      default:
        throw misdirected(message.type);
    }
  };
}

function misdirected(what: string): TerminalFailure {
  return new TerminalFailure(
    'message-invalid',
    `${what} came to custody, which takes ${CUSTODY_WORKS.join(', ')}; correct the subscription`,
  );
}

function quarantineWork(ports: CustodyPorts): BatchStage<'landfall.measurement.quarantine.v1'> {
  return {
    work: 'quarantine',
    command: 'landfall.measurement.quarantine.v1',
    attemptsMax: ATTEMPTS_MAX,

    async plan(command, place) {
      const { measurementId, generation, recording } = command.data;
      const landed = command.data.landed ?? (await noteVersions(ports.blobs, recording.folder, place));
      const facts = { measurementId, recording, commandTime: command.time };
      // A folder per order: what was put away before is never written over.
      const folderId = dataStreamIdOf(measurementId, generation, `quarantine/${command.id}`);
      const [target] = await placeIn(ports, facts, 'error', folderId, [RECORDINGS_CONTAINER]);
      return planQuarantine(recording.folder, landed, target!);
    },

    async conclude(command, run) {
      const { measurementId, generation, reason, recording } = command.data;
      const location = quarantineTarget(run.plan);
      await writeJson(ports.blobs, below(location, REASON_FILE_NAME), {
        measurementId,
        generation,
        fleet: recording.fleet,
        recordingId: recording.recordingId,
        folder: recording.folder,
        reason,
        quarantinedAt: command.time,
      });
      const fileCount = copiedFileCount(run.tasks);
      return [
        stageEvent('landfall.measurement.quarantined.v1', { measurementId, generation, location, fileCount }),
      ];
    },
  };
}

/** What lies in the folder when the move is planned: a saga that began before Landing noted versions knows none. */
async function noteVersions(blobs: BlobStore, folder: BlobLocation, place: RunPlace): Promise<BlobReference> {
  const landed: LandedVersions = { schemaVersion: 1, files: await storedVersions(blobs, folder) };
  return (await writeJson(blobs, below(place.workFolder, 'landed.json'), landed)).reference;
}

function restoreWork(ports: CustodyPorts): BatchStage<'landfall.measurement.restore.v1'> {
  return {
    work: 'restore',
    command: 'landfall.measurement.restore.v1',
    attemptsMax: ATTEMPTS_MAX,

    async prepare(command) {
      if (await isRemovalPending(ports, command)) {
        await askAgainLater(ports, command);
        return 'later';
      }
      if (command.data.from !== 'archive' || (await isRehydrated(ports, command))) return 'ready';
      await askAgainLater(ports, command);
      return 'later';
    },

    async plan(command) {
      const { from, locations, recording } = command.data;
      for (const location of locations) {
        for await (const blob of ports.blobs.list(asFolder(location)))
          if (blob.sizeBytes >= 0) return planRestore(from, locations, recording.folder);
      }
      throw new TerminalFailure(
        'not-found',
        `there is nothing to restore in the ${from} zone: ${locations.map(({ account, path }) => `${account}/${path}`).join(', ')} is empty; its retention may be over`,
      );
    },

    conclude(command, run) {
      const { measurementId, generation } = command.data;
      const fileCount = copiedFileCount(run.tasks);
      return Promise.resolve([
        stageEvent('landfall.measurement.rehydrated.v1', { measurementId, generation, fileCount }),
      ]);
    },

    giveUp(command, reason) {
      const { measurementId, generation, number } = command.data;
      return [stageEvent('landfall.restore.failed.v1', { measurementId, generation, number, reason })];
    },
  };
}

function duplicateWork(): BatchStage<'landfall.duplicate.remove.v1'> {
  return {
    work: 'remove-duplicate',
    command: 'landfall.duplicate.remove.v1',
    attemptsMax: ATTEMPTS_MAX,

    plan: (command) => Promise.resolve(planDuplicateRemoval(command.data)),

    conclude(command, run) {
      const { measurementId, generation, recording } = command.data;
      const [removed] = run.tasks;
      const { fileCount, sizeBytes, kept } = CopyFacts.parse(removed?.result.facts);
      const { folder } = recording;
      return Promise.resolve([
        stageEvent('landfall.duplicate.removed.v1', {
          measurementId,
          generation,
          folder,
          fileCount,
          sizeBytes,
          kept,
        }),
      ]);
    },
  };
}

const GIVEN_UP_FILE_NAME = 'given-up.json';

/** A removal that nobody tries again is noted, for whoever waits until it is over; the message becomes a dead letter. */
function notingTheEnd(
  ports: CustodyPorts,
  remove: (message: Envelope) => Promise<void>,
): (message: Envelope) => Promise<void> {
  return async (message) => {
    try {
      await remove(message);
    } catch (error) {
      if (error instanceof TerminalFailure && 'generation' in message.data) {
        const { measurementId, generation } = message.data;
        const isCommand = message.type === 'landfall.duplicate.remove.v1';
        const commandId = isCommand ? message.id : (message.causationid ?? message.id);
        const folder = removalFolderOf(ports, measurementId, { commandId, generation }, 1);
        const { code, message: sentence } = error;
        await writeJson(ports.blobs, below(folder, GIVEN_UP_FILE_NAME), { code, message: sentence });
      }
      throw error;
    }
  };
}

/**
 * Whether a duplicate is still to be taken out of the folder. Brought back in between, files that lie there already
 * would be counted as back, and then be taken away. A removal that died without a word is waited for so long as it
 * could take.
 */
async function isRemovalPending(ports: CustodyPorts, command: RestoreCommand): Promise<boolean> {
  const { after = [], measurementId } = command.data;
  const waitedMs = ports.clock.now().getTime() - Date.parse(command.time);
  if (waitedMs > WALL_CLOCK_SECONDS_MAX * 1000) return false;
  for (const removal of after) {
    const attempts = Array.from({ length: ATTEMPTS_MAX }, (_, index) => index + 1);
    const papers = attempts.map((attempt) =>
      below(removalFolderOf(ports, measurementId, removal, attempt), 'conclusion.json'),
    );
    papers.push(below(removalFolderOf(ports, measurementId, removal, 1), GIVEN_UP_FILE_NAME));
    const found = await inParallel(papers, papers.length, (paper) => ports.blobs.head(paper));
    if (found.every((paper) => paper === undefined)) return true;
  }
  return false;
}

function removalFolderOf(
  { papers }: CustodyPorts,
  measurementId: string,
  { commandId, generation }: { readonly commandId: string; readonly generation: number },
  attempt: number,
): BlobLocation {
  const key = runKeyOf('remove-duplicate', commandId);
  return workFolderOf(papers, { measurementId, generation, key, attempt });
}

function copiedFileCount(tasks: readonly EndedTask[]): number {
  return tasks
    .filter((task) => isCopy(task.planned))
    .reduce((sum, task) => sum + CopyFacts.parse(task.result.facts).fileCount, 0);
}

/** Asks all blobs back from the Archive tier. @returns whether all of them can be read now. */
async function isRehydrated(ports: CustodyPorts, command: RestoreCommand): Promise<boolean> {
  const { locations, priority, measurementId } = command.data;
  const archived: BlobProperties[] = [];
  let fileCount = 0;
  for (const location of locations) {
    for await (const blob of ports.blobs.list(asFolder(location))) {
      fileCount += 1;
      if (blob.tier === 'Archive' || blob.rehydrating) archived.push(blob);
    }
  }
  await inParallel(
    archived.filter((blob) => !blob.rehydrating),
    PARALLEL_TIER_CHANGES,
    (blob) => ports.blobs.setTier(blob.location, 'Hot', priority),
  );
  ports.telemetry.event(
    'custody.rehydrating',
    { measurementId, priority },
    { fileCount, pendingCount: archived.length },
  );
  return archived.length === 0;
}

/**
 * Rehydration takes hours (Blob service, "Rehydrate priority": up to 15 at Standard, under 1 at High for small
 * blobs), and a large duplicate takes long to be read. The command itself waits, scheduled, in its queue; nothing is held meanwhile. The transport id names the
 * time slot, so that a repeated delivery does not become a second chain of waiting.
 */
async function askAgainLater(ports: CustodyPorts, command: RestoreCommand): Promise<void> {
  const intervalMs = ports.rehydrationPollSeconds * 1000;
  const slot = Math.floor(ports.clock.now().getTime() / intervalMs) + 1;
  await ports.messages.send([
    {
      destination: { kind: 'queue', name: CUSTODY_QUEUE },
      envelope: command,
      messageId: `${command.id}~waiting-${slot}`,
      enqueueAt: new Date(slot * intervalMs),
    },
  ]);
}

function asFolder(location: BlobLocation): BlobLocation {
  return below(location, '');
}
