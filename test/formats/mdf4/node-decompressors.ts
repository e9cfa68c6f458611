import { inflateSync, zstdDecompressSync } from 'node:zlib';
import { decompressFrameSync } from 'lz4-napi';
import type { Decompressors } from '#formats/recording-reader.ts';

/** What MDF 4 needs, by Node's own libraries; formats never import one themselves. */
export const NODE_DECOMPRESSORS: Decompressors = {
  deflate: (bytes, sizeBytesMax) => inflateSync(bytes, { maxOutputLength: Math.max(1, sizeBytesMax) }),
  zstd: (bytes, sizeBytesMax) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, sizeBytesMax) }),
  'lz4-frame': (bytes) => decompressFrameSync(Buffer.from(bytes)),
  'lz4-block': () => {
    throw new Error('MDF 4 has no lz4 blocks');
  },
  bz2: () => {
    throw new Error('MDF 4 has no bz2');
  },
};
