import type { LossCounter } from '../recording-reader.ts';
import { type BlockReader, linkOf, Mdf4Damage, requireData } from './blocks.ts';
import { type Comment, commonProperties, elementText, readComment } from './text.ts';

/** HD block (ASAM MDF 4.1.0, 4.8) and what the file history says of its writer. */
export interface Header {
  readonly firstDataGroupLink: number;
  readonly firstAttachmentLink: number;
  readonly firstEventLink: number;
  /** UTC nanoseconds since 1970 of time 0 of all time masters. */
  readonly startTimeNs: bigint;
  readonly properties: Readonly<Record<string, string>>;
  /** The tool of the last history entry. */
  readonly writer?: string;
}

const HEADER_OFFSET = 64;
const TIME_IS_LOCAL = 0x01;
const TIME_OFFSETS_VALID = 0x02;
const NS_PER_MINUTE = 60_000_000_000n;
const INT64_MAX = 2n ** 63n - 1n;

/** @throws {Mdf4Damage} */
export async function readHeader(reader: BlockReader, loss: LossCounter): Promise<Header> {
  const block = await reader.block(HEADER_OFFSET, 'HD');
  const data = requireData(block, 14);
  const comment = await commentOrLoss(reader, linkOf(block, 5), loss);
  const flags = data.getUint8(12);
  const offsetMinutes = { timeZone: data.getInt16(8, true), daylightSaving: data.getInt16(10, true) };
  const writer = await writerOf(reader, linkOf(block, 1), loss);
  return {
    firstDataGroupLink: linkOf(block, 0),
    firstAttachmentLink: linkOf(block, 3),
    firstEventLink: linkOf(block, 4),
    startTimeNs: startTime(data.getBigUint64(0, true), flags, offsetMinutes, loss),
    properties: {
      ...(comment.text === '' ? {} : { comment: comment.text }),
      ...commonProperties(comment),
      ...timeProperties(flags, offsetMinutes),
    },
    ...(writer === '' ? {} : { writer }),
  };
}

interface OffsetMinutes {
  readonly timeZone: number;
  readonly daylightSaving: number;
}

/**
 * The start time is UTC, except where it is flagged as local time. Local time with valid offsets is brought to UTC;
 * without them nobody can, and it stays as it is (`startTime.reference` among the properties says so).
 */
function startTime(startNs: bigint, flags: number, minutes: OffsetMinutes, loss: LossCounter): bigint {
  if (startNs > INT64_MAX) {
    loss.add(0, 0, `the start time ${startNs} ns lies behind the year 2262; times count from 1970`);
    return 0n;
  }
  const isLocal = (flags & TIME_IS_LOCAL) !== 0 && (flags & TIME_OFFSETS_VALID) !== 0;
  return isLocal ? startNs - BigInt(minutes.timeZone + minutes.daylightSaving) * NS_PER_MINUTE : startNs;
}

function timeProperties(flags: number, minutes: OffsetMinutes): Record<string, string> {
  const offsets: Record<string, string> =
    (flags & TIME_OFFSETS_VALID) === 0
      ? {}
      : {
          'startTime.timeZoneMinutes': String(minutes.timeZone),
          'startTime.daylightSavingMinutes': String(minutes.daylightSaving),
        };
  const isLocal = (flags & TIME_IS_LOCAL) !== 0 && (flags & TIME_OFFSETS_VALID) === 0;
  return isLocal ? { 'startTime.reference': 'local time of an unknown zone' } : offsets;
}

async function commentOrLoss(reader: BlockReader, link: number, loss: LossCounter): Promise<Comment> {
  try {
    return await readComment(reader, link);
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    loss.add(0, 0, `a comment cannot be read: ${error.message}`);
    return { text: '', raw: '' };
  }
}

/** The tool and version of the last FH block (4.9). */
async function writerOf(reader: BlockReader, firstLink: number, loss: LossCounter): Promise<string> {
  const visited = new Set<number>();
  let writer = '';
  try {
    for (let link = firstLink; link !== 0 && !visited.has(link); ) {
      visited.add(link);
      const block = await reader.block(link, 'FH');
      const comment = await readComment(reader, linkOf(block, 1));
      const tool = `${elementText(comment, 'tool_id')} ${elementText(comment, 'tool_version')}`.trim();
      if (tool !== '') writer = tool;
      link = linkOf(block, 0);
    }
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    loss.add(0, 0, `the file history cannot be read to its end: ${error.message}`);
  }
  return writer;
}
