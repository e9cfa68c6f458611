/** Nanoseconds since 1970 as RFC 3339 UTC: milliseconds where they suffice, else all nine digits. */
export function rfc3339Of(timestampNs: bigint): string {
  const below = timestampNs % 1_000_000n;
  const wholeNs = timestampNs - (below < 0n ? below + 1_000_000n : below);
  const milliseconds = new Date(Number(wholeNs / 1_000_000n)).toISOString();
  const rest = timestampNs - wholeNs;
  return rest === 0n ? milliseconds : `${milliseconds.slice(0, -1)}${String(rest).padStart(6, '0')}Z`;
}
