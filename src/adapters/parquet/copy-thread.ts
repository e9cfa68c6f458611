import { getCompileCacheDir } from 'node:module';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { RowMessage, WriteOrder, WriteReport } from './parquet-worker.ts';
import { buffersOf, type TablePiece } from './table-piece.ts';

/** Pieces that may be on their way to the worker; more would only use memory. */
const PIECES_UNDERWAY_MAX = 4;

export type WrittenFile = Extract<WriteReport, { kind: 'written' }>;
export type CopyOrder = Omit<WriteOrder, 'rows' | 'signal'>;

/** The thread makes few objects: what it handles lies outside of the heap. */
const YOUNG_GENERATION_MB_MAX = 4;

/** One worker thread, which writes one table at a time. */
export class CopyThread {
  readonly #worker = new Worker(new URL('./parquet-worker.ts', import.meta.url), {
    env: threadEnvironment(),
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB_MAX },
  });
  #copy: RunningCopy | undefined;

  constructor() {
    this.#worker.unref();
    this.#worker.on('message', (report: WriteReport) => {
      if (report.kind !== 'took') this.#release();
      this.#copy?.onReport(report);
    });
    this.#worker.on('error', (error) => this.#copy?.onLost(error));
    this.#worker.on('exit', () => this.#copy?.onLost(new Error('the writing thread has ended')));
  }

  /** The thread must be free: its last copy has finished or was aborted. */
  start(order: CopyOrder): RunningCopy {
    const { port1, port2 } = new MessageChannel();
    const signal = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    // A process may not end while a table is being written; an idle thread does not keep it.
    this.#worker.ref();
    this.#worker.postMessage({ ...order, rows: port2, signal } satisfies WriteOrder, [port2]);
    this.#copy = new RunningCopy(order.localPath, (message, transfer) => {
      port1.postMessage(message, transfer);
      Atomics.add(signal, 0, 1);
      Atomics.notify(signal, 0);
    });
    port1.unref();
    return this.#copy;
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #release(): void {
    this.#worker.unref();
  }
}

/** A compile cache is not inherited by threads; without one, each holds 20 MB of a compiler that it needs only once. */
function threadEnvironment(): NodeJS.ProcessEnv {
  const cacheFolder = getCompileCacheDir();
  return cacheFolder === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: cacheFolder };
}

/** A table on its way into a file. */
export class RunningCopy {
  readonly #localPath: string;
  readonly #post: (message: RowMessage, transfer: ArrayBuffer[]) => void;
  readonly #ended = Promise.withResolvers<WrittenFile>();
  #underway = 0;
  #taken = Promise.withResolvers<void>();

  constructor(localPath: string, post: (message: RowMessage, transfer: ArrayBuffer[]) => void) {
    this.#localPath = localPath;
    this.#post = post;
    // A failure is told to whoever pushes or finishes next; until then it is not an unhandled rejection.
    this.#ended.promise.catch(() => undefined);
  }

  async push(piece: TablePiece): Promise<void> {
    while (this.#underway >= PIECES_UNDERWAY_MAX) {
      await Promise.race([this.#taken.promise, this.#ended.promise]);
    }
    this.#underway += 1;
    this.#post({ kind: 'rows', piece }, buffersOf(piece));
  }

  finish(): Promise<WrittenFile> {
    this.#post({ kind: 'end' }, []);
    return this.#ended.promise;
  }

  /** Resolves when the thread is free again. */
  async abort(): Promise<void> {
    this.#post({ kind: 'abort' }, []);
    await this.#ended.promise.then(
      () => undefined,
      () => undefined,
    );
  }

  onReport(report: WriteReport): void {
    if (report.kind === 'took') {
      this.#underway -= 1;
      this.#taken.resolve();
      this.#taken = Promise.withResolvers();
    } else if (report.kind === 'written') {
      this.#ended.resolve(report);
    } else {
      this.onLost(new Error(report.message));
    }
  }

  onLost(cause: Error): void {
    this.#ended.reject(
      new Error(
        `${this.#localPath} could not be written: ${cause.message}. Nothing of it was left; write the table again.`,
        { cause },
      ),
    );
  }
}
