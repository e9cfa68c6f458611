/** How far the vehicle had come at any time, from its positions. Pure. */

const EARTH_RADIUS_METRES = 6_371_008.8;
/** Positions nearer than this to the last counted one are the receiver's noise: a parked vehicle does not travel. */
const STEP_METRES_MIN = 0.5;

export interface Positions {
  /** Ascending. */
  readonly timestampsNs: BigInt64Array;
  /** Degrees, or metres in a plane or in space. */
  readonly kind: 'geographic' | 'cartesian';
  /** Latitude and longitude, or x, y and, in space, z. */
  readonly coordinates: readonly Float64Array[];
}

/**
 * Metres since the first position; between positions in proportion to time, undefined before the first and after the
 * last one. Positions that are not finite are left out.
 */
export function travelledDistance(positions: Positions): (timeNs: bigint) => number | undefined {
  const { timestampsNs, coordinates } = positions;
  const rows = Array.from(timestampsNs.keys()).filter((row) =>
    coordinates.every((coordinate) => Number.isFinite(coordinate[row])),
  );
  const metres = new Float64Array(rows.length);
  let anchor = rows[0];
  rows.forEach((row, index) => {
    if (index === 0 || anchor === undefined) return;
    const step = distanceBetween(positions, anchor, row);
    const counts = step >= STEP_METRES_MIN;
    metres[index] = metres[index - 1]! + (counts ? step : 0);
    if (counts) anchor = row;
  });
  return (timeNs) => {
    let [low, high] = [0, rows.length - 1];
    if (high < 0 || timeNs < timestampsNs[rows[low]!]! || timeNs > timestampsNs[rows[high]!]!)
      return undefined;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (timestampsNs[rows[middle]!]! <= timeNs) low = middle;
      else high = middle;
    }
    const [before, after] = [timestampsNs[rows[low]!]!, timestampsNs[rows[high]!]!];
    const share = after === before ? 0 : Number(timeNs - before) / Number(after - before);
    return metres[low]! + (metres[high]! - metres[low]!) * share;
  };
}

function distanceBetween({ kind, coordinates }: Positions, from: number, to: number): number {
  const steps = coordinates.map((coordinate) => coordinate[to]! - coordinate[from]!);
  if (kind === 'cartesian') return Math.hypot(...steps);
  const radians = Math.PI / 180;
  const north = steps[0]! * radians * EARTH_RADIUS_METRES;
  const east = steps[1]! * radians * EARTH_RADIUS_METRES * Math.cos(coordinates[0]![from]! * radians);
  return Math.hypot(north, east);
}
