import type { ByteSource } from '../byte-source.ts';
import {
  type OpenOptions,
  type OpenRecording,
  RecordingFormatError,
  type RecordingSummary,
} from '../recording-reader.ts';
import { readAttachments } from './attachments.ts';
import { BlockReader, Mdf4Damage } from './blocks.ts';
import type { StreamSource } from './data-stream.ts';
import { DistinctLosses } from './distinct-losses.ts';
import { eventTable, readEvents } from './events.ts';
import { type Header, readHeader } from './header.ts';
import { IDENTIFICATION_BYTES, parseIdentification } from './identification.ts';
import { Mdf4Reader } from './reader.ts';
import { StructureReader } from './structure.ts';
import { withTimes } from './summary-times.ts';
import { type Mdf4Table, tablesOf } from './tables.ts';

/**
 * Opens an ASAM MDF 4 file (4.00 to 4.30): finalized or not, sorted or not. Only metadata is read here; `read` then
 * reads the data blocks of the selected tables and decodes the selected columns.
 *
 * Tables are channel groups. `timestampsNs` is the header's start time plus the time master, which is no column of
 * its own; rows of a group without time master carry the start time. Values are physical where the conversion is
 * numeric; conversions that only name values leave raw numbers, with the names in `choices`.
 *
 * @throws {RecordingFormatError} where the file is no MDF 4 file, or nothing of it can be read
 */
export const openMdf4: OpenRecording = async (source, options) => {
  if (source.sizeBytes < IDENTIFICATION_BYTES) {
    throw new RecordingFormatError(
      options.name,
      'unknown',
      `${source.sizeBytes} bytes are too few for an MDF file`,
    );
  }
  const identification = parseIdentification(await source.read(0, IDENTIFICATION_BYTES), options);
  const reader = new BlockReader(source);
  const loss = new DistinctLosses();
  const header = await headerOrRefusal(reader, loss, options);
  const stream = streamSource(source, reader, identification.unfinished, options);
  const dataGroups = await new StructureReader(reader, loss).dataGroups(header.firstDataGroupLink);
  if (header.firstDataGroupLink !== 0 && dataGroups.length === 0) {
    const reasons = loss.report().reasons.join('; ');
    throw new RecordingFormatError(
      options.name,
      'mdf4',
      `no data group can be read (${reasons}); the file is cut short`,
    );
  }
  const tables = await tablesOf(reader, dataGroups, !identification.unfinished.cycleCounters, loss);
  const events = await readEvents(reader, header.firstEventLink, loss);
  const attachments = await readAttachments(stream, header.firstAttachmentLink, loss);
  const external = attachments.external.map((name, index) => [`externalAttachment.${index + 1}`, name]);
  const writer = header.writer ?? identification.program;
  const summary: RecordingSummary = {
    format: 'mdf4',
    version: identification.version,
    ...(writer === '' ? {} : { writer }),
    sizeBytes: source.sizeBytes,
    tables: [
      ...tables.map((table) => table.summary),
      ...(events.length === 0 ? [] : [eventTable('events', events.length)]),
    ],
    properties: {
      ...header.properties,
      ...Object.fromEntries(external),
      ...Object.fromEntries(tables.flatMap(reductionProperty)),
      ...(identification.finalized ? {} : { finalized: 'no' }),
    },
    attachments: attachments.embedded,
  };
  const opened = { source: stream, tables, events, startTimeNs: header.startTimeNs, summary };
  return new Mdf4Reader(await withTimes(opened), loss);
};

/** Sample reductions are for viewers that draw a whole recording at once; extraction goes by the records. */
function reductionProperty({ summary, parts }: Mdf4Table): [string, string][] {
  const count = parts.reduce((sum, { group }) => sum + group.reductionCount, 0);
  return count === 0 ? [] : [[`sampleReductions.${summary.name}`, `${count}, not read`]];
}

async function headerOrRefusal(
  reader: BlockReader,
  loss: DistinctLosses,
  options: OpenOptions,
): Promise<Header> {
  try {
    return await readHeader(reader, loss);
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    throw new RecordingFormatError(options.name, 'mdf4', `the header cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}

function streamSource(
  source: ByteSource,
  reader: BlockReader,
  unfinished: StreamSource['unfinished'],
  options: OpenOptions,
): StreamSource {
  let bytesRead = 0;
  return {
    reader,
    decompressors: options.decompressors,
    unfinished,
    onBytes(sizeBytes) {
      bytesRead = Math.min(source.sizeBytes, bytesRead + sizeBytes);
      options.onProgress?.(bytesRead);
    },
  };
}
