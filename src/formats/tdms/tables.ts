import type { LossCounter, TableSummary } from '../recording-reader.ts';
import { type ColumnPlan, columnsOf } from './columns.ts';
import type { Channel, Structure } from './structure.ts';
import { keyOf, type TimeBase, timeBasesOf } from './time-base.ts';

/** The channels of a group that share their time base and their length. */
export interface TdmsTable {
  readonly summary: TableSummary;
  readonly timeBase: TimeBase;
  readonly columns: readonly ColumnPlan[];
  readonly rowCount: number;
}

/**
 * One table per group where all its channels share one time base and length. Where they do not, each set that does
 * is a table: the largest set has the group's name, the others `group/first channel`. Time channels stay columns.
 */
export function tablesOf(structure: Structure, loss: LossCounter): TdmsTable[] {
  const names = new UniqueNames();
  const tables: TdmsTable[] = [];
  const byGroup = Map.groupBy(structure.channels, (channel) => channel.group);
  for (const [group, properties] of structure.groups) {
    const channels = (byGroup.get(group) ?? []).filter((channel) => channel.storedKinds.size > 0);
    const bases = timeBasesOf(channels);
    const sets = [
      ...Map.groupBy(
        channels,
        (channel) => `${channel.declaredCount} ${keyOf(bases.get(channel)!)}`,
      ).values(),
    ];
    const largest = sets.reduce<readonly Channel[]>(
      (most, set) => (set.length > most.length ? set : most),
      [],
    );
    const groupName = group === '' ? '/' : group;
    for (const set of sets) {
      const name = names.unique(set === largest ? groupName : `${groupName}/${set[0]!.name}`);
      const columnNames = new UniqueNames();
      const columns = set
        .flatMap((channel) => columnsOf(channel, [properties, structure.rootProperties], loss))
        .map((plan) => ({ ...plan, schema: { ...plan.schema, name: columnNames.unique(plan.schema.name) } }));
      const timeBase = bases.get(set[0]!)!;
      const rowCount = rowCountOf(set, timeBase, name, loss);
      const schemas = columns.map((plan) => plan.schema);
      const summary = { name, group: groupName, schemaName: '', encoding: '', rowCount, columns: schemas };
      tables.push({ summary, timeBase, columns, rowCount });
    }
  }
  return tables;
}

/** As many rows as the longest channel has values; rows without a time cannot be placed and are left out. */
function rowCountOf(set: readonly Channel[], timeBase: TimeBase, name: string, loss: LossCounter): number {
  const longest = set.reduce((most, { valueCount }) => Math.max(most, valueCount), 0);
  if (timeBase.form !== 'timestamps' && timeBase.form !== 'elapsed') return longest;
  const timed = timeBase.channel.valueCount;
  if (timed < longest) {
    loss.add(longest - timed, 0, `${name}: ${longest - timed} rows from ${timed} on have values and no time`);
  }
  return Math.min(longest, timed);
}

/** Gives each further use of a name a number: `Speed`, `Speed (2)`. */
class UniqueNames {
  readonly #taken = new Set<string>();

  unique(name: string): string {
    let candidate = name;
    for (let number = 2; this.#taken.has(candidate); number++) candidate = `${name} (${number})`;
    this.#taken.add(candidate);
    return candidate;
  }
}
