import { type CanFrames, canFramesOf } from '#formats/dbc/can-frames.ts';
import type { DbcDatabase } from '#formats/dbc/database.ts';
import { compileDbc, type DbcDecoder } from '#formats/dbc/decode.ts';
import { parseDbc } from '#formats/dbc/parse.ts';
import type { TableBatch } from '#formats/recording-reader.ts';
import type { ExtractedFile, ExtractionPlace, TopicExtraction } from './topic-extraction.ts';
import { TopicTables } from './topic-tables.ts';

/** A DBC file and the bus it describes. */
export interface BusDatabase {
  /**
   * A number as the recorder counts buses (`1`, `CAN1`), or part of a topic's name (`powertrain` for
   * `/can/powertrain`), or `*` for every bus.
   */
  readonly bus: string;
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface DecodedCan {
  readonly batches: readonly TableBatch[];
  readonly framesDecoded: number;
  /** Frames that no database describes. */
  readonly framesUnknown: number;
}

interface KnownDatabase {
  readonly bus: string;
  readonly busNumber: number | undefined;
  readonly name: string;
  readonly database: DbcDatabase;
}

/** Decodes CAN frames of any recorder with the databases of the vehicle. */
export class CanDecoding {
  readonly #databases: readonly KnownDatabase[];
  readonly #decoders = new Map<string, DbcDecoder>();
  readonly #topicsOfNamedBuses: ReadonlyMap<string, readonly string[]>;
  /** What of the databases could not be used, as sentences. */
  readonly problems: readonly string[];

  /** @param topics names of all CAN topics of the recording: they tell which bus names are topics. */
  constructor(databases: readonly BusDatabase[], topics: readonly string[]) {
    const problems: string[] = [];
    this.#databases = databases.map(({ bus, name, bytes }) => {
      const database = parseDbc(bytes);
      problems.push(...database.problems.map((problem) => `${name}, line ${problem.line}: ${problem.what}`));
      const number = /^(?:can)?(\d+)$/i.exec(bus)?.[1];
      return { bus, name, database, busNumber: number === undefined ? undefined : Number(number) };
    });
    this.#topicsOfNamedBuses = new Map(
      databases.map(({ bus }) => [bus, topics.filter((topic) => namesBus(topic, bus))]),
    );
    this.problems = problems;
  }

  /** Undefined when the batch holds no CAN frames. */
  decode(batch: TableBatch): DecodedCan | undefined {
    const frames = canFramesOf(batch);
    if (frames === undefined) return undefined;
    const buses = [...new Set(frames.bus)];
    const results = this.#databases.flatMap((database, index) =>
      this.#busesOf(database, batch.table.name, buses).map((bus) =>
        this.#decoderOf(index, bus).decode(framesOfBus(frames, bus)),
      ),
    );
    const framesDecoded = results.reduce((sum, result) => sum + result.framesDecoded, 0);
    return {
      batches: results.flatMap(({ batches }) => batches),
      framesDecoded,
      framesUnknown: Math.max(0, frames.count - framesDecoded),
    };
  }

  /**
   * Which of the buses in a batch a database is for; 0 stands for frames that do not say their bus. One id means
   * different messages on different buses, so a database is never tried on a bus that is not its own.
   */
  #busesOf(database: KnownDatabase, topic: string, buses: readonly number[]): readonly number[] {
    const { bus, busNumber } = database;
    if (bus === '*') return buses;
    const isOnly = this.#databases.length === 1;
    const ownTopics = this.#topicsOfNamedBuses.get(bus) ?? [];
    if (ownTopics.length > 0) return ownTopics.includes(topic) ? buses : [];
    if (busNumber === undefined) return isOnly ? buses : [];
    return buses.filter((number) => number === busNumber || (number === 0 && isOnly));
  }

  #decoderOf(index: number, bus: number): DbcDecoder {
    const key = `${index}/${bus}`;
    const known = this.#decoders.get(key);
    if (known !== undefined) return known;
    const { bus: busName, busNumber, name, database } = this.#databases[index]!;
    const named = busName !== '*' && busNumber === undefined ? busName : undefined;
    const number = bus === 0 ? busNumber : bus;
    const group = named ?? (number === undefined ? undefined : `CAN${number}`);
    const decoder = compileDbc(database, { name, ...(group === undefined ? {} : { group }) });
    this.#decoders.set(key, decoder);
    return decoder;
  }
}

/** `powertrain` is the bus of `/can/powertrain` and of `vehicle powertrain/rx`. */
function namesBus(topic: string, bus: string): boolean {
  return topic
    .toLowerCase()
    .split(/[/\s.]+/)
    .includes(bus.toLowerCase());
}

function framesOfBus(frames: CanFrames, bus: number): CanFrames {
  if (frames.bus.every((number) => number === bus)) return frames;
  const rows = Array.from({ length: frames.count }, (_, row) => row).filter((row) => frames.bus[row] === bus);
  const payloadOffsets = new Uint32Array(rows.length + 1);
  rows.forEach((row, index) => {
    const size = frames.payloadOffsets[row + 1]! - frames.payloadOffsets[row]!;
    payloadOffsets[index + 1] = payloadOffsets[index]! + size;
  });
  const payload = new Uint8Array(payloadOffsets[rows.length]!);
  rows.forEach((row, index) => {
    payload.set(
      frames.payload.subarray(frames.payloadOffsets[row], frames.payloadOffsets[row + 1]),
      payloadOffsets[index],
    );
  });
  return {
    count: rows.length,
    timestampsNs: BigInt64Array.from(rows, (row) => frames.timestampsNs[row]!),
    ids: Uint32Array.from(rows, (row) => frames.ids[row]!),
    extended: Uint8Array.from(rows, (row) => frames.extended[row]!),
    bus: Uint8Array.from(rows, (row) => frames.bus[row]!),
    payloadOffsets,
    payload,
  };
}

/** CAN topics: all frames in a table per topic, and one table per message of the databases. */
export class CanTopics implements TopicExtraction {
  readonly #place: ExtractionPlace;
  readonly #decoding: CanDecoding;
  readonly #raw: TopicTables;
  readonly #decoded: TopicTables;
  framesDecoded = 0;
  framesUnknown = 0;

  constructor(place: ExtractionPlace, decoding: CanDecoding) {
    this.#place = place;
    this.#decoding = decoding;
    this.#raw = new TopicTables(place, 'can-raw');
    this.#decoded = new TopicTables(place, 'can-decoded');
  }

  /**
   * A rule for `*` thins the decoded messages, each by itself: thinning a bus would drop its rare messages. Frames
   * are thinned only where a rule names their topic.
   */
  async take(batch: TableBatch): Promise<void> {
    const { downsampler } = this.#place;
    const frames = downsampler.thin(batch, { namedOnly: true });
    await this.#raw.append(frames);
    const result = this.#decoding.decode(frames);
    this.framesDecoded += result?.framesDecoded ?? 0;
    this.framesUnknown += result?.framesUnknown ?? 0;
    for (const message of result?.batches ?? []) await this.#decoded.append(downsampler.thin(message));
  }

  async finish(): Promise<readonly ExtractedFile[]> {
    return [...(await this.#raw.finish()), ...(await this.#decoded.finish())];
  }
}
