import { localStack } from './local-stack.ts';
import { readSettings, type Settings } from './settings.ts';

/**
 * Settings of a command: the environment's where it names a stack or a deployment, else those of the local stack
 * of this folder.
 */
export function commandSettings(): Settings {
  const named = process.env['LANDFALL_API'] !== undefined;
  return readSettings(named ? process.env : { ...localStack(process.env).environment, ...process.env });
}
