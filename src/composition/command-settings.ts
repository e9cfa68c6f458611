import { ApiClient } from '#adapters/cli/api-client.ts';
import { localStack } from './local-stack.ts';
import { type Environment, readApiAddress, readSettings, type Settings } from './settings.ts';

/**
 * The variables of a command: the environment's where it names a stack or a deployment, else those of the local stack
 * of this folder.
 */
export function commandEnvironment(): Environment {
  const named = process.env['LANDFALL_API'] !== undefined;
  return named ? process.env : { ...localStack(process.env).environment, ...process.env };
}

export function commandSettings(): Settings {
  return readSettings(commandEnvironment());
}

/** The metadata API, with the token of LANDFALL_API_TOKEN where a deployment asks for one. */
export function commandApi(api = readApiAddress(commandEnvironment())): ApiClient {
  return new ApiClient(api, process.env['LANDFALL_API_TOKEN']);
}
