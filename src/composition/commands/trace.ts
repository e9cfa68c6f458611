import { join } from 'node:path';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { measurementIdFor } from '#adapters/cli/measurements.ts';
import { processTerminal } from '#adapters/cli/terminal.ts';
import { readTraces } from '#adapters/cli/trace.ts';
import { traceText } from '#adapters/cli/trace-text.ts';
import { commandApi, commandEnvironment } from '../command-settings.ts';

/** Spans lie in files only on a laptop; in Azure the same trace is in Application Insights. */
export async function trace(
  id: string,
  { json, all }: { readonly json: boolean; readonly all: boolean },
): Promise<number> {
  const home = commandEnvironment()['LANDFALL_HOME'];
  if (home === undefined) {
    throw new CommandError(
      'LANDFALL_HOME is not set, so there are no telemetry files here. Of a deployed environment, ask Application Insights: ' +
        `union requests, dependencies | where customDimensions.measurementId == '${id}' | summarize by operation_Id`,
    );
  }
  const measurementId = await measurementIdFor(commandApi(), id);
  const folder = join(home, 'telemetry');
  const traces = await readTraces(folder, measurementId);
  if (traces.length === 0) {
    throw new CommandError(
      `${folder} holds no spans of measurement ${measurementId}. \`landfall status ${measurementId}\` says whether anything has worked on it yet.`,
    );
  }
  processTerminal().print(
    json
      ? JSON.stringify({ measurementId, traces }, null, 2)
      : traces.map((one) => traceText(one, { all })).join('\n\n'),
  );
  return EXIT.ok;
}
