import type { SqlitePages } from './sqlite-pages.ts';
import type { SqliteValue } from './sqlite-record.ts';

export interface Topic {
  readonly id: number;
  readonly name: string;
  /** `package/msg/Type`. */
  readonly type: string;
  readonly serializationFormat: string;
}

export interface Rosbag2Catalog {
  /** Version of rosbag2's tables, '1' in bags that do not say. */
  readonly schemaVersion: string;
  readonly topics: readonly Topic[];
  /** By message type. */
  readonly definitions: ReadonlyMap<string, { readonly encoding: string; readonly text: string }>;
  /** Where the table of messages begins, and which of its values are what. */
  readonly messagesPage: number;
  readonly messageColumns: { readonly topicId: number; readonly timestamp: number; readonly data: number };
  /** UTC nanoseconds of the first and last message, by the index on them; absent without one. */
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
  readonly properties: Readonly<Record<string, string>>;
}

/** What the tables beside the messages say; undefined when the database is no ROS 2 bag. */
export async function readCatalog(
  pages: SqlitePages,
  onDamage: (what: string) => void,
): Promise<Rosbag2Catalog | undefined> {
  const tables = new Map<string, Table>();
  let timeIndexPage: number | undefined;
  const entries = await Array.fromAsync(pages.rows(1, onDamage));
  for (const { values } of entries) {
    const [type, name, , rootPage, sql] = values;
    if (type === 'table' && typeof rootPage === 'number') {
      tables.set(String(name), { rootPage, ...columnsOf(String(sql)) });
    } else if (type === 'index' && name === 'timestamp_idx' && typeof rootPage === 'number') {
      timeIndexPage = rootPage;
    }
  }
  const messages = tables.get('messages');
  const topicsTable = tables.get('topics');
  if (messages === undefined || topicsTable === undefined) return undefined;
  const topics: Topic[] = [];
  for await (const row of rowsOf(pages, topicsTable, onDamage)) {
    const [name, type, format] = [row.get('name'), row.get('type'), row.get('serialization_format')];
    topics.push({
      id: Number(row.get('id')),
      name: String(name),
      type: String(type),
      serializationFormat: String(format),
    });
  }
  const [schema] = await allOf(pages, tables.get('schema'), onDamage);
  return {
    schemaVersion: String(schema?.get('schema_version') ?? 1),
    topics,
    definitions: await definitionsOf(pages, tables.get('message_definitions'), onDamage),
    messagesPage: messages.rootPage,
    messageColumns: {
      topicId: messages.columns.indexOf('topic_id'),
      timestamp: messages.columns.indexOf('timestamp'),
      data: messages.columns.indexOf('data'),
    },
    ...(timeIndexPage === undefined ? {} : await spanOf(pages, timeIndexPage)),
    properties: schema === undefined ? {} : { rosDistro: String(schema.get('ros_distro')) },
  };
}

async function spanOf(
  pages: SqlitePages,
  timeIndexPage: number,
): Promise<{ startTimeNs?: bigint; endTimeNs?: bigint }> {
  const [first] = (await pages.indexEdge(timeIndexPage, 'first')) ?? [];
  const [last] = (await pages.indexEdge(timeIndexPage, 'last')) ?? [];
  if (!isInteger(first) || !isInteger(last)) return {};
  return { startTimeNs: BigInt(first), endTimeNs: BigInt(last) };
}

function isInteger(value: SqliteValue | undefined): value is number | bigint {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}

interface Table {
  readonly rootPage: number;
  readonly columns: readonly string[];
  /** The column that is the row id and lies in no value. */
  readonly keyColumn: string | undefined;
}

type Row = ReadonlyMap<string, SqliteValue>;

async function definitionsOf(
  pages: SqlitePages,
  table: Table | undefined,
  onDamage: (what: string) => void,
): Promise<Map<string, { encoding: string; text: string }>> {
  const definitions = new Map<string, { encoding: string; text: string }>();
  for (const row of await allOf(pages, table, onDamage)) {
    const text = String(row.get('encoded_message_definition') ?? '');
    const type = String(row.get('topic_type'));
    if (text !== '') definitions.set(type, { encoding: String(row.get('encoding')), text });
  }
  return definitions;
}

async function allOf(
  pages: SqlitePages,
  table: Table | undefined,
  onDamage: (what: string) => void,
): Promise<Row[]> {
  const rows: Row[] = [];
  if (table !== undefined) for await (const row of rowsOf(pages, table, onDamage)) rows.push(row);
  return rows;
}

/** Rows by column name. */
async function* rowsOf(
  pages: SqlitePages,
  { rootPage, columns, keyColumn }: Table,
  onDamage: (what: string) => void,
): AsyncGenerator<Row> {
  for await (const { rowId, values } of pages.rows(rootPage, onDamage)) {
    const row = new Map<string, SqliteValue>();
    for (const [i, column] of columns.entries()) {
      row.set(column, column === keyColumn ? rowId : (values[i] ?? null));
    }
    yield row;
  }
}

/** The columns in `CREATE TABLE name(column type, …)`, as rosbag2 writes it. */
function columnsOf(sql: string): Omit<Table, 'rootPage'> {
  const inner = sql.slice(sql.indexOf('(') + 1, sql.lastIndexOf(')'));
  const definitions = inner.split(',');
  const nameOf = (definition: string) => /^\s*["`[]?(\w+)/.exec(definition)?.[1] ?? '';
  const key = definitions.find((definition) => /\bINTEGER\s+PRIMARY\s+KEY\b/i.test(definition));
  return { columns: definitions.map(nameOf), keyColumn: key === undefined ? undefined : nameOf(key) };
}
