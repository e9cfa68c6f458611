import { Container, type ContainerModule } from 'inversify';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import { azureModule } from './azure.module.ts';
import { commandSettings } from './command-settings.ts';
import type { Role } from './role.ts';
import { apiModule } from './roles/api-role.ts';
import { landingModule, landingSweepModule } from './roles/landing-role.ts';
import {
  accountsModule,
  deadLettersModule,
  eventGridModule,
  tablesModule,
  taskPollModule,
} from './roles/operations-roles.ts';
import { deadlineSweepModule, relayModule, sagaModule } from './roles/saga-roles.ts';
import {
  copyModule,
  custodyModule,
  enrichModule,
  extractModule,
  registerModule,
  sceneDetectModule,
  shareModule,
  syncModule,
  validateModule,
} from './roles/stage-roles.ts';
import type { Settings } from './settings.ts';
import { startTelemetry } from './start-telemetry.ts';
import { untilStopSignal } from './stop-signal.ts';
import { ROLES } from './tokens.ts';

/** One container module per role. */
const MODULES: Readonly<Record<string, ContainerModule>> = {
  saga: sagaModule,
  relay: relayModule,
  'deadline-sweep': deadlineSweepModule,
  landing: landingModule,
  'landing-sweep': landingSweepModule,
  validate: validateModule,
  register: registerModule,
  copy: copyModule,
  extract: extractModule,
  sync: syncModule,
  enrich: enrichModule,
  'scene-detect': sceneDetectModule,
  share: shareModule,
  custody: custodyModule,
  'event-grid': eventGridModule,
  tables: tablesModule,
  'task-poll': taskPollModule,
  'dead-letters': deadLettersModule,
  accounts: accountsModule,
  api: apiModule,
};

export const ROLE_NAMES: readonly string[] = Object.keys(MODULES);

/** Names for what a laptop hosts in one process. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  all: ROLE_NAMES,
  road: [
    'landing',
    'validate',
    'register',
    'copy',
    'extract',
    'sync',
    'enrich',
    'scene-detect',
    'share',
    'custody',
    'event-grid',
    'tables',
  ],
  sweeps: ['deadline-sweep', 'landing-sweep', 'task-poll'],
};

/** `landfall worker --roles …`: hosts roles until it is told to stop, or lets each take one turn. */
export async function worker(options: { roles: string; once: boolean }): Promise<number> {
  const { roles: names, once } = options;
  const roleNames = roleNamesOf(names);
  const settings = commandSettings();
  const { telemetry, close } = await startTelemetry(names.replaceAll(/[^a-z0-9-]+/gi, '_'), settings);
  const roles = composeRoles(roleNames, settings, telemetry, process.env);
  if (once) {
    const well = await takeTurns(roles);
    await close();
    process.exit(well ? EXIT.ok : EXIT.failed);
  }
  const stopped = untilStopSignal();
  for (const role of roles) await role.start();
  process.stdout.write(`${JSON.stringify({ ready: true, roles: roleNames })}\n`);
  await stopped;
  await Promise.all(roles.map((role) => role.stop()));
  await close();
  // Connections of the SDKs would keep the process alive; everything of ours has ended.
  process.exit(EXIT.ok);
}

/** One after the other; a turn that fails does not keep the others from theirs. @throws {CommandError} */
export async function takeTurns(roles: readonly Role[]): Promise<boolean> {
  const serving = roles.filter(({ turn }) => turn === undefined).map(({ name }) => name);
  if (serving.length > 0) {
    throw new CommandError(
      `${serving.join(', ')} cannot be done once: it serves until it is stopped. Leave out --once, or name sweeps only.`,
      EXIT.usage,
    );
  }
  let well = true;
  for (const role of roles) well = (await role.turn?.()) === true && well;
  return well;
}

/** The roles, wired. */
export function composeRoles(
  roleNames: readonly string[],
  settings: Settings,
  telemetry: Telemetry,
  environment: Readonly<Record<string, string | undefined>>,
): readonly Role[] {
  const container = new Container();
  container.load(azureModule(settings, telemetry, taskEnvironmentOf(environment, settings)));
  container.load(...roleNames.map((name) => MODULES[name]!));
  return container.getAll(ROLES);
}

/** @throws {CommandError} naming what is not a role, and what is. */
export function roleNamesOf(names: string): readonly string[] {
  const wanted = names.split(',').flatMap((name) => (Object.hasOwn(GROUPS, name) ? GROUPS[name]! : [name]));
  const unknown = wanted.filter((name) => !Object.hasOwn(MODULES, name));
  if (unknown.length > 0) {
    const known = [...Object.keys(MODULES), ...Object.keys(GROUPS)].join(', ');
    throw new CommandError(
      `There is no role ${unknown.map((name) => `"${name}"`).join(', ')}. Roles: ${known}.`,
      EXIT.usage,
    );
  }
  return [...new Set(wanted)];
}

/**
 * What a task needs to reach storage and the metadata API. Keys are among it on a laptop only: settings see to it.
 * Never this process's identity: a node of Batch has one of its own, and finds it without being told.
 */
const TASK_VARIABLES = [
  'LANDFALL_STORAGE_CONNECTION_STRINGS',
  'LANDFALL_STORAGE_ENDPOINTS',
  'LANDFALL_API_CLIENT_ID',
  'LANDFALL_HOME',
  'APPLICATIONINSIGHTS_CONNECTION_STRING',
  'NODE_COMPILE_CACHE',
];

export function taskEnvironmentOf(
  environment: Readonly<Record<string, string | undefined>>,
  { api }: Settings,
): Readonly<Record<string, string>> {
  const given = TASK_VARIABLES.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const hasIdentity = environment['APPLICATIONINSIGHTS_AUTHENTICATION_STRING'] !== undefined;
  return {
    ...Object.fromEntries(given),
    ...(hasIdentity ? { APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD' } : {}),
    LANDFALL_API: api,
  };
}
