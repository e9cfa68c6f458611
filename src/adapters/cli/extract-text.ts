import { relative } from 'node:path';
import { columnTypeText, type TableColumn } from '#domain/ports/table-writer.ts';
import type { DownsamplingReport } from '#domain/tasks/extract-tasks.ts';
import type { Loss } from '#formats/recording-reader.ts';
import { bytesText, countText } from './terminal.ts';

/** What `landfall extract` wrote. */
export interface ExtractionSummary {
  readonly tables: readonly {
    readonly name: string;
    readonly path: string;
    readonly rows: number;
    readonly sizeBytes: number;
    readonly columns: readonly TableColumn[];
  }[];
  /** Everything that was written, tables too. */
  readonly files: readonly string[];
  readonly loss: Loss;
  readonly downsampling: readonly DownsamplingReport[];
  /** Frames that a DBC was tried on; absent where none was given. */
  readonly can?: { readonly framesDecoded: number; readonly framesUnknown: number };
}

/** The shape that scripts rely on; `downsampling` and `can` are there when they were asked for. */
export function extractionJson({ tables, files, loss, downsampling, can }: ExtractionSummary): object {
  return {
    tables: tables.map(({ name, path, rows, columns }) => ({
      name,
      path,
      rows,
      columns: columns.map((column) => ({
        name: column.name,
        type: columnTypeText(column.type),
        unit: column.unit ?? '',
      })),
    })),
    files,
    loss: { records: loss.records, bytes: loss.bytes, reasons: loss.reasons },
    ...(downsampling.length === 0 ? {} : { downsampling }),
    ...(can === undefined ? {} : { can }),
  };
}

export function extractionText(out: string, summary: ExtractionSummary): string {
  const { tables, files, loss, downsampling, can } = summary;
  const nameWidth = Math.min(60, Math.max(5, ...tables.map((table) => table.name.length)));
  const others = files.filter((file) => !tables.some((table) => table.path === file));
  return [
    ...tables.map(
      ({ name, path, rows, sizeBytes }) =>
        `${name.padEnd(nameWidth)}  ${rows.toLocaleString('en').padStart(12)} rows  ${bytesText(sizeBytes).padStart(9)}  ${relative(out, path)}`,
    ),
    ...others.map((file) => `${''.padEnd(nameWidth)}  ${''.padStart(28)}  ${relative(out, file)}`),
    ...downsampling.map(
      ({ topic, rowsSeen, rowsKept, ratio }) =>
        `downsampled ${topic}: ${rowsKept.toLocaleString('en')} of ${rowsSeen.toLocaleString('en')} rows kept (${(ratio * 100).toPrecision(3)} %)`,
    ),
    ...(can === undefined
      ? []
      : [
          `CAN: ${can.framesDecoded.toLocaleString('en')} frames decoded, ${can.framesUnknown.toLocaleString('en')} in no DBC`,
        ]),
    `${countText(files.length, 'file')} in ${out}`,
    ...(loss.records === 0 && loss.bytes === 0
      ? []
      : [
          `lost: ${countText(loss.records, 'record')} and ${bytesText(loss.bytes)} could not be read`,
          ...loss.reasons.slice(0, 10).map((reason) => `  ${reason}`),
        ]),
  ].join('\n');
}
