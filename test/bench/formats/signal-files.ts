import { memorySink } from '#formats/byte-source.ts';
import { canFrameGroup } from '#formats/mdf4/bus-frames.ts';
import { layOut } from '#formats/mdf4/draft-blocks.ts';
import { writeMdf4, writeUnfinalizedMdf4 } from '#formats/mdf4/writer.ts';
import { dataBlocks } from '#formats/mdf4/written-records.ts';
import { LEAD_IN_BYTES } from '#formats/tdms/lead-in.ts';
import { TdmsWriter } from '#formats/tdms/writer.ts';
import { intoFile } from './file-of-pieces.ts';

/**
 * Files of signals of any size, written block by block. Making values costs more than reading them, so the values (not
 * the times) repeat after `BANK_ROWS` rows: more than a Parquet row group or a compressor looks back on.
 */
export const START_NS = 1_700_000_000_000_000_000n;
export const STEP_NS = 5_000_000n;
export const CHANNELS = 8;
/** Without the time. */
export const ROW_BYTES = CHANNELS * 10;
const BANK_ROWS = 480_000;

/** A signal that looks measured: slow waves and some noise, the same in every run. */
function signal(channel: number, firstRow: number, rows: number): Float64Array {
  let state = (channel + 1) * 2_654_435_761 + firstRow;
  const values = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    values[row] = Math.sin((firstRow + row) * 0.001 * (channel + 1)) + state / 2 ** 40;
  }
  return values;
}

function counts(values: Float64Array): Int16Array {
  return Int16Array.from(values, (value) => value * 10_000);
}

const MDF_ROW_BYTES = ROW_BYTES + 8;
const MDF_BLOCK_ROWS = Math.floor((1 << 22) / MDF_ROW_BYTES);
const MDF_HEADER_BYTES = 24;

function mdfRecording(rows: number) {
  return {
    startTimeNs: START_NS,
    groups: [
      {
        name: 'Signals',
        timestampsNs: BigInt64Array.from({ length: rows }, (_, row) => START_NS + BigInt(row) * STEP_NS),
        channels: Array.from({ length: CHANNELS }, (_, channel) => signal(channel, 0, rows)).flatMap(
          (values, channel) => [
            { name: `float${channel}`, unit: 'm/s', values },
            {
              name: `count${channel}`,
              unit: 'V',
              values: counts(values),
              linear: { factor: 1e-4, offset: 0 },
            },
          ],
        ),
      },
    ],
  };
}

/** One sorted group in blocks of 4 MiB, each behind the list that names it. */
export async function writeMdf(
  path: string,
  sizeBytes: number,
  deflate: ((bytes: Uint8Array) => Uint8Array) | undefined,
): Promise<void> {
  const blockCount = Math.ceil(sizeBytes / (MDF_BLOCK_ROWS * MDF_ROW_BYTES));
  const bank = [...writeMdf4(mdfRecording(Math.ceil(BANK_ROWS / MDF_BLOCK_ROWS) * MDF_BLOCK_ROWS))]
    .filter((block) => idOf(block) === 'DT')
    .map((block) => block.slice(MDF_HEADER_BYTES, MDF_HEADER_BYTES + MDF_BLOCK_ROWS * MDF_ROW_BYTES));
  const head = [...writeMdf4(mdfRecording(1))];
  const headBytes = head.reduce((sum, block) => sum + block.length, 0);
  for (const block of head) {
    // The data group leads to the first list instead of the only row; the channel group counts all rows.
    if (idOf(block) === 'DG') viewOf(block).setBigUint64(40, BigInt(headBytes), true);
    if (idOf(block) === 'CG') viewOf(block).setBigUint64(80, BigInt(blockCount * MDF_BLOCK_ROWS), true);
  }
  await intoFile(path, async (sink) => {
    for (const block of head) await sink.append(block);
    let at = headBytes;
    if (deflate !== undefined) {
      const zipFields = Uint8Array.of(1, 0, 1, 0, 0, 0, 0, 0);
      at += 40;
      await sink.append(rawBlock('HL', [at], zipFields));
    }
    for (let number = 0; number < blockCount; number++) {
      const records = bank[number % bank.length]!;
      const view = viewOf(records);
      for (let row = 0; row < MDF_BLOCK_ROWS; row++) {
        const seconds = (number * MDF_BLOCK_ROWS + row) * (Number(STEP_NS) / 1e9);
        view.setFloat64(row * MDF_ROW_BYTES, seconds, true);
      }
      const [data] = layOut(dataBlockOf(records, deflate), 0);
      const listFields = new Uint8Array(16);
      listFields.set([1, 0, 0, 0, 1]);
      viewOf(listFields).setBigUint64(8, BigInt(records.length), true);
      const dataAt = at + MDF_HEADER_BYTES + 16 + listFields.length;
      at = dataAt + data!.length;
      await sink.append(rawBlock('DL', [number === blockCount - 1 ? 0 : at, dataAt], listFields));
      await sink.append(data!);
    }
  });
}

function dataBlockOf(records: Uint8Array, deflate: ((bytes: Uint8Array) => Uint8Array) | undefined) {
  const block = dataBlocks('DT', records, MDF_ROW_BYTES, deflate === undefined ? {} : { deflate });
  // Compressed, it comes in a list of its own.
  return block?.id === 'HL' ? block.links[0]!.links[1]! : block!;
}

function rawBlock(id: string, links: readonly number[], data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MDF_HEADER_BYTES + links.length * 8 + data.length);
  const view = viewOf(bytes);
  bytes.set(new TextEncoder().encode(`##${id}`));
  view.setBigUint64(8, BigInt(bytes.length), true);
  view.setBigUint64(16, BigInt(links.length), true);
  for (const [index, link] of links.entries()) {
    view.setBigUint64(MDF_HEADER_BYTES + index * 8, BigInt(link), true);
  }
  bytes.set(data, MDF_HEADER_BYTES + links.length * 8);
  return bytes;
}

function idOf(block: Uint8Array): string {
  return String.fromCharCode(block[2]!, block[3]!);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

const CAN_BLOCK_FRAMES = 20_000;
const CAN_STEP_NS = 500_000n;
const CAN_PAYLOAD_BYTES = 8;
/** In a frame's record, from its time on: time, bus, id and three bytes lie in front of the payload's place. */
const CAN_PLACE_OFFSET = 8 + 1 + 4 + 3;

/** What a logger leaves: two buses mixed in the order of time, payloads apart, unsorted and never finalized. */
export async function writeCanLog(path: string, sizeBytes: number): Promise<void> {
  const blocks = [...writeUnfinalizedMdf4(canRecording())];
  const records = blocks.at(-1)!.subarray(MDF_HEADER_BYTES);
  const pairBytes = records.length / CAN_BLOCK_FRAMES;
  const variableBytes = 1 + 4 + CAN_PAYLOAD_BYTES;
  const blockCount = Math.ceil(sizeBytes / records.length);
  await intoFile(path, async (sink) => {
    for (const block of blocks.slice(0, -1)) await sink.append(block);
    await sink.append(blocks.at(-1)!.subarray(0, MDF_HEADER_BYTES));
    const view = viewOf(records);
    for (let number = 0; number < blockCount; number++) {
      for (let frame = 0; frame < CAN_BLOCK_FRAMES * 2; frame++) {
        const at = frame * (pairBytes / 2) + variableBytes + 1;
        const total = number * CAN_BLOCK_FRAMES * 2 + frame;
        view.setFloat64(at, (total * Number(CAN_STEP_NS)) / 1e9, true);
        const place = (number * CAN_BLOCK_FRAMES + (frame >> 1)) * (4 + CAN_PAYLOAD_BYTES);
        view.setBigUint64(at + CAN_PLACE_OFFSET, BigInt(place), true);
      }
      await sink.append(records);
    }
  });
}

function canRecording() {
  const count = CAN_BLOCK_FRAMES;
  const groups = ['CAN1', 'CAN2'].map((name, bus) => {
    const signals = signal(bus, 0, count);
    return canFrameGroup(name, {
      count,
      timestampsNs: BigInt64Array.from(
        { length: count },
        (_, row) => START_NS + BigInt(row * 2 + bus) * CAN_STEP_NS,
      ),
      ids: Uint32Array.from({ length: count }, (_, row) => 0x100 + (row % 64)),
      extended: new Uint8Array(count),
      bus: new Uint8Array(count).fill(bus + 1),
      payloadOffsets: Uint32Array.from({ length: count + 1 }, (_, row) => row * CAN_PAYLOAD_BYTES),
      payload: new Uint8Array(signals.buffer),
    });
  });
  return { startTimeNs: START_NS, groups };
}

/** Segments that are all alike but the first, which describes them. */
export async function writeTdms(
  path: string,
  sizeBytes: number,
  segment: { readonly rows: number; readonly isInterleaved: boolean },
): Promise<void> {
  const segments = Math.ceil(sizeBytes / (ROW_BYTES * segment.rows));
  const bankSegments = Math.min(segments, Math.ceil(BANK_ROWS / segment.rows));
  const held = memorySink();
  const writer = new TdmsWriter(held);
  for (let number = 0; number < bankSegments; number++) {
    await writer.addSegment({
      channels: tdmsChannels(number * segment.rows, segment.rows),
      isInterleaved: segment.isInterleaved,
    });
  }
  const bank = held.bytes();
  const likeBytes = LEAD_IN_BYTES + segment.rows * ROW_BYTES;
  await intoFile(path, async (sink) => {
    await sink.append(bank);
    for (let number = bankSegments; number < segments; number++) {
      // Counted from the end: the first segment is longer than the others.
      const end = bank.length - likeBytes * (number % (bankSegments - 1));
      await sink.append(bank.subarray(end - likeBytes, end));
    }
  });
}

function tdmsChannels(firstRow: number, rows: number) {
  // npTDMS makes no times without the offset.
  const time = {
    wf_start_time: { utcNs: START_NS },
    wf_start_offset: 0,
    wf_increment: Number(STEP_NS) / 1e9,
  };
  const scale = {
    NI_Number_Of_Scales: 1,
    'NI_Scale[0]_Scale_Type': 'Linear',
    'NI_Scale[0]_Linear_Slope': 1e-4,
    'NI_Scale[0]_Linear_Y_Intercept': 0,
    'NI_Scale[0]_Linear_Input_Source': 4_294_967_295,
  };
  const isFirst = firstRow === 0;
  return Array.from({ length: CHANNELS }, (_, channel) => {
    const values = signal(channel, firstRow, rows);
    const float = { group: 'Signals', name: `float${channel}`, values };
    const count = { group: 'Signals', name: `count${channel}`, values: counts(values) };
    if (!isFirst) return [float, count];
    return [
      { ...float, properties: { ...time, unit_string: 'm/s' } },
      { ...count, properties: { ...time, ...scale, unit_string: 'V' } },
    ];
  }).flat();
}
