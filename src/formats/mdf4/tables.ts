import type { ColumnSchema, LossCounter, TableSummary } from '../recording-reader.ts';
import { type BlockReader, linkOf, Mdf4Damage } from './blocks.ts';
import { type ColumnPlan, groupColumns } from './columns.ts';
import {
  type ChannelGroup,
  ChannelType,
  type DataGroup,
  GROUP_IS_BUS_EVENT,
  GROUP_IS_VLSD,
} from './model.ts';
import { isTimeMaster, type Master, masterOf } from './timestamps.ts';

/** One channel group's share of a table. */
export interface TablePart {
  readonly dataGroup: DataGroup;
  readonly group: ChannelGroup;
  readonly columns: readonly ColumnPlan[];
  /** Values and invalidation bytes lie in lists of their own (4.2, column-oriented storage). */
  readonly isColumnOriented: boolean;
}

/**
 * A table: one channel group, or one with all groups that use its master (column-oriented storage, 4.2, puts every
 * channel in a group of its own, row by row the same).
 */
export interface Mdf4Table {
  readonly summary: TableSummary;
  readonly parts: readonly TablePart[];
  /** Of the first part; undefined where rows have no time. */
  readonly master: Master | undefined;
  readonly isSorted: boolean;
}

const RECORD_BYTES_MAX = 1 << 26;

/** All tables of the file, in its order. Groups that cannot be read are counted. */
export async function tablesOf(
  reader: BlockReader,
  dataGroups: readonly DataGroup[],
  rowsAreCounted: boolean,
  loss: LossCounter,
): Promise<Mdf4Table[]> {
  const names = new UniqueNames();
  const tables: Mdf4Table[] = [];
  const all = dataGroups.flatMap((dataGroup) =>
    dataGroup.channelGroups.map((group) => ({ dataGroup, group })),
  );
  const sorted = all.filter(({ dataGroup }) => dataGroup.recordIdBytes === 0);
  const mastersByOffset = new Set(sorted.map(({ group }) => group.offset));
  const followers = Map.groupBy(sorted, ({ group }) => group.masterGroupLink);
  for (const [index, { dataGroup, group }] of all.entries()) {
    const isVlsd = (group.flags & GROUP_IS_VLSD) !== 0;
    const isFollower = mastersByOffset.has(group.masterGroupLink) && dataGroup.recordIdBytes === 0;
    if (isVlsd || isFollower) continue;
    try {
      if (dataGroup.recordIdBytes === 0 && dataGroup.channelGroups[0] !== group) {
        throw new Mdf4Damage('it shares a data group whose records carry no id');
      }
      // Rows of groups in one list of records come in any order: nothing outside can go row by row with them.
      const apart = dataGroup.recordIdBytes === 0 ? (followers.get(group.offset) ?? []) : [];
      const members = [{ dataGroup, group }, ...apart];
      tables.push(await tableOf(reader, members, names.unique(nameOf(group, index)), rowsAreCounted, loss));
    } catch (error) {
      if (!(error instanceof Mdf4Damage)) throw error;
      loss.add(0, 0, `${nameOf(group, index)}: ${error.message}; the table is left out`);
    }
  }
  return tables;
}

async function tableOf(
  reader: BlockReader,
  members: readonly { readonly dataGroup: DataGroup; readonly group: ChannelGroup }[],
  name: string,
  rowsAreCounted: boolean,
  loss: LossCounter,
): Promise<Mdf4Table> {
  const { group, dataGroup } = members[0]!;
  const names = new UniqueNames();
  const parts: TablePart[] = [];
  for (const member of members) {
    if (member.group.dataBytes + member.group.invalidationBytes > RECORD_BYTES_MAX) {
      throw new Mdf4Damage(`its records claim ${member.group.dataBytes} bytes`);
    }
    const channels = member.group.channels.filter((channel) => !isTimeMaster(channel));
    const columns = groupColumns(member.group, channels, loss).map((plan) => ({
      ...plan,
      schema: { ...plan.schema, name: names.unique(plan.schema.name) },
    }));
    parts.push({ ...member, columns, isColumnOriented: await isColumnOriented(reader, member.dataGroup) });
  }
  const isSorted = dataGroup.recordIdBytes === 0;
  const columns: ColumnSchema[] = parts.flatMap((part) => part.columns.map((plan) => plan.schema));
  return {
    summary: {
      name,
      group: group.acquisitionName || name,
      schemaName: schemaNameOf(group),
      encoding: '',
      ...(rowsAreCounted ? { rowCount: group.cycleCount } : {}),
      columns,
    },
    parts,
    master: masterOf(group),
    isSorted,
  };
}

async function isColumnOriented(reader: BlockReader, dataGroup: DataGroup): Promise<boolean> {
  if (dataGroup.dataLink === 0) return false;
  try {
    const header = await reader.header(dataGroup.dataLink);
    if (header.id !== 'HL') return header.id === 'LD' || header.id === 'DV';
    const list = linkOf(await reader.block(dataGroup.dataLink, 'HL'), 0);
    return list !== 0 && (await reader.header(list)).id === 'LD';
  } catch (error) {
    // Reading the data will meet the same damage, and count it.
    if (error instanceof Mdf4Damage) return false;
    throw error;
  }
}

/** The acquisition's name, else that of its source, else the place in the file. */
function nameOf(group: ChannelGroup, index: number): string {
  const busEvent = schemaNameOf(group);
  const name = group.acquisitionName || busEvent || group.source.name || `group/${index}`;
  return name + group.element;
}

/** The kind of frame that a bus event group holds (ASAM MDF Bus Logging 1.0): the name of its structure. */
function schemaNameOf(group: ChannelGroup): string {
  if ((group.flags & GROUP_IS_BUS_EVENT) === 0) return '';
  const channel = group.channels.find((candidate) => candidate.type !== ChannelType.master);
  return channel?.structure || (channel?.name.split('.')[0] ?? '');
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
