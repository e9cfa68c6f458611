const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The bytes as valid UTF-8: what is not becomes U+FFFD. Plain ASCII, which is nearly all, is returned as it is. */
export function validUtf8(bytes: Uint8Array): Uint8Array {
  for (let i = 0; i < bytes.length; i += 1) {
    if (bytes[i]! >= 0x80) return encoder.encode(decoder.decode(bytes));
  }
  return bytes;
}
