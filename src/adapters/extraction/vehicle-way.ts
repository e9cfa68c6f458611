import { type Positions, travelledDistance } from '#domain/travelled-distance.ts';
import type { RecordingReader, TableSummary } from '#formats/recording-reader.ts';
import { numberColumn } from './batch-columns.ts';

const GEOGRAPHIC = ['latitude', 'longitude'];
const CARTESIAN = ['pose.pose.position.x', 'pose.pose.position.y', 'pose.pose.position.z'];

/**
 * How far the vehicle had come at any time, from the recording's own positions: GNSS fixes, else odometry; of several
 * such topics the one with most rows. Undefined where the recording has no positions. Reads those columns only.
 */
export async function vehicleWay(
  reader: RecordingReader,
): Promise<((timeNs: bigint) => number | undefined) | undefined> {
  const { tables } = reader.summary;
  const geographic = richest(tables, GEOGRAPHIC);
  const table = geographic ?? richest(tables, CARTESIAN);
  if (table === undefined) return undefined;
  const names = table === geographic ? GEOGRAPHIC : CARTESIAN;
  const samples: { readonly timeNs: bigint; readonly values: readonly number[] }[] = [];
  for await (const batch of reader.read({ tables: [table.name], columns: names })) {
    const columns = names.map((name) => numberColumn(batch, name));
    for (let row = 0; row < batch.rowCount; row++) {
      const values = columns.map((column) => Number(column?.[row] ?? Number.NaN));
      samples.push({ timeNs: batch.timestampsNs[row]!, values });
    }
  }
  const ordered = samples.toSorted((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0));
  const positions: Positions = {
    kind: table === geographic ? 'geographic' : 'cartesian',
    timestampsNs: BigInt64Array.from(ordered, (sample) => sample.timeNs),
    coordinates: names.map((_, index) => Float64Array.from(ordered, (sample) => sample.values[index]!)),
  };
  return travelledDistance(positions);
}

function richest(tables: readonly TableSummary[], names: readonly string[]): TableSummary | undefined {
  return tables
    .filter((table) => names.every((name) => table.columns.some((column) => column.name === name)))
    .toSorted((a, b) => (b.rowCount ?? 0) - (a.rowCount ?? 0))[0];
}
