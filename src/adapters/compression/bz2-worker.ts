// The thread that decompresses bz2: the chunk of a bag takes it tens of milliseconds, a large one seconds.
import { parentPort } from 'node:worker_threads';
import bzip2 from '@foxglove/wasm-bz2';

/** Main to worker. */
export interface Bz2Order {
  readonly number: number;
  readonly compressed: Uint8Array;
  readonly sizeBytesMax: number;
}

/** Worker to main: the content, or what the library said. */
export type Bz2Answer =
  | { readonly number: number; readonly content: Uint8Array }
  | { readonly number: number; readonly problem: string };

const library = await bzip2.init();

function answerOf({ number, compressed, sizeBytesMax }: Bz2Order): Bz2Answer {
  try {
    return { number, content: library.decompress(compressed, sizeBytesMax) };
  } catch (error) {
    // Whatever the library throws is about these bytes, and is told to whoever gave them.
    return { number, problem: error instanceof Error ? error.message : String(error) };
  }
}

parentPort!.on('message', (order: Bz2Order) => {
  const answer = answerOf(order);
  // The library's result is a copy of its own, so it can be moved.
  const transfer = 'content' in answer ? [answer.content.buffer as ArrayBuffer] : [];
  parentPort!.postMessage(answer, transfer);
});
