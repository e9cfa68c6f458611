import { ApiClient } from '#adapters/cli/api-client.ts';
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

/** The metadata API, with the token of LANDFALL_API_TOKEN where a deployment asks for one. */
export function commandApi(api = commandSettings().api): ApiClient {
  return new ApiClient(api, process.env['LANDFALL_API_TOKEN']);
}
