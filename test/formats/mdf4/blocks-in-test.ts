/**
 * MDF 4 bytes made by hand, so that the reader is never tested only by the project's own writer. Blocks name one another
 * by label; a block's data are its fields in the order of the format.
 */
export interface TestBlock {
  readonly id: string;
  /** Labels; '' = nil. A number is written as it is. */
  readonly links?: readonly (string | number)[];
  readonly data?: Uint8Array;
  /** Claimed instead of the true length. */
  readonly length?: bigint;
  readonly linkCount?: bigint;
}

export type TestFile = Readonly<Record<string, TestBlock>>;

export const u8 = (...values: number[]) => Uint8Array.from(values);
export const u16 = (value: number) => bytes(2, (view) => view.setUint16(0, value, true));
export const u32 = (value: number) => bytes(4, (view) => view.setUint32(0, value, true));
export const i32 = (value: number) => bytes(4, (view) => view.setInt32(0, value, true));
export const u64 = (value: bigint | number) => bytes(8, (view) => view.setBigUint64(0, BigInt(value), true));
export const i16 = (value: number) => bytes(2, (view) => view.setInt16(0, value, true));
export const f64 = (value: number) => bytes(8, (view) => view.setFloat64(0, value, true));
export const text = (value: string) => Buffer.from(`${value}\0`);
export const all = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

function bytes(size: number, write: (view: DataView) => void): Uint8Array {
  const result = new Uint8Array(size);
  write(new DataView(result.buffer));
  return result;
}

export interface FileOptions {
  readonly magic?: string;
  readonly version?: number;
  readonly unfinished?: number;
}

/** The whole file: identification, then the blocks in the order given, 8-byte aligned; the first one is the header. */
export function mdfBytes(
  blocks: TestFile,
  { magic = 'MDF     ', version = 411, unfinished = 0 }: FileOptions = {},
): Uint8Array {
  const offsets = new Map<string, number>([['', 0]]);
  let end = 64;
  for (const [label, block] of Object.entries(blocks)) {
    offsets.set(label, end);
    end += Math.ceil(sizeOf(block) / 8) * 8;
  }
  const file = new Uint8Array(end);
  const versionText = `${(version / 100).toFixed(2)}    `;
  file.set(all(Buffer.from(`${magic}${versionText}by hand `), new Uint8Array(4), u16(version)));
  file.set(u16(unfinished), 60);
  for (const [label, block] of Object.entries(blocks)) {
    const links = block.links ?? [];
    file.set(
      all(
        Buffer.from(`##${block.id}\0\0\0\0`),
        u64(block.length ?? sizeOf(block)),
        u64(block.linkCount ?? links.length),
        ...links.map((link) => u64(typeof link === 'number' ? link : offsets.get(link)!)),
        block.data ?? u8(),
      ),
      offsets.get(label)!,
    );
  }
  return file.subarray(
    0,
    Math.max(...Object.entries(blocks).map(([label, block]) => offsets.get(label)! + sizeOf(block))),
  );
}

function sizeOf(block: TestBlock): number {
  return 24 + (block.links?.length ?? 0) * 8 + (block.data?.length ?? 0);
}

export interface ChannelSpec {
  readonly label: string;
  readonly next?: string;
  readonly composition?: string;
  readonly conversion?: string;
  readonly dataLink?: string;
  readonly unit?: string;
  readonly type?: number;
  readonly sync?: number;
  readonly dataType?: number;
  readonly bitOffset?: number;
  readonly byteOffset?: number;
  readonly bitCount?: number;
  readonly flags?: number;
  readonly invalidationBit?: number;
  readonly moreLinks?: readonly string[];
}

/** CN block and its name; the name is the label. */
export function channel(spec: ChannelSpec): TestFile {
  const { label, next = '', composition = '', conversion = '', dataLink = '', unit = '' } = spec;
  return {
    [label]: {
      id: 'CN',
      links: [
        next,
        composition,
        `${label} name`,
        '',
        conversion,
        dataLink,
        unit,
        '',
        ...(spec.moreLinks ?? []),
      ],
      data: all(
        u8(spec.type ?? 0, spec.sync ?? 0, spec.dataType ?? 0, spec.bitOffset ?? 0),
        u32(spec.byteOffset ?? 0),
        u32(spec.bitCount ?? 8),
        u32(spec.flags ?? 0),
        u32(spec.invalidationBit ?? 0),
        new Uint8Array(52),
      ),
    },
    [`${label} name`]: { id: 'TX', data: text(label) },
  };
}

export interface GroupSpec {
  readonly label: string;
  readonly next?: string;
  readonly first: string;
  readonly recordId?: number;
  readonly cycles: bigint | number;
  readonly flags?: number;
  readonly dataBytes: number;
  readonly invalidationBytes?: number;
  readonly master?: string;
}

export function channelGroup(spec: GroupSpec): TestFile {
  const { label, next = '', first, recordId = 0, flags = 0, invalidationBytes = 0, master } = spec;
  return {
    [label]: {
      id: 'CG',
      links: [next, first, `${label} name`, '', '', '', ...(master === undefined ? [] : [master])],
      data: all(
        u64(recordId),
        u64(spec.cycles),
        u16(flags),
        new Uint8Array(6),
        u32(spec.dataBytes),
        u32(invalidationBytes),
      ),
    },
    [`${label} name`]: { id: 'TX', data: text(label) },
  };
}

export function dataGroup(
  label: string,
  group: string,
  data: string,
  recordIdBytes = 0,
  next = '',
): TestFile {
  return {
    [label]: { id: 'DG', links: [next, group, data, ''], data: u8(recordIdBytes, 0, 0, 0, 0, 0, 0, 0) },
  };
}

export const START_NS = 1_600_000_000_000_000_000n;

export interface HeaderSpec {
  readonly dataGroup?: string;
  readonly event?: string;
  readonly attachment?: string;
  readonly startNs?: bigint;
  readonly timeZone?: number;
  readonly daylightSaving?: number;
  readonly timeFlags?: number;
}

export function header(spec: HeaderSpec): TestFile {
  const { dataGroup = '', attachment = '', event = '', startNs = START_NS } = spec;
  return {
    header: {
      id: 'HD',
      links: [dataGroup, '', '', attachment, event, ''],
      data: all(
        u64(startNs),
        i16(spec.timeZone ?? 0),
        i16(spec.daylightSaving ?? 0),
        u8(spec.timeFlags ?? 0, 0, 0, 0),
        new Uint8Array(16),
      ),
    },
  };
}

export const MASTER: ChannelSpec = { label: 'time', type: 2, sync: 1, dataType: 4, bitCount: 64 };

/** One sorted group `group`: a float64 master at byte 0, the channels behind it in `blocks`, the first one `first`. */
export function oneGroup(
  first: string,
  dataBytes: number,
  rows: readonly Uint8Array[],
  blocks: TestFile,
  more: {
    readonly invalidationBytes?: number;
    readonly data?: TestFile;
    readonly cycles?: bigint | number;
  } = {},
): TestFile {
  const records = rows.map((row, index) => all(f64(index), row));
  return {
    ...header({ dataGroup: 'dg' }),
    ...dataGroup('dg', 'group', 'data'),
    ...channelGroup({
      label: 'group',
      first: 'time',
      cycles: more.cycles ?? rows.length,
      dataBytes: 8 + dataBytes,
      invalidationBytes: more.invalidationBytes ?? 0,
    }),
    ...channel({ ...MASTER, next: first }),
    ...blocks,
    ...(more.data ?? { data: { id: 'DT', data: all(...records) } }),
  };
}

export interface ColumnsSpec {
  readonly rows: number;
  /** Rows of each block of `values` and `flags` but the last. */
  readonly blockRows: number;
  readonly times: Uint8Array;
  /** The blocks of x, 16 bits per row, and of its invalidation bytes. */
  readonly values: readonly Uint8Array[];
  readonly flags: readonly Uint8Array[];
}

/** Column by column (4.2), invalidation bytes apart: the master `time` of the group `times`, and x that belongs to it. */
export function columnsApart({ rows, blockRows, times, values, flags }: ColumnsSpec): TestFile {
  const named = (letter: string, id: string, parts: readonly Uint8Array[]): TestFile =>
    Object.fromEntries(parts.map((data, index) => [`${letter}${index + 1}`, { id, data }]));
  const [valueBlocks, flagBlocks] = [named('v', 'DV', values), named('i', 'DI', flags)];
  const list = (links: readonly string[], flagBits: number, count: number, rowsEach: number): TestBlock => ({
    id: 'LD',
    links: ['', ...links],
    data: all(u32(flagBits), u32(count), u64(rowsEach)),
  });
  return {
    ...header({ dataGroup: 'dg1' }),
    ...dataGroup('dg1', 'times', 'td', 0, 'dg2'),
    ...dataGroup('dg2', 'xs', 'xd'),
    ...channelGroup({ label: 'times', first: 'time', cycles: rows, dataBytes: 8 }),
    ...channelGroup({
      label: 'xs',
      first: 'x',
      cycles: rows,
      dataBytes: 2,
      invalidationBytes: 1,
      flags: 8,
      master: 'times',
    }),
    ...channel(MASTER),
    ...channel({ label: 'x', bitCount: 16, flags: 2 }),
    td: list(['t'], 1, 1, rows),
    xd: list(
      [...Object.keys(valueBlocks), ...Object.keys(flagBlocks)],
      0x8000_0001,
      values.length,
      blockRows,
    ),
    t: { id: 'DV', data: times },
    ...valueBlocks,
    ...flagBlocks,
  };
}

/** CC block. */
export function conversion(
  label: string,
  type: number,
  values: readonly number[],
  references: readonly string[] = [],
  name = '',
): TestFile {
  return {
    [label]: {
      id: 'CC',
      links: [name, '', '', '', ...references],
      data: all(
        u8(type, 0),
        u16(0),
        u16(references.length),
        u16(values.length),
        f64(0),
        f64(0),
        ...values.map(f64),
      ),
    },
  };
}

export function texts(...values: readonly string[]): TestFile {
  return Object.fromEntries(values.map((value) => [value, { id: 'TX', data: text(value) }]));
}
