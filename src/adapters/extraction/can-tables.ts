import { type CanFrames, canFramesOf } from '#formats/dbc/can-frames.ts';
import { compileDbc, type DbcDecoder } from '#formats/dbc/decode.ts';
import { parseDbc } from '#formats/dbc/parse.ts';
import type { TableBatch } from '#formats/recording-reader.ts';

/** A DBC file and the bus it describes. */
export interface BusDatabase {
  /** A number as the recorder counts buses, or the topic's last part (`powertrain` for `/can/powertrain`), or `*`. */
  readonly bus: string;
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface DecodedCan {
  readonly batches: readonly TableBatch[];
  readonly framesDecoded: number;
  readonly framesUnknown: number;
}

/** Decodes CAN frames of any recorder with the databases of the vehicle. */
export class CanDecoding {
  readonly #databases: readonly { readonly bus: string; readonly decoder: DbcDecoder }[];
  /** Messages of the databases that could not be used, as sentences. */
  readonly problems: readonly string[];

  constructor(databases: readonly BusDatabase[]) {
    const problems: string[] = [];
    this.#databases = databases.map(({ bus, name, bytes }) => {
      const database = parseDbc(bytes);
      problems.push(...database.problems.map((problem) => `${name}, line ${problem.line}: ${problem.what}`));
      const decoding = {
        name,
        ...busNumberOf(bus, databases.length),
        ...(bus === '*' ? {} : { group: groupOf(bus) }),
      };
      return { bus, decoder: compileDbc(database, decoding) };
    });
    this.problems = problems;
  }

  /** Undefined when the batch holds no CAN frames. */
  decode(batch: TableBatch): DecodedCan | undefined {
    const frames = canFramesOf(batch);
    if (frames === undefined) return undefined;
    const results = this.#databases
      .filter(({ bus }) => this.#databases.length === 1 || fits(bus, batch, frames))
      .map(({ decoder }) => decoder.decode(frames));
    return {
      batches: results.flatMap(({ batches }) => batches),
      framesDecoded: results.reduce((sum, { framesDecoded }) => sum + framesDecoded, 0),
      framesUnknown: results.reduce((sum, { framesUnknown }) => sum + framesUnknown, 0),
    };
  }
}

/** The only database of a vehicle is for all its frames: many recorders do not say the bus. */
function busNumberOf(bus: string, databaseCount: number): { readonly bus?: number } {
  return /^\d+$/.test(bus) && databaseCount > 1 ? { bus: Number(bus) } : {};
}

/** `1` → `CAN1`; names stay. */
function groupOf(bus: string): string {
  return /^\d+$/.test(bus) ? `CAN${bus}` : bus;
}

/** A bus by number is told by the frames themselves, a bus by name by its topic. */
function fits(bus: string, batch: TableBatch, frames: CanFrames): boolean {
  if (bus === '*') return true;
  if (/^\d+$/.test(bus)) return frames.bus.some((number) => number === Number(bus));
  const parts = [...batch.table.name.split('/'), batch.table.group].map((part) => part.toLowerCase());
  return parts.includes(bus.toLowerCase());
}
