import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { VehicleConfiguration } from '#domain/ports/vehicle-store.ts';
import { SensorKind } from '#domain/vocabulary.ts';
import type { ApiClient } from './api-client.ts';
import { CommandError, EXIT } from './exit-codes.ts';
import type { VehicleOptions } from './program.ts';
import type { Terminal } from './terminal.ts';

export interface VehicleCommandPorts {
  readonly api: ApiClient;
  readonly terminal: Terminal;
  /** Reads a DBC file, so that a wrong one is refused here and not hours later in a task. */
  readonly readDbc: (bytes: Uint8Array) => DbcSummary;
}

export interface DbcSummary {
  readonly messageCount: number;
  readonly signalCount: number;
  /** What could not be understood, a sentence each. */
  readonly problems: readonly string[];
}

/** The body of POST /vehicles/{vin}/configurations. */
interface ConfigurationRequest {
  readonly validFrom?: string;
  readonly dbc?: Readonly<Record<string, { readonly name: string; readonly content: string }>>;
  readonly topicMap?: Readonly<Record<string, string>>;
  readonly referenceClock?: string;
}

/** Says what is true of a vehicle from a time on. @throws {CommandError} naming the option that is wrong. */
export async function setVehicle(
  ports: VehicleCommandPorts,
  vin: string,
  options: VehicleOptions,
): Promise<number> {
  const request = await requestOf(ports, options);
  const saved = await ports.api.send<VehicleConfiguration>('POST', pathOf(vin), request);
  ports.terminal.print(options.json ? JSON.stringify(saved) : `Saved.\n${configurationText(saved)}`);
  return EXIT.ok;
}

export async function showVehicle(
  { api, terminal }: Pick<VehicleCommandPorts, 'api' | 'terminal'>,
  vin: string,
  { json }: { readonly json: boolean },
): Promise<number> {
  const { configurations } = await api.get<{ configurations: VehicleConfiguration[] }>(pathOf(vin));
  const inOrder = configurations.toSorted((one, other) => one.validFrom.localeCompare(other.validFrom));
  if (json) terminal.print(JSON.stringify(inOrder, null, 2));
  else if (inOrder.length === 0)
    terminal.print(
      `Nothing is known of vehicle ${vin}. Tell it with: landfall vehicle set ${vin} --dbc <bus>=<file>`,
    );
  else terminal.print([`Vehicle ${vin}`, ...inOrder.map(configurationText)].join('\n'));
  return EXIT.ok;
}

function pathOf(vin: string): string {
  return `/vehicles/${encodeURIComponent(vin)}/configurations`;
}

async function requestOf(ports: VehicleCommandPorts, options: VehicleOptions): Promise<ConfigurationRequest> {
  const { dbc, topic, referenceClock, validFrom } = options;
  if (dbc === undefined && topic === undefined && referenceClock === undefined) {
    throw new CommandError(
      'There is nothing to set. Give --dbc <bus>=<file>, --topic <topic>=<kind> or --reference-clock <topic>.',
      EXIT.usage,
    );
  }
  return {
    ...(dbc === undefined ? {} : { dbc: await dbcFiles(ports, dbc) }),
    ...(topic === undefined ? {} : { topicMap: topicMapOf(topic) }),
    ...(referenceClock === undefined ? {} : { referenceClock }),
    ...(validFrom === undefined ? {} : { validFrom: timeOf(validFrom) }),
  };
}

async function dbcFiles(ports: VehicleCommandPorts, pairs: readonly string[]) {
  const files: Record<string, { name: string; content: string }> = {};
  for (const pair of pairs) {
    const [bus, path] = partsOf(pair, pair.indexOf('='), '--dbc <bus>=<file>');
    if (files[bus] !== undefined) {
      throw new CommandError(`--dbc names bus ${bus} twice. Give one file per bus.`, EXIT.usage);
    }
    const bytes = await bytesOf(path);
    const { messageCount, signalCount, problems } = ports.readDbc(bytes);
    if (messageCount === 0) {
      throw new CommandError(
        `${path} is not a DBC file: no message could be read from it${problems.length === 0 ? '' : ` (${problems[0]})`}. Give the DBC file of bus ${bus}.`,
      );
    }
    ports.terminal.note(`bus ${bus}: ${basename(path)}, ${messageCount} messages, ${signalCount} signals`);
    for (const problem of problems.slice(0, 5)) ports.terminal.note(`  ${problem}`);
    files[bus] = { name: basename(path), content: Buffer.from(bytes).toString('base64') };
  }
  return files;
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'EACCES') {
      throw new CommandError(`${path} cannot be read (${code}). Give the path of a DBC file.`, EXIT.usage);
    }
    throw error;
  }
}

/** `/front/image=camera`; a topic may hold `=` itself, a kind never does. */
function topicMapOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [topic, kind] = partsOf(pair, pair.lastIndexOf('='), '--topic <topic>=<kind>');
      if (!SensorKind.safeParse(kind).success) {
        throw new CommandError(
          `--topic ${pair}: ${kind} is no kind of sensor. Give one of ${SensorKind.options.join(', ')}.`,
          EXIT.usage,
        );
      }
      return [topic, kind];
    }),
  );
}

function partsOf(pair: string, at: number, usage: string): readonly [string, string] {
  if (at <= 0 || at === pair.length - 1) {
    throw new CommandError(`${pair} is not of the form ${usage}.`, EXIT.usage);
  }
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function timeOf(text: string): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) {
    throw new CommandError(
      `--valid-from ${text} is not a time. Give it as RFC 3339, for example 2026-03-01T00:00:00Z.`,
      EXIT.usage,
    );
  }
  return time.toISOString();
}

function configurationText(configuration: VehicleConfiguration): string {
  const { validFrom, dbc, topicMap, referenceClock } = configuration;
  return [
    `  from ${validFrom}`,
    ...Object.entries(dbc).map(([bus, file]) => `    dbc    ${bus}: ${file.path.split('/').at(-1)}`),
    ...Object.entries(topicMap).map(([topic, kind]) => `    topic  ${topic}: ${kind}`),
    ...(referenceClock === undefined ? [] : [`    clock  ${referenceClock}`]),
  ].join('\n');
}
