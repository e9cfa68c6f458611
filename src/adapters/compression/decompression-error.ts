/**
 * Compressed bytes that are damaged, or that would become more than they may. In a file of its own: who only asks
 * whether a file is compressed (tasks that copy) must not need the libraries that decompress.
 */
export class DecompressionError extends Error {
  override readonly name = 'DecompressionError';
}
