import type { Downsampling } from '#domain/tasks/extract-tasks.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { rowsOf } from './topic-tables.ts';

/** Thins topics while they are read; one memory per topic, so that batches join without a seam. */
export class Downsampler {
  readonly #rules: Readonly<Record<string, Downsampling>>;
  readonly #seen = new Map<string, { rowCount: number; lastKeptNs: bigint | undefined }>();

  /** @param rules per topic name; `*` is for topics without one of their own. */
  constructor(rules: Readonly<Record<string, Downsampling>>) {
    this.#rules = rules;
  }

  thin(batch: TableBatch): TableBatch {
    const rule = this.#rules[batch.table.name] ?? this.#rules['*'];
    if (rule === undefined) return batch;
    const topic = this.#seen.get(batch.table.name) ?? { rowCount: 0, lastKeptNs: undefined };
    this.#seen.set(batch.table.name, topic);
    const periodNs = rule.rateHzMax === undefined ? 0n : BigInt(Math.round(1e9 / rule.rateHzMax));
    const kept: number[] = [];
    for (let row = 0; row < batch.rowCount; row++) {
      const number = topic.rowCount;
      topic.rowCount += 1;
      if (rule.everyNth !== undefined && number % rule.everyNth !== 0) continue;
      const time = batch.timestampsNs[row]!;
      if (topic.lastKeptNs !== undefined && time - topic.lastKeptNs < periodNs) continue;
      topic.lastKeptNs = time;
      kept.push(row);
    }
    return rowsOf(batch, kept);
  }
}
