import { Worker } from 'node:worker_threads';
import type { Bz2Answer, Bz2Order } from './bz2-worker.ts';

/** Decompresses bz2 outside the thread that asks; orders are done one after the other. */
export class Bz2Thread {
  readonly #waiting = new Map<number, PromiseWithResolvers<Uint8Array>>();
  /** Started when there is something to do, and again when it was lost. */
  #worker: Worker | undefined;
  #number = 0;

  /** @throws {Error} with what the library said where the bytes are damaged or hold more than `sizeBytesMax`. */
  decompress(compressed: Uint8Array, sizeBytesMax: number): Promise<Uint8Array> {
    const number = this.#number;
    this.#number += 1;
    const waiting = Promise.withResolvers<Uint8Array>();
    this.#waiting.set(number, waiting);
    this.#worker ??= this.#start();
    // A process may not end while somebody waits; an idle thread does not keep it.
    this.#worker.ref();
    this.#worker.postMessage({ number, compressed, sizeBytesMax } satisfies Bz2Order);
    return waiting.promise;
  }

  #start(): Worker {
    const worker = new Worker(new URL('./bz2-worker.ts', import.meta.url));
    worker.on('message', (answer: Bz2Answer) => this.#onAnswer(answer));
    worker.on('error', (error) => this.#onLost(error));
    worker.on('exit', () => this.#onLost(new Error('the decompressing thread has ended')));
    return worker;
  }

  #onAnswer(answer: Bz2Answer): void {
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if ('content' in answer) waiting?.resolve(answer.content);
    else waiting?.reject(new Error(answer.problem));
  }

  #onLost(cause: Error): void {
    this.#worker = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(cause);
    this.#waiting.clear();
  }
}
