import {
  concatMap,
  filter,
  firstValueFrom,
  lastValueFrom,
  retry,
  takeWhile,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { MeasurementLine, MeasurementStatus } from '#domain/measurement-status.ts';
import { type ApiClient, ApiUnavailable } from './api-client.ts';
import { CommandError, EXIT } from './exit-codes.ts';
import { hasEnded, listText, stageLine, statusText } from './render-status.ts';
import type { Terminal } from './terminal.ts';

const POLL_MS = 500;
/** Whoever watches outlives a restart of the API, and gives up when it stays away. */
const AWAY_SECONDS_MAX = 120;

export interface MeasurementCommandPorts {
  readonly api: ApiClient;
  readonly terminal: Terminal;
  readonly now: () => Date;
}

export async function showStatus(
  ports: MeasurementCommandPorts,
  id: string | undefined,
  options: { readonly watch: boolean; readonly json: boolean },
): Promise<number> {
  const { api, terminal, now } = ports;
  if (id === undefined) {
    const { measurements } = await api.get<{ measurements: MeasurementLine[] }>('/measurements');
    terminal.print(options.json ? JSON.stringify(measurements, null, 2) : listText(measurements));
    return EXIT.ok;
  }
  const measurementId = await measurementIdFor(api, id);
  if (options.watch) {
    // One that was uploaded a moment ago is watched from its first moment on.
    if ((await api.find(`/measurements/${measurementId}`)) === undefined)
      terminal.note(`There is no measurement ${measurementId} yet. Waiting for it; Ctrl-C ends that.`);
    const last = await watchMeasurement(ports, measurementId, options.json);
    if (options.json) terminal.print(JSON.stringify(last, null, 2));
    return last.state === 'Shared' ? EXIT.ok : EXIT.notShared;
  }
  const status = await requireStatus(api, measurementId);
  terminal.print(options.json ? JSON.stringify(status, null, 2) : statusText(status, now()));
  return EXIT.ok;
}

/** A measurement's id, or the name of its recording where that is unambiguous. */
export async function measurementIdFor(api: ApiClient, idOrName: string): Promise<string> {
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(idOrName))
    return idOrName.toLowerCase();
  const { measurements } = await api.get<{ measurements: MeasurementLine[] }>('/measurements?limit=1000');
  const named = measurements.filter(
    (line) => line.recordingId === idOrName || line.measurementId.startsWith(idOrName),
  );
  const [only] = named;
  if (only !== undefined && named.length === 1) return only.measurementId;
  throw new CommandError(
    named.length === 0
      ? `There is no measurement ${idOrName}. \`landfall status\` lists them.`
      : `${idOrName} may be one of ${named.map((line) => line.measurementId).join(', ')}; name it whole.`,
  );
}

async function requireStatus(api: ApiClient, measurementId: string): Promise<MeasurementStatus> {
  const status = await api.find<MeasurementStatus>(`/measurements/${measurementId}`);
  if (status === undefined) {
    throw new CommandError(`There is no measurement ${measurementId}. \`landfall status\` lists them.`);
  }
  return status;
}

/** Shows every change of a stage until the measurement has ended. */
export async function watchMeasurement(
  ports: MeasurementCommandPorts,
  measurementId: string,
  json: boolean,
): Promise<MeasurementStatus> {
  const { api, terminal, now } = ports;
  const shown = new Set<string>();
  return lastValueFrom(
    statuses(api, measurementId).pipe(
      tap((status) => {
        if (json) return;
        for (const stage of status.stages) {
          const key = `${status.generation} ${stage.stage} ${stage.state} ${stage.attempt}`;
          if (stage.state === 'Pending' || shown.has(key)) continue;
          shown.add(key);
          if (stage.state === 'Running') terminal.progress(stageLine(stage, now()));
          else terminal.print(stageLine(stage, now()));
        }
      }),
      takeWhile((status) => !hasEnded(status), true),
    ),
  );
}

/**
 * Waits for the end of what an upload has started. `before` is what was there earlier: a measurement that had ended
 * then must change first, unless it stays as it is because the same bytes came again.
 */
export async function waitForEnd(
  api: ApiClient,
  measurementId: string,
  before: MeasurementStatus | undefined,
  unchangedMs: number,
): Promise<MeasurementStatus> {
  const startedAt = performance.now();
  const isNews = (status: MeasurementStatus) =>
    before === undefined ||
    !hasEnded(before) ||
    status.updatedAt !== before.updatedAt ||
    performance.now() - startedAt > unchangedMs;
  return firstValueFrom(
    statuses(api, measurementId).pipe(filter((status) => hasEnded(status) && isNews(status))),
  );
}

function statuses(api: ApiClient, measurementId: string) {
  return timer(0, POLL_MS).pipe(
    concatMap(() => api.find<MeasurementStatus>(`/measurements/${measurementId}`)),
    retry({
      delay: (error, times) =>
        error instanceof ApiUnavailable && times <= AWAY_SECONDS_MAX ? timer(1000) : throwError(() => error),
      resetOnSuccess: true,
    }),
    filter((status) => status !== undefined),
  );
}

/** Sends a wish; the saga decides. */
export async function steer(
  ports: MeasurementCommandPorts,
  id: string,
  verb: 'cancel' | 'rerun' | 'rehydrate',
  wish: object,
  json: boolean,
): Promise<number> {
  const measurementId = await measurementIdFor(ports.api, id);
  await ports.api.send('POST', `/measurements/${measurementId}/${verb}`, wish);
  ports.terminal.print(
    json
      ? JSON.stringify({ measurementId, accepted: true })
      : `Accepted. Watch it with: landfall status ${measurementId} --watch`,
  );
  return EXIT.ok;
}
