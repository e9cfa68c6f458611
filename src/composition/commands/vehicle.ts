import type { VehicleOptions } from '#adapters/cli/program.ts';
import { processTerminal } from '#adapters/cli/terminal.ts';
import { type DbcSummary, setVehicle, showVehicle } from '#adapters/cli/vehicles.ts';
import { parseDbc } from '#formats/dbc/parse.ts';
import { commandApi } from '../command-settings.ts';

export function vehicleSet(vin: string, options: VehicleOptions): Promise<number> {
  return setVehicle({ ...ports(), readDbc }, vin, options);
}

export function vehicleShow(vin: string, options: { readonly json: boolean }): Promise<number> {
  return showVehicle(ports(), vin, options);
}

function ports() {
  return { api: commandApi(), terminal: processTerminal() };
}

function readDbc(bytes: Uint8Array): DbcSummary {
  const { messages, problems } = parseDbc(bytes);
  return {
    messageCount: messages.length,
    signalCount: messages.reduce((sum, message) => sum + message.signals.length, 0),
    problems: problems.map(({ line, what }) => `line ${line}: ${what}`),
  };
}
