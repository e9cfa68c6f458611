import { columnTypeText } from '#domain/ports/table-writer.ts';
import { rfc3339Of } from '#domain/times.ts';
import type { ColumnSchema, RecordingFormat } from '#formats/recording-reader.ts';
import type { InspectedTable, Inspection } from './inspect-recording.ts';
import { bytesText, countText, durationText } from './terminal.ts';

/** An inspection for programs (its shape is a promise) and for people. */

export interface InspectionJson {
  readonly format: RecordingFormat;
  readonly version: string;
  readonly sizeBytes: number;
  readonly startTime: string | null;
  readonly endTime: string | null;
  /**
   * Per topic where a recording holds messages: `type` is the message type. Per channel where it holds measured
   * values (MDF, TDMS): `type` is the type of a value, `group` the channel group.
   */
  readonly channels: readonly {
    readonly name: string;
    readonly group: string;
    readonly count: number;
    readonly type: string;
    readonly unit: string;
  }[];
  readonly loss: { readonly records: number; readonly bytes: number; readonly reasons: readonly string[] };
}

export function inspectionJson(inspection: Inspection): InspectionJson {
  const { summary, startTimeNs, endTimeNs, tables, loss } = inspection;
  return {
    format: summary.format,
    version: summary.version,
    sizeBytes: summary.sizeBytes,
    startTime: startTimeNs === undefined ? null : rfc3339Of(startTimeNs),
    endTime: endTimeNs === undefined ? null : rfc3339Of(endTimeNs),
    channels: tables.flatMap(channelsOf),
    loss: { records: loss.records, bytes: loss.bytes, reasons: loss.reasons },
  };
}

function channelsOf({ table, rowCount: count }: InspectedTable): InspectionJson['channels'] {
  const { name, group, schemaName, encoding, columns } = table;
  if (encoding !== '') return [{ name, group, count, type: schemaName, unit: '' }];
  return columns.map((column) => ({
    name: column.name,
    group: name,
    count,
    type: columnTypeText(column.type),
    unit: column.unit ?? '',
  }));
}

const FORMAT_NAMES: Readonly<Record<RecordingFormat, string>> = {
  mdf4: 'ASAM MDF',
  tdms: 'NI TDMS',
  rosbag: 'ROS bag',
  mcap: 'MCAP',
  rosbag2: 'ROS 2 bag (SQLite)',
};

const PICTURE_COLUMNS = 48;
const CHANNELS_SHOWN_MAX = 12;

/** @param name the file's name. */
export function inspectionText(name: string, inspection: Inspection): string {
  const { summary, startTimeNs, endTimeNs, tables, loss } = inspection;
  const rows = tables.reduce((sum, table) => sum + table.rowCount, 0);
  const filled = tables.filter((table) => table.rowCount > 0);
  const empty = tables.filter((table) => table.rowCount === 0);
  return [
    name,
    `  format    ${FORMAT_NAMES[summary.format]} ${summary.version}${summary.writer === undefined ? '' : `, written by ${summary.writer}`}`,
    `  size      ${bytesText(summary.sizeBytes)}`,
    ...(startTimeNs === undefined || endTimeNs === undefined
      ? ['  time      no rows']
      : [`  time      ${spanText(startTimeNs, endTimeNs)}`]),
    `  content   ${countText(rows, 'row')} in ${countText(filled.length, 'table')}`,
    ...(summary.attachments.length === 0
      ? []
      : [
          `  embedded  ${summary.attachments.map((file) => `${file.name} (${bytesText(file.sizeBytes)})`).join(', ')}`,
        ]),
    ...damageLines(loss),
    '',
    ...filled.flatMap((table) => tableLines(table, startTimeNs ?? 0n, endTimeNs ?? 0n)),
    ...(empty.length === 0
      ? []
      : [
          `Without rows: ${listed(
            empty.map(({ table }) => table.name),
            CHANNELS_SHOWN_MAX,
          )}`,
        ]),
  ].join('\n');
}

function damageLines(loss: Inspection['loss']): readonly string[] {
  if (loss.records === 0 && loss.bytes === 0 && loss.reasons.length === 0) return ['  damage    none'];
  const isWhole = loss.records === 0 && loss.bytes === 0;
  return [
    `  damage    ${isWhole ? 'no rows lost, but:' : `${countText(loss.records, 'record')} and ${bytesText(loss.bytes)} could not be read`}`,
    ...loss.reasons.slice(0, 10).map((reason) => `            ${reason}`),
    ...(loss.reasons.length > 10 ? [`            and ${loss.reasons.length - 10} further reasons`] : []),
  ];
}

function tableLines(inspected: InspectedTable, startNs: bigint, endNs: bigint): readonly string[] {
  const { table, rowCount, rateHz, longestGap, outOfOrderCount } = inspected;
  const facts = [
    countText(rowCount, 'row'),
    ...(rateHz === undefined ? [] : [rateText(rateHz)]),
    ...(longestGap === undefined
      ? []
      : [
          `longest gap ${durationText(longestGap.ms / 1000)} at ${durationText(Number(longestGap.startTimeNs - startNs) / 1e9)}`,
        ]),
    ...(outOfOrderCount === 0 ? [] : [`${outOfOrderCount.toLocaleString('en')} out of order`]),
  ];
  const type = table.schemaName === '' ? '' : `  ${table.schemaName}`;
  const counts = inspected.histogram.over(startNs, endNs, PICTURE_COLUMNS);
  return [
    `${table.name}${type}`,
    `  ${sparkline(counts)}  ${facts.join(', ')}`,
    ...(table.encoding === '' ? channelLines(table.columns) : []),
    '',
  ];
}

function channelLines(columns: readonly ColumnSchema[]): readonly string[] {
  const shown = columns.slice(0, CHANNELS_SHOWN_MAX);
  const width = Math.max(0, ...shown.map((column) => column.name.length));
  return [
    ...shown.map(
      ({ name, type, unit }) =>
        `    ${name.padEnd(width)}  ${columnTypeText(type)}${unit ? `  ${unit}` : ''}`,
    ),
    ...(columns.length > shown.length
      ? [`    and ${columns.length - shown.length} further channels (--json lists all)`]
      : []),
  ];
}

const BARS = '▁▂▃▄▅▆▇█';

/** Rows over time, one character each: the height is the rate, a dot is a time without any row. */
export function sparkline(counts: ArrayLike<number>): string {
  const values = Array.from(counts);
  const most = Math.max(...values);
  return values
    .map((count) => (count <= 0 ? '·' : (BARS[Math.ceil((count / most) * BARS.length) - 1] ?? '▁')))
    .join('');
}

const RATE_UNITS = ['Hz', 'kHz', 'MHz', 'GHz'];

/** 99.96 → `100 Hz`, 50,000 → `50 kHz`. */
export function rateText(rateHz: number): string {
  let value = rateHz;
  let unit = 0;
  // Up to some kHz, Hz is how rates of sensors are spoken of.
  while (value >= (unit === 0 ? 10_000 : 1000) && unit < RATE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))} ${RATE_UNITS[unit]}`;
}

const YEAR_SECONDS = 365 * 86_400;

/** Recordings without a date count from 1970. */
function spanText(startNs: bigint, endNs: bigint): string {
  const isDated = Number(endNs) / 1e9 > YEAR_SECONDS;
  const span = `${rfc3339Of(startNs)} to ${rfc3339Of(endNs)}, ${durationText(Number(endNs - startNs) / 1e9)}`;
  return isDated ? span : `${span}; the file says no date`;
}

function listed(names: readonly string[], countMax: number): string {
  const more = names.length - countMax;
  return `${names.slice(0, countMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
