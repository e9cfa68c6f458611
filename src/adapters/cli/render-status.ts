import type { MeasurementLine, MeasurementStatus } from '#domain/measurement-status.ts';
import { blobNameOf, ENDED_STATES } from '#domain/vocabulary.ts';
import { bytesText, countText, durationText } from './terminal.ts';

/** One measurement for people: what it is, how far it is, what there is, what was found. */
export function statusText(status: MeasurementStatus, now: Date): string {
  return [
    `${status.recordingId ?? status.measurementId}  ${status.state}${status.generation > 1 ? `  generation ${status.generation}` : ''}`,
    `  measurement  ${status.measurementId}`,
    `  fleet        ${status.fleet}`,
    `  vehicle      ${status.vehicle.vin}`,
    ...(status.reason === undefined ? [] : reasonLines(status.reason, '  ')),
    ...(status.lastRefusal === undefined
      ? []
      : [
          `  refused      ${status.lastRefusal.request}, asked by ${status.lastRefusal.actor}`,
          ...reasonLines(status.lastRefusal.reason, '    '),
        ]),
    '',
    ...status.stages.map((stage) => stageLine(stage, now)),
    ...(status.dataStreams.length === 0
      ? []
      : ['', 'Data streams', ...status.dataStreams.flatMap(dataStreamLines)]),
    ...(status.scenes.length === 0 ? [] : ['', 'Scenes', ...status.scenes.map(sceneLine)]),
    ...(status.shares.length === 0
      ? []
      : [
          '',
          'Shared with',
          ...status.shares.map(
            (share) =>
              `  ${share.partner}, until ${share.expiresAt} (link: landfall share-link ${status.measurementId})`,
          ),
        ]),
  ].join('\n');
}

const SIGNS: Readonly<Record<string, string>> = {
  Pending: '·',
  Running: '▸',
  Succeeded: '✓',
  Skipped: '○',
  Failed: '✗',
};

export function stageLine(stage: MeasurementStatus['stages'][number], now: Date): string {
  const attempt = stage.attempt > 1 ? `, attempt ${stage.attempt}` : '';
  const reason = stage.reason === undefined ? '' : `  ${stage.reason.message}`;
  return `  ${SIGNS[stage.state]} ${stage.stage.padEnd(13)} ${stage.state}${attempt}${timeTakenText(stage, now)}${reason}`;
}

/** To a tenth of a second: nobody compares stages more closely. */
function timeTakenText(
  stage: { startedAt?: string | undefined; endedAt?: string | undefined },
  now: Date,
): string {
  if (stage.startedAt === undefined) return '';
  const endedAt = stage.endedAt === undefined ? now : new Date(stage.endedAt);
  const tenths = Math.round((endedAt.getTime() - new Date(stage.startedAt).getTime()) / 100);
  return `  ${durationText(tenths / 10)}`;
}

function dataStreamLines(stream: MeasurementStatus['dataStreams'][number]): readonly string[] {
  const rows = stream.rowCount === 0 ? '' : `, ${countText(stream.rowCount, 'row')}`;
  return [
    `  ${stream.kind.padEnd(13)} ${stream.state}, ${countText(stream.fileCount, 'file')}, ${bytesText(stream.sizeBytes)}${rows}`,
    ...stream.locations.slice(0, 1).map((location) => `    ${blobNameOf(location)}`),
  ];
}

function sceneLine(scene: MeasurementStatus['scenes'][number]): string {
  const seconds = (new Date(scene.endTime).getTime() - new Date(scene.startTime).getTime()) / 1000;
  return `  ${scene.type.padEnd(14)} ${scene.startTime}  ${seconds.toFixed(1)} s  confidence ${scene.confidence.toFixed(2)}`;
}

function reasonLines(reason: NonNullable<MeasurementStatus['reason']>, indent: string): readonly string[] {
  return [
    `${indent}because      ${reason.message}`,
    ...(reason.details ?? []).map((detail) => `${indent}             ${detail}`),
    `${indent}help         docs/runbooks/${reason.code}.md`,
  ];
}

/** A table of measurements. */
export function listText(lines: readonly MeasurementLine[]): string {
  if (lines.length === 0)
    return 'No measurements yet. Put a folder into Landing with: landfall upload <folder>';
  const rows = lines.map((line) => [
    line.measurementId,
    line.recordingId ?? '',
    line.vin ?? '',
    line.stage === undefined ? line.state : `${line.state} (${line.stage})`,
    line.updatedAt ?? '',
    line.reason?.message ?? '',
  ]);
  return tableText(['measurement', 'recording', 'vehicle', 'state', 'changed', 'reason'], rows);
}

export function tableText(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** States in which a measurement goes no further by itself. */
const AT_REST: readonly string[] = [...ENDED_STATES, 'Incomplete'];

export function hasEnded(status: { readonly state: string }): boolean {
  return AT_REST.includes(status.state);
}
