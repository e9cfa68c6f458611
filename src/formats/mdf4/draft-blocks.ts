/** A block to be written; links name other drafts, whose offsets are known only when the file is laid out. */
export interface DraftBlock {
  readonly id: string;
  /** Undefined = nil. */
  readonly links: readonly (DraftBlock | undefined)[];
  readonly data: Uint8Array;
  /** The length that an unfinalized file leaves in the block; absent = the true one. */
  readonly claimedDataBytes?: number;
}

const HEADER_BYTES = 24;
const ENCODER = new TextEncoder();

/** Text with its terminating zero, padded to whole 8 bytes (ASAM MDF 4.1.0, 4.5). */
export function textBlock(text: string, id: 'TX' | 'MD' = 'TX'): DraftBlock {
  const bytes = ENCODER.encode(text);
  const data = new Uint8Array((bytes.length + 8) & ~7);
  data.set(bytes);
  return { id, links: [], data };
}

/** Nil for an empty text. */
export function textOrNil(text: string | undefined): DraftBlock | undefined {
  return text === undefined || text === '' ? undefined : textBlock(text);
}

export type FieldWriter = (view: DataView) => void;

/** Fixed fields of a block, written by offset. */
export function fields(sizeBytes: number, write: FieldWriter): Uint8Array {
  const data = new Uint8Array(sizeBytes);
  write(new DataView(data.buffer));
  return data;
}

/** A list linked by its first link: every `make` gets the block behind it. */
export function linkedList<T>(
  items: readonly T[],
  make: (item: T, next: DraftBlock | undefined) => DraftBlock,
): DraftBlock | undefined {
  return items.reduceRight<DraftBlock | undefined>((next, item) => make(item, next), undefined);
}

/**
 * Lays blocks out behind one another from `offset` on, the root first, and yields their bytes. `last` (data whose
 * length is not known yet) comes behind all others.
 */
export function* layOut(root: DraftBlock, offset: number, last?: DraftBlock): Generator<Uint8Array> {
  const order: DraftBlock[] = [];
  const seen = new Set<DraftBlock>(last === undefined ? [] : [last]);
  const pending: DraftBlock[] = [root];
  for (let block = pending.pop(); block !== undefined; block = pending.pop()) {
    if (seen.has(block)) continue;
    seen.add(block);
    order.push(block);
    for (const link of block.links.toReversed()) if (link !== undefined) pending.push(link);
  }
  if (last !== undefined) order.push(last);
  const offsets = new Map<DraftBlock, number>();
  let end = offset;
  for (const block of order) {
    offsets.set(block, end);
    end += padded(HEADER_BYTES + block.links.length * 8 + block.data.length);
  }
  for (const block of order) {
    const linksBytes = block.links.length * 8;
    const isLast = block === last;
    const size = HEADER_BYTES + linksBytes + block.data.length;
    const bytes = new Uint8Array(isLast ? size : padded(size));
    const view = new DataView(bytes.buffer);
    bytes.set(ENCODER.encode(`##${block.id}`), 0);
    view.setBigUint64(
      8,
      BigInt(HEADER_BYTES + linksBytes + (block.claimedDataBytes ?? block.data.length)),
      true,
    );
    view.setBigUint64(16, BigInt(block.links.length), true);
    block.links.forEach((link, index) => {
      const target = link === undefined ? 0 : (offsets.get(link) ?? 0);
      view.setBigUint64(HEADER_BYTES + index * 8, BigInt(target), true);
    });
    bytes.set(block.data, HEADER_BYTES + linksBytes);
    yield bytes;
  }
}

function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 8) * 8;
}
