import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { type Finding, findingsExitCode, findingsText } from '#adapters/cli/findings.ts';
import { bytesText, countText, processTerminal } from '#adapters/cli/terminal.ts';
import type { FailedMessage } from '#domain/ports/failed-message-store.ts';
import { commandApi } from '../command-settings.ts';
import type { Deployment } from '../deployment/examine-deployment.ts';
import type { Release } from '../deployment/examine-versions.ts';
import { type LocalStack, localStack } from '../local-stack.ts';
import { isRunning } from '../process-identity.ts';
import { readUpFile, type UpFile } from '../up-file.ts';

const NODE_MAJOR_MIN = 24;
/** The demo writes 100 MB; a real drive of an hour writes tens of GB, three times. */
const DISK_FREE_BYTES_MIN = 2e9;
/** The stack, the workers and one task. */
const MEMORY_BYTES_MIN = 3e9;
const CONNECT_WITHIN_MS = 1000;

/** Packages with a part per platform, which `npm ci` leaves out when told to omit optional dependencies. */
const PLATFORM_PACKAGES = ['@duckdb/node-api', 'sharp', 'lz4-napi'] as const;

export interface DoctorOptions {
  readonly json: boolean;
  readonly azure: boolean;
  readonly subscription?: string;
  readonly resourceGroup?: string;
  readonly outside?: boolean;
}

/** Checks this machine and its stack, or a deployed environment. @returns 1 when something must be fixed. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const findings = options.azure
    ? await examineAzure(deploymentOf(options, process.env))
    : await examineMachine(localStack(process.env));
  processTerminal().print(options.json ? JSON.stringify(findings, null, 2) : findingsText(findings));
  return findingsExitCode(findings);
}

/** What an environment is compared with comes with every SDK; a look at this machine does without. */
async function examineAzure(deployment: Deployment): Promise<readonly Finding[]> {
  const [{ signedInResourceManager }, { examineDeployment }] = await Promise.all([
    import('#adapters/azure/deployment/resource-manager.ts'),
    import('../deployment/examine-deployment.ts'),
  ]);
  return examineDeployment(signedInResourceManager(), deployment);
}

/** The machine first, then the stack: what stands lower in the list may be a consequence of what stands higher. */
export async function examineMachine(stack: LocalStack): Promise<readonly Finding[]> {
  const up = readUpFile(stack);
  return [
    nodeVersion(process.versions.node),
    machineSize(totalmem(), availableParallelism()),
    ...(await Promise.all(PLATFORM_PACKAGES.map(platformPackage))),
    await stateFolder(stack.home),
    ...(up === undefined ? await portsToCome(stack) : await runningStack(stack, up)),
  ];
}

function nodeVersion(version: string): Finding {
  if (Number(version.split('.')[0]) >= NODE_MAJOR_MIN) return { name: 'Node', state: 'ok', found: version };
  return {
    name: 'Node',
    state: 'failed',
    found: `${version}, which cannot run Landfall`,
    remedy: `run npm ci and then \`npx landfall …\`: the lockfile brings Node ${NODE_MAJOR_MIN}`,
  };
}

function machineSize(memoryBytes: number, processorCount: number): Finding {
  const found = `${bytesText(memoryBytes)} of memory, ${processorCount} processors`;
  if (memoryBytes >= MEMORY_BYTES_MIN) return { name: 'machine', state: 'ok', found };
  return {
    name: 'machine',
    state: 'warning',
    found,
    remedy: `the stack with one task wants ${bytesText(MEMORY_BYTES_MIN)}; close other programs`,
  };
}

async function platformPackage(name: string): Promise<Finding> {
  try {
    await import(name);
    return { name, state: 'ok', found: 'loads' };
  } catch (error) {
    // Whatever a package throws while it loads means the same to the user: it is not usable here.
    return {
      name,
      state: 'failed',
      found: `does not load: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
      remedy: 'run npm ci again, without --omit=optional, on this machine',
    };
  }
}

async function stateFolder(home: string): Promise<Finding> {
  try {
    await mkdir(home, { recursive: true });
    await access(home, constants.W_OK);
    const { bavail, bsize } = await statfs(home);
    const freeBytes = bavail * bsize;
    const found = `${home}, ${bytesText(freeBytes)} free`;
    if (freeBytes >= DISK_FREE_BYTES_MIN) return { name: 'state folder', state: 'ok', found };
    return {
      name: 'state folder',
      state: 'warning',
      found,
      remedy: 'free some space, or set LANDFALL_HOME to a folder on a larger disk',
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return {
      name: 'state folder',
      state: 'failed',
      found: `${home} cannot be written (${code})`,
      remedy: 'set LANDFALL_HOME to a folder of yours',
    };
  }
}

async function portsToCome(stack: LocalStack): Promise<readonly Finding[]> {
  const taken: string[] = [];
  for (const [service, port] of Object.entries(stack.ports)) {
    if (await listens(port)) taken.push(`${port} (${service})`);
  }
  const ports: Finding =
    taken.length === 0
      ? { name: 'ports', state: 'ok', found: `${Object.values(stack.ports).join(', ')} are free` }
      : {
          name: 'ports',
          state: 'failed',
          found: `taken by another program: ${taken.join(', ')}`,
          remedy:
            'stop that program, or give the stack 20 other ports, for example: LANDFALL_PORT_BASE=23000 landfall up',
        };
  return [
    ports,
    { name: 'stack', state: 'warning', found: 'not running', remedy: 'start it with: landfall up' },
  ];
}

async function runningStack(stack: LocalStack, up: UpFile): Promise<readonly Finding[]> {
  const overall: Finding = up.ready
    ? { name: 'stack', state: 'ok', found: `running since ${up.startedAt}` }
    : {
        name: 'stack',
        state: 'warning',
        found: 'still starting',
        remedy: `wait; if it takes longer than a minute, see ${stack.home}/logs`,
      };
  const processes = up.processes.map(({ name, pid, restarts, script }): Finding => {
    const log = `${stack.home}/logs/${name}.log`;
    if (!isRunning(pid, script))
      return { name, state: 'failed', found: 'not running', remedy: `its last words are in ${log}` };
    if (restarts === 0) return { name, state: 'ok', found: `process ${pid}` };
    return {
      name,
      state: 'warning',
      found: `process ${pid}, restarted ${restarts} times`,
      remedy: `why is in ${log}`,
    };
  });
  return [
    overall,
    ...processes,
    await apiHealth(stack.environment['LANDFALL_API'] ?? '', 'see its log, or restart it: landfall down'),
    ...(await deadLetters(stack.environment['LANDFALL_API'] ?? '')),
  ];
}

async function apiHealth(base: string, remedy: string): Promise<Finding> {
  try {
    await commandApi(base).get('/health');
    return { name: 'metadata API', state: 'ok', found: `${base} answers` };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { name: 'metadata API', state: 'failed', found: error.message, remedy };
  }
}

async function deadLetters(base: string): Promise<readonly Finding[]> {
  try {
    const { deadLetters } = await commandApi(base).get<{ deadLetters: FailedMessage[] }>(
      '/dead-letters?limit=1000',
    );
    const failed = deadLetters.filter((message) => message.state === 'failed');
    if (failed.length === 0) return [{ name: 'dead letters', state: 'ok', found: 'none' }];
    return [
      {
        name: 'dead letters',
        state: 'warning',
        found: `${countText(failed.length, 'message')} failed for good`,
        remedy: 'look at them with: landfall dead-letters list',
      },
    ];
  } catch (error) {
    // That the API does not answer is a finding already.
    if (error instanceof CommandError) return [];
    throw error;
  }
}

/** The environment that the options name, else the variables. @throws {CommandError} naming what was not given. */
export function deploymentOf(
  options: DoctorOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Deployment {
  const subscriptionId = options.subscription ?? environment['AZURE_SUBSCRIPTION_ID'];
  const resourceGroup = options.resourceGroup ?? environment['AZURE_RESOURCE_GROUP'];
  if (subscriptionId === undefined || resourceGroup === undefined) {
    throw new CommandError(
      'Say which environment: landfall doctor --azure --subscription <id> --resource-group landfall-dev, or set AZURE_SUBSCRIPTION_ID and AZURE_RESOURCE_GROUP. `az account show --query id` prints the id.',
      EXIT.usage,
    );
  }
  const digests = environment['LANDFALL_IMAGE_DIGESTS'];
  return {
    subscriptionId,
    resourceGroup,
    outside: options.outside ?? false,
    ...(digests === undefined ? {} : { release: releaseOf(digests) }),
  };
}

function releaseOf(digests: string): Release {
  try {
    return JSON.parse(digests) as Release;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CommandError(
      `LANDFALL_IMAGE_DIGESTS is not JSON (${error.message}); it is what image-digests.json of a release holds.`,
      EXIT.usage,
    );
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: CONNECT_WITHIN_MS });
    const answer = (value: boolean) => {
      socket.destroy();
      resolve(value);
    };
    socket.once('connect', () => answer(true));
    socket.once('timeout', () => answer(false));
    socket.once('error', () => answer(false));
  });
}
