import type { DownsamplingReport } from '#domain/tasks/extract-tasks.ts';
import { type DownsamplingRules, TopicThinning } from '#domain/thinning.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import { rowsOf } from './batch-rows.ts';

/** Thins topics while they are read; one memory per topic, so that batches join without a seam. */
export class Downsampler {
  readonly #rules: DownsamplingRules;
  readonly #metresAt: ((timeNs: bigint) => number | undefined) | undefined;
  readonly #topics = new Map<string, TopicThinning>();

  /**
   * @param rules per topic name; `*` is for topics without one of their own.
   * @param metresAt how far the vehicle has come; without it, rules by distance keep everything.
   */
  constructor(rules: DownsamplingRules, metresAt?: (timeNs: bigint) => number | undefined) {
    this.#rules = rules;
    this.#metresAt = metresAt;
  }

  /** @param options `namedOnly`: the rule for `*` is not meant for this topic. */
  thin(batch: TableBatch, options: { readonly namedOnly?: boolean } = {}): TableBatch {
    const { name } = batch.table;
    const rule = this.#rules[name] ?? (options.namedOnly === true ? undefined : this.#rules['*']);
    if (rule === undefined) return batch;
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = new TopicThinning(rule, this.#metresAt);
      this.#topics.set(name, topic);
    }
    const kept: number[] = [];
    for (let row = 0; row < batch.rowCount; row++) if (topic.keeps(batch.timestampsNs[row]!)) kept.push(row);
    return rowsOf(batch, kept);
  }

  /** What was achieved, per topic with a rule. */
  report(): DownsamplingReport[] {
    return [...this.#topics].map(([topic, { rowsSeen, rowsKept }]) => ({
      topic,
      rowsSeen,
      rowsKept,
      ratio: rowsSeen === 0 ? 1 : rowsKept / rowsSeen,
    }));
  }
}
