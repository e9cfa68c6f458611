import { open } from 'node:fs/promises';
import type { ByteSink } from '#formats/byte-source.ts';

/** A new file on this machine as a byte sink; close it when the writer is done. */
export interface FileByteSink extends ByteSink {
  close(): Promise<void>;
}

/** Creates the file at `path`, or empties it. */
export async function openFileByteSink(path: string): Promise<FileByteSink> {
  const handle = await open(path, 'w');
  return {
    append: (bytes) => handle.appendFile(bytes),
    async overwrite(offset, bytes) {
      await handle.write(bytes, 0, bytes.length, offset);
    },
    close: () => handle.close(),
  };
}
