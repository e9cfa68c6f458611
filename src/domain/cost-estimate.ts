/**
 * What a stage costs, roughly: the slots its tasks held, and the first month of what it wrote. Both are known when it
 * ends. Messages, request units and storage calls are in the cost model of docs/infrastructure/cost.md, per terabyte.
 */
export const COST_INPUTS = {
  /** US dollars per hour of a node of the execution pool: the price `node` of bicep/cost-inputs.json; a test compares. */
  nodeHour: 0.452,
  /** Tasks that share a node: `executionTaskSlots` of the environments. */
  slotsPerNode: 8,
  /** US dollars per gigabyte (10⁹ bytes) and month in the hot tier: the price `storageHotZrs`. */
  gigabyteMonth: 0.026,
  /** The same in the Archive tier, where the archive goes the day after: the price `storageArchiveGrs`. */
  archivedGigabyteMonth: 0.00299,
} as const;

const HOUR_MS = 3_600_000;
const GIGABYTE = 1e9;

/**
 * In US dollars. `taskMs`: time that tasks held a slot, added up; `outputBytes`: what they wrote or copied, of which
 * `archivedBytes` into the archive.
 */
export function costEstimateOf({
  taskMs,
  outputBytes,
  archivedBytes,
}: {
  readonly taskMs: number;
  readonly outputBytes: number;
  readonly archivedBytes: number;
}): number {
  const { nodeHour, slotsPerNode, gigabyteMonth, archivedGigabyteMonth } = COST_INPUTS;
  const slots = ((taskMs / HOUR_MS) * nodeHour) / slotsPerNode;
  const stored = (outputBytes - archivedBytes) * gigabyteMonth + archivedBytes * archivedGigabyteMonth;
  return slots + stored / GIGABYTE;
}
