import { type FileHandle, open } from 'node:fs/promises';
import { assertInside, type ByteSource } from '#formats/byte-source.ts';

/** A file on this machine as a byte source; close it when the reader is done. */
export interface FileByteSource extends ByteSource {
  close(): Promise<void>;
}

/** Opens the file at `path`; its size is taken now, so a file that still grows is read up to here. */
export async function openFileByteSource(path: string): Promise<FileByteSource> {
  return byteSourceOfFile(await open(path, 'r'), path);
}

/** As `openFileByteSource`, of a file that is open already and belongs to the source from now on. */
export async function byteSourceOfFile(handle: FileHandle, path: string): Promise<FileByteSource> {
  const { size } = await handle.stat();
  return {
    sizeBytes: size,
    read: (offset, lengthBytes) => readExactly(handle, path, offset, lengthBytes, size),
    close: () => handle.close(),
  };
}

/** One read of the operating system returns at most this much. */
const READ_BYTES_MAX = 2 ** 30;

async function readExactly(
  handle: FileHandle,
  path: string,
  offset: number,
  lengthBytes: number,
  sizeBytes: number,
): Promise<Uint8Array> {
  assertInside(offset, lengthBytes, sizeBytes);
  const bytes = Buffer.allocUnsafeSlow(lengthBytes);
  let filled = 0;
  while (filled < lengthBytes) {
    const wanted = Math.min(lengthBytes - filled, READ_BYTES_MAX);
    const { bytesRead } = await handle.read(bytes, filled, wanted, offset + filled);
    if (bytesRead === 0) {
      throw new Error(`${path} became shorter while it was read: no bytes at ${offset + filled}`);
    }
    filled += bytesRead;
  }
  return bytes;
}
