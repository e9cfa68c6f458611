import { openFileByteSink } from '#adapters/file/file-byte-sink.ts';
import type { ByteSink } from '#formats/byte-source.ts';

const WRITE_BYTES = 1 << 22;

/** Writes a file; small pieces are collected, so that a file of many costs no call for each. */
export async function intoFile(path: string, write: (sink: ByteSink) => Promise<void>): Promise<void> {
  const sink = await openFileByteSink(path);
  try {
    const collected = collecting(sink);
    await write(collected);
    await collected.flush();
  } finally {
    await sink.close();
  }
}

function collecting(sink: ByteSink): ByteSink & { flush(): Promise<void> } {
  let parts: Uint8Array[] = [];
  let sizeBytes = 0;
  const flush = async () => {
    const bytes = Buffer.concat(parts);
    parts = [];
    sizeBytes = 0;
    await sink.append(bytes);
  };
  return {
    async append(bytes) {
      // Writers may use the array again.
      parts.push(bytes.slice());
      sizeBytes += bytes.length;
      if (sizeBytes >= WRITE_BYTES) await flush();
    },
    async overwrite(offset, bytes) {
      await flush();
      await sink.overwrite(offset, bytes);
    },
    flush,
  };
}
