import type { ByteSource } from '../byte-source.ts';
import {
  type Loss,
  LossCounter,
  type OpenOptions,
  type OpenRecording,
  RecordingFormatError,
  type RecordingReader,
  type RecordingSummary,
  type Selection,
  type TableBatch,
} from '../recording-reader.ts';
import { LEAD_IN_BYTES, parseLeadIn } from './lead-in.ts';
import { PlannedBytes } from './planned-bytes.ts';
import { IndexMismatch, locateInIndex, locateSegments } from './segments.ts';
import { type Structure, StructureBuilder } from './structure.ts';
import { propertyTexts, spanOf, withTimes } from './summary.ts';
import { TableWalk } from './table-walk.ts';
import { type TdmsTable, tablesOf } from './tables.ts';

/**
 * Opens an NI TDMS file (format 2.0; version numbers 4712 and 4713): little or big endian, contiguous, interleaved
 * or DAQmx, complete or cut off. Only lead-ins and metadata are read here, from the `.tdms_index` beside
 * it where there is one that describes this file; `read` then reads the ranges of the selected columns.
 *
 * Tables are groups (see `tablesOf`). A row's time is that of the waveform (`wf_start_time + wf_start_offset +
 * i * wf_increment`) or of a time channel of the group. Tables without an absolute time say so in the properties
 * (`time.<table>`) and have no start: waveforms without a start count from 1970, and where there is no time at all
 * row i gets i nanoseconds. Values are scaled as the `NI_Scale` properties say, and then float64.
 *
 * @throws {RecordingFormatError} where the file is no TDMS file, or nothing of it can be read
 */
export const openTdms: OpenRecording = async (source, options) => {
  const front = parseLeadIn(await source.read(0, Math.min(LEAD_IN_BYTES, source.sizeBytes)));
  if (front?.tag !== 'TDSm') {
    const what =
      front?.tag === 'TDSh'
        ? 'it is a TDMS index; give the .tdms file beside it'
        : 'it does not begin with a TDMS segment, so it is no TDMS file';
    throw new RecordingFormatError(options.name, front === undefined ? 'unknown' : 'tdms', what);
  }
  const loss = new OnceCounter();
  const companion = await options.companion?.('_index');
  const { structure, index } = await readStructure(source, companion, options, loss);
  if (structure.rootProperties.size === 0 && structure.groups.size === 0 && loss.report().bytes > 0) {
    const reasons = loss.report().reasons.join('; ');
    throw new RecordingFormatError(options.name, 'tdms', `nothing of it can be read (${reasons})`);
  }
  let bytesRead = 0;
  const bytes = new PlannedBytes(source, (sizeBytes) => {
    bytesRead = Math.min(source.sizeBytes, bytesRead + sizeBytes);
    options.onProgress?.(bytesRead);
  });
  const tables = await withTimes(tablesOf(structure, loss), structure.spans, bytes);
  const writer = structure.rootProperties.get('WriterName');
  const summary: RecordingSummary = {
    format: 'tdms',
    version: String(front.version),
    ...(writer?.kind === 'text' && writer.value !== '' ? { writer: writer.value } : {}),
    sizeBytes: source.sizeBytes,
    ...spanOf(tables),
    tables: tables.map((table) => table.summary),
    properties: { ...propertyTexts(structure, tables), ...(index === undefined ? {} : { index }) },
    attachments: [],
  };
  return new TdmsReader({ structure, tables, bytes, summary }, loss);
};

/** `index` says whether the index was used, where one was given. */
async function readStructure(
  source: ByteSource,
  companion: ByteSource | undefined,
  options: OpenOptions,
  loss: LossCounter,
): Promise<{ readonly structure: Structure; readonly index?: string }> {
  if (companion !== undefined) {
    try {
      const builder = new StructureBuilder(loss);
      for (const segment of await locateInIndex(source, companion)) builder.add(segment);
      return { structure: builder.build(), index: 'used' };
    } catch (error) {
      if (!(error instanceof IndexMismatch)) throw error;
      const { structure } = await readStructure(source, undefined, options, loss);
      return { structure, index: `not used: ${error.message}` };
    }
  }
  const builder = new StructureBuilder(loss);
  for await (const segment of locateSegments(source, loss, options.onProgress)) builder.add(segment);
  return { structure: builder.build() };
}

/** Reading again meets the same damage; each reason names its place and is counted once. */
class OnceCounter extends LossCounter {
  readonly #reasons = new Set<string>();

  override add(records: number, bytes: number, reason: string): void {
    if (this.#reasons.has(reason)) return;
    if (this.#reasons.size < REMEMBERED_MAX) this.#reasons.add(reason);
    super.add(records, bytes, reason);
  }
}

const REMEMBERED_MAX = 10_000;

interface OpenedFile {
  readonly structure: Structure;
  readonly tables: readonly TdmsTable[];
  readonly bytes: PlannedBytes;
  readonly summary: RecordingSummary;
}

class TdmsReader implements RecordingReader {
  readonly summary: RecordingSummary;
  readonly #file: OpenedFile;
  readonly #loss: LossCounter;

  constructor(file: OpenedFile, loss: LossCounter) {
    this.summary = file.summary;
    this.#file = file;
    this.#loss = loss;
  }

  loss(): Loss {
    return this.#loss.report();
  }

  async *read(selection: Selection = {}): AsyncGenerator<TableBatch> {
    const { tables, structure, bytes } = this.#file;
    const names = selection.tables === undefined ? undefined : new Set(selection.tables);
    const source = { spans: structure.spans, bytes, loss: this.#loss };
    let waiting = tables
      .filter(({ summary }) => names === undefined || names.has(summary.name))
      .map((table) => {
        const walk = new TableWalk(table, selection, source);
        return { walk, offset: walk.nextOffset() };
      });
    try {
      for (let batchCount = 0; ; ) {
        waiting = waiting.filter(({ walk }) => !walk.isDone);
        const next = waiting.reduce(
          (first, other) => (other.offset < first.offset ? other : first),
          waiting[0]!,
        );
        if (next === undefined) return;
        const batch = await next.walk.next();
        next.offset = next.walk.nextOffset();
        if (batch === undefined) continue;
        batchCount += 1;
        // Not of many tables at once, whose bytes would add up, and not for someone who only looks at the first rows.
        if (waiting.length === 1 && batchCount > 1) bytes.readAhead(next.walk.nextRanges());
        yield batch;
      }
    } finally {
      await bytes.settle();
    }
  }
}
