import type { MessageDecoder } from '#formats/messages/message-decoder.ts';
import { columnValuesOf, type Value } from '../../support/table-columns.ts';

/** Decodes serialized messages to columns by name, as plain values; `misfits` are messages without a row. */
export function decodeMessages(
  decoder: MessageDecoder,
  messages: readonly Uint8Array[],
): { columns: Record<string, readonly Value[]>; misfits: readonly number[] } {
  const ends: number[] = [];
  for (const { length } of messages) ends.push((ends.at(-1) ?? 0) + length);
  const { columns, misfits } = decoder.decode(
    {
      bytes: Buffer.concat(messages),
      starts: Uint32Array.from([0, ...ends.slice(0, -1)]),
      ends: Uint32Array.from(ends),
      count: messages.length,
    },
    new Uint8Array(decoder.columns.length).fill(1),
  );
  const rows = messages.length - misfits.length;
  const named = columns.map((column, i) => {
    const { name, type } = decoder.columns[i]!;
    return [name, columnValuesOf(column, type, rows)] as const;
  });
  return { columns: Object.fromEntries(named), misfits };
}
