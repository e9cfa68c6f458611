import { isFailure } from '#domain/failures.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { LandingStore } from '#domain/ports/landing-store.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import type { Landing } from '../landing.ts';

const FOLDERS_PER_SWEEP_MAX = 100;

/**
 * Looks at the folders whose time has come: those that wait for files, for a copy to end, or that were announced a
 * while ago. Events can be lost; this finds what they would have told. A folder that cannot be looked at now is
 * looked at in the next sweep, and does not keep the others waiting.
 * @returns how many folders were looked at.
 */
export async function sweepLanding(
  ports: { readonly store: LandingStore; readonly clock: Clock; readonly telemetry: Telemetry },
  landing: Pick<Landing, 'lookAgain'>,
): Promise<number> {
  const due = await ports.store.due(ports.clock.now(), FOLDERS_PER_SWEEP_MAX);
  let lookedAt = 0;
  for (const folder of due) {
    try {
      await landing.lookAgain(folder);
      lookedAt++;
    } catch (error) {
      if (!isFailure(error)) throw error;
      const { code, message } = error;
      ports.telemetry.event('landing sweep failed', { folder: folder.folder, code, message });
    }
  }
  return lookedAt;
}
