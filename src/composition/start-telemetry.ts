import { join } from 'node:path';
import { JsonLinesTelemetry } from '#adapters/telemetry/json-lines-telemetry.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';
import type { Settings } from './settings.ts';

export interface StartedTelemetry {
  readonly telemetry: Telemetry;
  /** Sends what is left; ends within seconds, and never fails. */
  readonly close: () => Promise<void>;
}

/**
 * Application Insights where its connection string is set, else lines in a file of `LANDFALL_HOME` or on standard
 * output. `name` is the process's file; `role` what it calls itself.
 */
export async function startTelemetry(
  name: string,
  { home, applicationInsights }: Pick<Settings, 'home' | 'applicationInsights'>,
  role = name,
): Promise<StartedTelemetry> {
  const filePath = home === undefined ? undefined : join(home, 'telemetry', `${name}.jsonl`);
  const lines = new JsonLinesTelemetry(role, filePath);
  if (applicationInsights === undefined) return { telemetry: lines, close: async () => undefined };
  // The library takes a second and 60 MB to load: only where it is used.
  const { AzureMonitorTelemetry, ConnectionStringError } = await import(
    '#adapters/azure/monitor/azure-monitor-telemetry.ts'
  );
  try {
    const telemetry = await AzureMonitorTelemetry.start({ ...applicationInsights, role });
    return { telemetry, close: () => telemetry.close() };
  } catch (error) {
    // Work that can be done is done, also where nobody can be told of it.
    if (!(error instanceof ConnectionStringError)) throw error;
    lines.event('telemetry.not-sent', { message: error.message });
    return { telemetry: lines, close: async () => undefined };
  }
}
