import { zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';

/** The LZ4 frame format with independent blocks, as the ROS tools and MCAP read it. */
export function compressLz4Frame(bytes: Uint8Array): Uint8Array {
  return compressFrameSync(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
    contentChecksum: true,
  });
}

export function compressZstd(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes);
}
