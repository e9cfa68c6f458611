/** Names in a tar file (POSIX.1-1988, ustar): name in bytes 0 to 100, size in octal at 124. */
export function tarNames(bytes: Uint8Array): string[] {
  const text = (from: number, length: number) =>
    new TextDecoder().decode(bytes.subarray(from, from + length)).split('\0')[0] ?? '';
  const names: string[] = [];
  for (let at = 0; text(at, 100) !== ''; ) {
    names.push(text(at, 100));
    at += 512 + Math.ceil(Number.parseInt(text(at + 124, 12), 8) / 512) * 512;
  }
  return names;
}
