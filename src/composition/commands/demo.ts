import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT } from '#adapters/cli/exit-codes.ts';
import { watchMeasurement } from '#adapters/cli/measurements.ts';
import { statusText } from '#adapters/cli/render-status.ts';
import { processTerminal, type Terminal } from '#adapters/cli/terminal.ts';
import { uploadFolder } from '#adapters/cli/upload.ts';
import { DEMO_DRIVE } from '#adapters/drive-simulator/drive.ts';
import { DEMO_DBC, writeDriveBag } from '#adapters/drive-simulator/drive-bag.ts';
import { openFileByteSink } from '#adapters/file/file-byte-sink.ts';
import type { Lineage, MeasurementStatus } from '#domain/measurement-status.ts';
import { commandApi, commandSettings } from '../command-settings.ts';
import { landingAccountOf } from '../landing-account.ts';
import { type LocalStack, localStack } from '../local-stack.ts';
import { untilStopSignal } from '../stop-signal.ts';
import { blobStoreOf } from '../storage.ts';
import { readUpFile } from '../up-file.ts';
import { startLocalStack } from './stack.ts';

/** A vehicle that does not exist. */
const DEMO_VIN = 'WVWZZZ1KZ6W000001';
const SEED = 20_260_101;

/** `landfall demo`: a measurement from Landing to a shared labeling package, on this machine, every step shown. */
export async function demo({ once }: { once: boolean }): Promise<number> {
  const terminal = processTerminal();
  const stack = localStack(process.env);
  const stopped = untilStopSignal();
  const found = readUpFile(stack);
  if (found === undefined)
    terminal.note('Starting Azure on this machine: Service Bus, Cosmos DB, Event Grid, Storage, Batch');
  else terminal.note(`Using the stack that is running already (process ${found.pid}).`);
  const own =
    found === undefined ? await startLocalStack(stack, (step) => terminal.note(`  ${step}`)) : undefined;
  let status: MeasurementStatus | undefined;
  try {
    status = await Promise.race([drive(stack, terminal), stopped.then(() => undefined)]);
    if (status !== undefined && !once && own !== undefined) {
      terminal.print('');
      terminal.print(
        `Everything stays up. Metadata API: ${stack.environment['LANDFALL_API']}  Stop with Ctrl-C.`,
      );
      await stopped;
    }
  } finally {
    terminal.note('Stopping');
    await own?.stop();
  }
  return status?.state === 'Shared' ? EXIT.ok : EXIT.notShared;
}

async function drive(stack: LocalStack, terminal: Terminal): Promise<MeasurementStatus> {
  const settings = commandSettings();
  const api = commandApi(settings.api);
  const startedAt = new Date();
  const folder = join(stack.home, 'demo', `demo-${startedAt.toISOString().replaceAll(/[:.]/g, '-')}`);
  terminal.note(`Recording a drive of ${DEMO_DRIVE.durationSeconds} s: cameras, lidar, GNSS, IMU, CAN`);
  const bag = await record(folder, startedAt);
  terminal.note(
    `  ${Object.entries(bag.messageCounts)
      .map(([topic, count]) => `${topic} ${count}`)
      .join(', ')}`,
  );
  await api.send('POST', `/vehicles/${DEMO_VIN}/configurations`, {
    dbc: { powertrain: { name: 'demo.dbc', content: Buffer.from(DEMO_DBC).toString('base64') } },
  });
  terminal.note('Uploading it to Landing. From here on everything happens by itself.');
  const { measurementId } = await uploadFolder(
    folder,
    { fleet: 'demo', vin: DEMO_VIN },
    { blobs: blobStoreOf(settings), landingAccountOf: (folder) => landingAccountOf(settings, folder) },
    terminal,
  );
  const status = await watchMeasurement({ api, terminal, now: () => new Date() }, measurementId, false);
  terminal.print('');
  terminal.print(statusText(status, new Date()));
  const { edges } = await api.get<Lineage>(`/measurements/${measurementId}/lineage`);
  terminal.print(lineageText(status, edges));
  terminal.print(`Spans of this measurement: npx landfall trace ${measurementId}`);
  return status;
}

async function record(folder: string, startedAt: Date) {
  await mkdir(folder, { recursive: true });
  const sink = await openFileByteSink(join(folder, 'drive.bag'));
  try {
    const durationMs = DEMO_DRIVE.durationSeconds * 1000;
    const startTimeNs = BigInt(startedAt.getTime() - durationMs) * 1_000_000n;
    return await writeDriveBag(sink, { drive: DEMO_DRIVE, startTimeNs, seed: SEED });
  } finally {
    await sink.close();
  }
}

function lineageText(status: MeasurementStatus, edges: Lineage['edges']): string {
  const nameOf = (id: string) =>
    id === status.measurementId
      ? 'recording'
      : (status.dataStreams.find((stream) => stream.dataStreamId === id)?.kind ?? id);
  return ['', 'Lineage', ...edges.map((edge) => `  ${nameOf(edge.from)} → ${nameOf(edge.to)}`)].join('\n');
}
