import { z } from 'zod';
import { TerminalFailure } from '#domain/failures.ts';
import { type BlobStore, readIfThere } from '#domain/ports/blob-store.ts';
import type { Clock } from '#domain/ports/clock.ts';
import { type BlobLocation, blobNameOf } from '#domain/vocabulary.ts';
import { actionsOfCheckpoint, checkpointOf } from './checkpoint-file.ts';
import { actionsOf, type DeltaAction, linesOf, type TableProtocol } from './delta-actions.ts';
import { DeltaState } from './delta-state.ts';

/** A reader starts at the newest checkpoint and reads every commit after it, so this many at most. */
const COMMITS_PER_CHECKPOINT = 100;
/** With column mapping; without, 1 and 2 are enough. What lies between asks nothing of us that we do not do. */
const READER_VERSION_MAX = 2;
const WRITER_VERSION_MAX = 5;
const CHECKPOINT_BYTES_MAX = 1024 * 1024 * 1024;

/** The oldest protocol that has what a table needs, so that as many programs as possible can read it. */
export function protocolOf({ mapped }: { readonly mapped: boolean }): TableProtocol {
  return mapped
    ? { minReaderVersion: READER_VERSION_MAX, minWriterVersion: WRITER_VERSION_MAX }
    : { minReaderVersion: 1, minWriterVersion: 2 };
}

const LastCheckpoint = z.object({ version: z.int().nonnegative(), parts: z.number().nullish() });

/**
 * The log of one Delta table (Delta Transaction Log Protocol): `_delta_log/<20 digits>.json` per commit, each
 * written only if it is not there, so that of two writers of one version one loses and looks again; and a checkpoint
 * in Parquet now and then.
 */
export class DeltaLog {
  readonly #blobs: BlobStore;
  readonly #clock: Clock;
  readonly #folder: BlobLocation;
  #state: DeltaState | undefined;
  #checkpointVersion = 0;

  /** `table`: the table's folder, ending with a slash. */
  constructor(ports: { readonly blobs: BlobStore; readonly clock: Clock }, table: BlobLocation) {
    this.#blobs = ports.blobs;
    this.#clock = ports.clock;
    this.#folder = { ...table, path: `${table.path}_delta_log/` };
  }

  /** As it was when this process last looked or wrote; what others have committed since shows at the next commit. */
  async state(): Promise<DeltaState> {
    if (this.#state === undefined) {
      const state = await this.#load();
      await this.#readOn(state);
      this.#state = state;
    }
    return this.#state;
  }

  /**
   * Writes the next version. False when another writer was first; `state` has then seen what it wrote. That other
   * writer may be this one, when the answer to its write was lost: the transactions in the state tell.
   * @throws {TerminalFailure} `not-allowed` when another program has raised the table's protocol version.
   */
  async commit(operation: string, actions: readonly DeltaAction[]): Promise<boolean> {
    const state = await this.state();
    assertWritable(state, this.#folder);
    const version = state.version + 1;
    const commitInfo = {
      timestamp: this.#clock.now().getTime(),
      operation,
      operationParameters: {},
      engineInfo: 'Landfall',
    };
    const content = new TextEncoder().encode(linesOf([{ commitInfo }, ...actions]));
    const { written } = await this.#blobs.write(this.#commitAt(version), content, {
      contentType: 'application/json',
      onlyIfAbsent: true,
    });
    if (!written) {
      await this.#readOn(state);
      return false;
    }
    state.apply(version, actions);
    if (version - this.#checkpointVersion >= COMMITS_PER_CHECKPOINT) await this.#writeCheckpoint(state);
    return true;
  }

  async #load(): Promise<DeltaState> {
    const state = new DeltaState();
    const pointer = await readIfThere(this.#blobs, this.#at('_last_checkpoint'));
    if (pointer === undefined) return state;
    const { version, parts } = LastCheckpoint.parse(JSON.parse(new TextDecoder().decode(pointer)));
    if ((parts ?? 1) !== 1)
      throw new TerminalFailure(
        'not-allowed',
        `the checkpoint of ${blobNameOf(this.#folder)} is in ${parts} parts, written by another program; write it in one part`,
      );
    const parquet = await this.#blobs.read(
      this.#at(`${digits(version)}.checkpoint.parquet`),
      CHECKPOINT_BYTES_MAX,
    );
    state.apply(version, await actionsOfCheckpoint(parquet));
    this.#checkpointVersion = version;
    return state;
  }

  async #readOn(state: DeltaState): Promise<void> {
    for (;;) {
      const content = await readIfThere(this.#blobs, this.#commitAt(state.version + 1));
      if (content === undefined) return;
      state.apply(state.version + 1, actionsOf(new TextDecoder().decode(content)));
    }
  }

  async #writeCheckpoint(state: DeltaState): Promise<void> {
    const { version } = state;
    const actions = state.checkpoint(this.#clock.now());
    const content = await checkpointOf(actions);
    const at = this.#at(`${digits(version)}.checkpoint.parquet`);
    await this.#blobs.write(at, content, { contentType: 'application/vnd.apache.parquet' });
    const pointer = {
      version,
      size: actions.length,
      sizeInBytes: content.length,
      numOfAddFiles: state.files.size,
    };
    await this.#blobs.write(this.#at('_last_checkpoint'), new TextEncoder().encode(JSON.stringify(pointer)), {
      contentType: 'application/json',
    });
    this.#checkpointVersion = version;
  }

  #commitAt(version: number): BlobLocation {
    return this.#at(`${digits(version)}.json`);
  }

  #at(name: string): BlobLocation {
    return { ...this.#folder, path: `${this.#folder.path}${name}` };
  }
}

function assertWritable({ protocol }: DeltaState, folder: BlobLocation): void {
  const { minReaderVersion = 1, minWriterVersion = 2 } = protocol ?? {};
  if (minReaderVersion > READER_VERSION_MAX || minWriterVersion > WRITER_VERSION_MAX)
    throw new TerminalFailure(
      'not-allowed',
      `${blobNameOf(folder)} asks for reader version ${minReaderVersion} and writer version ${minWriterVersion}; another program has raised them, and Landfall writes up to ${READER_VERSION_MAX} and ${WRITER_VERSION_MAX}. Put a copy of the table in its place that has no such features.`,
    );
}

function digits(version: number): string {
  return String(version).padStart(20, '0');
}
