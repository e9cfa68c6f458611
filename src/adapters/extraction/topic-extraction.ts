import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { OpenTable, TableColumn, TableWriter } from '#domain/ports/table-writer.ts';
import { CoveredTime } from '#domain/times.ts';
import type { LossCounter, TableBatch } from '#formats/recording-reader.ts';
import type { Downsampler } from './downsampling.ts';

/** What every kind of topic has in common: batches in, files in a local folder out. */

export interface TopicExtraction {
  /** Batches of one topic in their order; topics in any mixture. */
  take(batch: TableBatch): Promise<void>;
  /** Closes what is open. Nothing can be taken afterwards. */
  finish(): Promise<readonly ExtractedFile[]>;
}

/** A closed file below the folder of the extraction. */
export interface ExtractedFile {
  /** Path below the folder; what later stages and people see. */
  readonly name: string;
  readonly localPath: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly mediaType: string;
  /** The topic it was made from. */
  readonly topic: string;
  readonly table?: ExtractedTable;
}

export interface ExtractedTable {
  /** The topic, channel group or message. */
  readonly name: string;
  /** `topic`, `points`, `frames`, `video`, `scans`, `can-raw`, `can-decoded`. */
  readonly role: string;
  readonly schemaName: string;
  readonly columns: readonly TableColumn[];
  readonly rowCount: number;
  /** UTC nanoseconds of the earliest and latest row, where rows have times. */
  readonly startTimeNs?: bigint;
  readonly endTimeNs?: bigint;
}

const PARQUET = 'application/vnd.apache.parquet';
export const TAR = 'application/x-tar';

/** Where an extraction of one file works, and what it is told. */
export interface ExtractionPlace {
  readonly folder: string;
  readonly tableWriter: TableWriter;
  /** Facts of the source that go into every table. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly downsampler: Downsampler;
  readonly names: OutputNames;
  readonly lost: LossCounter;
}

/** Names of outputs that no two topics share, not even on a file system that does not tell `A` from `a`. */
export class OutputNames {
  readonly #taken = new Set<string>();
  readonly #byTopic = new Map<string, string>();

  /** The name of a topic as part of a path: `/imu/data` → `imu_data`; always the same for the same topic. */
  of(topic: string): string {
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    const plain = fileNameOf(topic);
    let name = plain;
    for (let number = 2; this.#taken.has(name.toLowerCase()); number++) name = `${plain}-${number}`;
    this.#taken.add(name.toLowerCase());
    this.#byTopic.set(topic, name);
    return name;
  }
}

/** A topic, group or file as a file name: `/imu/data` → `imu_data`. Different ones may become the same. */
function fileNameOf(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]+/g, '_').replaceAll(/^[_.]+|_+$/g, '');
  return plain === '' ? 'table' : plain.slice(0, 120);
}

/** One table while it grows, with the times it covers. */
export class GrowingTable {
  readonly #name: string;
  readonly #place: ExtractionPlace;
  readonly #about: Pick<ExtractedTable, 'name' | 'role' | 'schemaName' | 'columns'>;
  readonly #topic: string;
  #table: OpenTable | undefined;
  #rowCount = 0;
  readonly #covered = new CoveredTime();

  /** @param name path below the place's folder. */
  constructor(
    place: ExtractionPlace,
    name: string,
    topic: string,
    about: Pick<ExtractedTable, 'name' | 'role' | 'schemaName' | 'columns'>,
  ) {
    this.#place = place;
    this.#name = name;
    this.#topic = topic;
    this.#about = about;
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** The first column must hold the times of the rows. */
  async append(rows: Parameters<OpenTable['append']>[0]): Promise<void> {
    if (rows.rowCount === 0) return;
    this.#covered.include(rows.columns[0]!.values as BigInt64Array);
    this.#rowCount += rows.rowCount;
    this.#table ??= await this.#open();
    await this.#table.append(rows);
  }

  /** Undefined when nothing was appended: there is no file then. */
  async close(): Promise<ExtractedFile | undefined> {
    if (this.#table === undefined) return undefined;
    const { localPath, rowCount, sizeBytes, sha256 } = await this.#table.close();
    const times = { startTimeNs: this.#covered.startTimeNs!, endTimeNs: this.#covered.endTimeNs! };
    return {
      name: this.#name,
      localPath,
      sizeBytes,
      sha256,
      mediaType: PARQUET,
      topic: this.#topic,
      table: { ...this.#about, rowCount, ...times },
    };
  }

  async #open(): Promise<OpenTable> {
    const { folder, tableWriter, metadata } = this.#place;
    const localPath = join(folder, this.#name);
    await mkdir(dirname(localPath), { recursive: true });
    const { name, schemaName, columns } = this.#about;
    return tableWriter.open(localPath, { columns, metadata: { ...metadata, topic: name, schemaName } });
  }
}
