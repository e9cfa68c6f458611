import type { RecordingFacts, TopicFacts } from '#domain/recording-facts.ts';
import type { RecordingReader, TableSummary } from '#formats/recording-reader.ts';

/** Walks all rows of a recording and counts, table by table; no column but the time is decoded. */
export async function walkRecording(reader: RecordingReader): Promise<RecordingFacts> {
  const walks = new Map(reader.summary.tables.map((table) => [table.name, new TableWalk(table)]));
  for await (const batch of reader.read({ columns: [] })) {
    let walk = walks.get(batch.table.name);
    if (walk === undefined) {
      walk = new TableWalk(batch.table);
      walks.set(batch.table.name, walk);
    }
    walk.add(batch.timestampsNs, batch.rowCount);
  }
  const all = [...walks.values()];
  const { format, version, writer } = reader.summary;
  const startTime = all
    .flatMap((walk) => walk.earliestNs ?? [])
    .map(isoOf)
    .sort()[0];
  const endTime = all
    .flatMap((walk) => walk.latestNs ?? [])
    .map(isoOf)
    .sort()
    .at(-1);
  const loss = reader.loss();
  return {
    format,
    version,
    ...(writer === undefined ? {} : { writer }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(endTime === undefined ? {} : { endTime }),
    topics: all.map((walk) => walk.facts()),
    loss: { records: loss.records, bytes: loss.bytes, reasons: [...loss.reasons] },
  };
}

class TableWalk {
  readonly #table: TableSummary;
  #rowCount = 0;
  #previousNs: bigint | undefined;
  #gapNsMax = 0n;
  #outOfOrderCount = 0;
  earliestNs: bigint | undefined;
  latestNs: bigint | undefined;

  constructor(table: TableSummary) {
    this.#table = table;
  }

  add(timestampsNs: BigInt64Array, rowCount: number): void {
    this.#rowCount += rowCount;
    for (let row = 0; row < rowCount; row++) {
      const timeNs = timestampsNs[row]!;
      const previousNs = this.#previousNs;
      if (previousNs !== undefined) {
        if (timeNs < previousNs) this.#outOfOrderCount += 1;
        else if (timeNs - previousNs > this.#gapNsMax) this.#gapNsMax = timeNs - previousNs;
      }
      if (this.earliestNs === undefined || timeNs < this.earliestNs) this.earliestNs = timeNs;
      if (this.latestNs === undefined || timeNs > this.latestNs) this.latestNs = timeNs;
      this.#previousNs = timeNs;
    }
  }

  facts(): TopicFacts {
    const { name, schemaName, encoding } = this.#table;
    const common = {
      name,
      schemaName,
      encoding,
      messageCount: this.#rowCount,
      outOfOrderCount: this.#outOfOrderCount,
    };
    if (this.earliestNs === undefined || this.latestNs === undefined) return common;
    const seconds = Number(this.latestNs - this.earliestNs) / 1e9;
    return {
      ...common,
      startTime: isoOf(this.earliestNs),
      endTime: isoOf(this.latestNs),
      ...(seconds > 0 ? { rateHz: (this.#rowCount - 1) / seconds } : {}),
      gapMsMax: Number(this.#gapNsMax) / 1e6,
    };
  }
}

function isoOf(timeNs: bigint): string {
  return new Date(Number(timeNs / 1_000_000n)).toISOString();
}
