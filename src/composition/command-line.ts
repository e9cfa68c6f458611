import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { type Actions, runProgram } from '#adapters/cli/program.ts';
import { SettingsError } from './settings.ts';

/** The command line. @returns the exit code (src/adapters/cli/exit-codes.ts). */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await runProgram(argv, actions);
  } catch (error) {
    if (error instanceof CommandError) {
      console.error(error.message);
      return error.exitCode;
    }
    if (error instanceof SettingsError) {
      console.error(error.message);
      return EXIT.failed;
    }
    throw error;
  }
}

/** Each verb loads what it needs when it is used, so that `landfall env` starts as fast as it prints. */
const actions: Actions = {
  up: async () => (await import('./commands/stack.ts')).up(),
  down: async () => (await import('./commands/stack.ts')).down(),
  env: async () => (await import('./commands/stack.ts')).env(),
  demo: async (options) => (await import('./commands/demo.ts')).demo(options),
  doctor: async (options) => (await import('./commands/doctor.ts')).doctor(options),
  worker: async (options) => (await import('./worker.ts')).worker(options),
  upload: async (folder, options) => (await import('./commands/measurement.ts')).upload(folder, options),
  manifest: async (folder, options) => (await import('./commands/measurement.ts')).manifest(folder, options),
  status: async (id, options) => (await import('./commands/measurement.ts')).status(id, options),
  inspect: async (file, options) => (await import('./commands/recording.ts')).inspect(file, options),
  extract: async (file, options) => (await import('./commands/recording.ts')).extract(file, options),
  trace: async (id, options) => (await import('./commands/trace.ts')).trace(id, options),
  rehydrate: async (id, options) => (await import('./commands/measurement.ts')).rehydrate(id, options),
  cancel: async (id, options) => (await import('./commands/measurement.ts')).cancel(id, options),
  rerun: async (id, options) => (await import('./commands/measurement.ts')).rerun(id, options),
  shareLink: async (id, options) => (await import('./commands/measurement.ts')).shareLink(id, options),
  vehicleSet: async (vin, options) => (await import('./commands/vehicle.ts')).vehicleSet(vin, options),
  vehicleShow: async (vin, options) => (await import('./commands/vehicle.ts')).vehicleShow(vin, options),
  deadLettersList: async (options) => (await import('./commands/dead-letters.ts')).list(options),
  deadLettersShow: async (id, options) => (await import('./commands/dead-letters.ts')).show(id, options),
  deadLettersAudit: async (options) => (await import('./commands/dead-letters.ts')).audit(options),
  deadLettersReplay: async (id, options) => (await import('./commands/dead-letters.ts')).replay(id, options),
};
