/** What a path names: the root `/`, a group `/'group'`, a channel `/'group'/'channel'`. Quotes are doubled inside. */
export type ObjectPath =
  | { readonly level: 'root' }
  | { readonly level: 'group'; readonly group: string }
  | { readonly level: 'channel'; readonly group: string; readonly channel: string };

const PART = /\/'((?:[^']|'')*)'/y;

/** Undefined for text that is no path. */
export function parseObjectPath(text: string): ObjectPath | undefined {
  if (text === '/') return { level: 'root' };
  const parts: string[] = [];
  PART.lastIndex = 0;
  while (PART.lastIndex < text.length && parts.length < 3) {
    const match = PART.exec(text);
    if (match === null) return undefined;
    parts.push(match[1]!.replaceAll("''", "'"));
  }
  const [group, channel] = parts;
  if (group === undefined || parts.length > 2) return undefined;
  return channel === undefined ? { level: 'group', group } : { level: 'channel', group, channel };
}

export function formatObjectPath(...parts: readonly string[]): string {
  return parts.length === 0 ? '/' : parts.map((part) => `/'${part.replaceAll("'", "''")}'`).join('');
}
