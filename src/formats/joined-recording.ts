import {
  type Loss,
  LossCounter,
  type RecordingReader,
  type RecordingSummary,
  type Selection,
  type TableBatch,
  type TableSummary,
} from './recording-reader.ts';

/** One file of a recording that its recorder split. */
export interface RecordingPart {
  /** Its name in the folder, for errors. */
  readonly name: string;
  readonly reader: RecordingReader;
}

/** What the recorder says of the whole, beside the files. */
export interface DeclaredRecording {
  /** Rows by table; empty where it does not say. */
  readonly rowCounts: ReadonlyMap<string, number>;
  readonly properties: Readonly<Record<string, string>>;
  /** Files that are not there or cannot be read, and their rows where they are known. */
  readonly absent: readonly { readonly reason: string; readonly rowCount: number }[];
}

/**
 * Several files as one recording: tables of one name are one table, rows come file by file. A table whose columns
 * differ from those of its name in an earlier file stands alone, with its file's name behind its own. Rows that the
 * recorder counted and no file holds are lost rows.
 */
export class JoinedRecording implements RecordingReader {
  readonly summary: RecordingSummary;
  readonly #parts: readonly RecordingPart[];
  readonly #declared: DeclaredRecording;
  readonly #names: readonly ReadonlyMap<string, string>[];
  readonly #tables: ReadonlyMap<string, TableSummary>;
  readonly #loss = new LossCounter();
  #isCounted = false;

  /** @param parts at least one, in the order of their time. */
  constructor(parts: readonly RecordingPart[], declared: DeclaredRecording) {
    this.#parts = parts;
    this.#declared = declared;
    const tables = new Map<string, TableSummary>();
    this.#names = parts.map((part) => {
      const names = new Map<string, string>();
      for (const table of part.reader.summary.tables) {
        const known = tables.get(table.name);
        const isOther = known !== undefined && !isSameTable(known, table);
        const name = isOther ? `${table.name} (${part.name})` : table.name;
        const before = isOther ? undefined : known;
        tables.set(name, before === undefined ? { ...table, name } : joinedTable(before, table));
        names.set(table.name, name);
      }
      return names;
    });
    for (const { reason, rowCount } of declared.absent) this.#loss.add(rowCount, 0, reason);
    this.#tables = tables;
    this.summary = joinedSummary(
      parts.map(({ reader }) => reader.summary),
      [...tables.values()],
      declared,
    );
  }

  loss(): Loss {
    const all = [this.#loss.report(), ...this.#parts.map(({ reader }) => reader.loss())];
    return {
      records: all.reduce((sum, { records }) => sum + records, 0),
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      reasons: all.flatMap(({ reasons }) => reasons).slice(0, REASONS_MAX),
    };
  }

  async *read(selection: Selection = {}): AsyncGenerator<TableBatch> {
    const counts = new Map<string, number>();
    for (const [index, { reader }] of this.#parts.entries()) {
      const names = this.#names[index]!;
      const wanted = [...names].filter(([, name]) => selection.tables?.includes(name) ?? true);
      if (wanted.length === 0) continue;
      const tables = wanted.map(([own]) => own);
      for await (const batch of reader.read({ ...selection, tables })) {
        const name = names.get(batch.table.name) ?? batch.table.name;
        counts.set(name, (counts.get(name) ?? 0) + batch.rowCount);
        yield { ...batch, table: this.#tables.get(name) ?? batch.table };
      }
    }
    if (selection.startTimeNs === undefined && selection.endTimeNs === undefined) {
      this.#countMissing(counts, selection.tables);
    }
  }

  /** Compares with what the recorder counted; what the files lost is part of what is missing. */
  #countMissing(counts: ReadonlyMap<string, number>, tables: Selection['tables']): void {
    if (this.#isCounted) return;
    this.#isCounted = true;
    const missing = [...this.#declared.rowCounts].flatMap(([name, declared]) => {
      const found = counts.get(name) ?? 0;
      return found < declared && (tables?.includes(name) ?? true) ? [{ name, rows: declared - found }] : [];
    });
    const rows = missing.reduce((sum, table) => sum + table.rows, 0) - this.loss().records;
    if (rows <= 0) return;
    const where = missing.map((table) => `${table.rows} of ${table.name}`).slice(0, 5);
    const more = missing.length > where.length ? ', …' : '';
    this.#loss.add(rows, 0, `messages that the recorder counted are in no file: ${where.join(', ')}${more}`);
  }
}

const REASONS_MAX = 100;

function isSameTable(first: TableSummary, second: TableSummary): boolean {
  const shapeOf = ({ schemaName, encoding, columns }: TableSummary) =>
    JSON.stringify([schemaName, encoding, columns]);
  return shapeOf(first) === shapeOf(second);
}

function joinedTable(first: TableSummary, second: TableSummary): TableSummary {
  const { rowCount: rowsBefore, startTimeNs: _start, endTimeNs: _end, ...table } = first;
  const isCounted = rowsBefore !== undefined && second.rowCount !== undefined;
  return {
    ...table,
    ...(isCounted ? { rowCount: rowsBefore + second.rowCount } : {}),
    ...spanOf([first, second]),
  };
}

interface Span {
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
}

function spanOf(spans: readonly Span[]): Span {
  const startTimeNs = spans.flatMap((span) => span.startTimeNs ?? []).toSorted(ascending)[0];
  const endTimeNs = spans
    .flatMap((span) => span.endTimeNs ?? [])
    .toSorted(ascending)
    .at(-1);
  return {
    ...(startTimeNs === undefined ? {} : { startTimeNs }),
    ...(endTimeNs === undefined ? {} : { endTimeNs }),
  };
}

function ascending(first: bigint, second: bigint): number {
  return first < second ? -1 : Number(first > second);
}

function joinedSummary(
  summaries: readonly RecordingSummary[],
  tables: readonly TableSummary[],
  declared: DeclaredRecording,
): RecordingSummary {
  const [first] = summaries;
  if (first === undefined) throw new RangeError('a joined recording needs at least one file');
  return {
    format: first.format,
    version: first.version,
    ...(first.writer === undefined ? {} : { writer: first.writer }),
    sizeBytes: summaries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ...spanOf(summaries),
    tables,
    properties: Object.assign({}, ...summaries.map(({ properties }) => properties), declared.properties),
    attachments: summaries.flatMap(({ attachments }) => attachments),
  };
}
