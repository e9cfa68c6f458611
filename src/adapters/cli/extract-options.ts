import { existsSync } from 'node:fs';
import type { Downsampling } from '#domain/tasks/extract-tasks.ts';
import { rfc3339Of } from '#domain/times.ts';
import { CommandError, EXIT } from './exit-codes.ts';

/** What people write after `landfall extract`, as what it means. All errors end with exit code 2. */

/**
 * A time as RFC 3339, or as seconds from the start of the recording.
 * @param startTimeNs of the recording; undefined when it has no rows.
 */
function timeOf(option: string, text: string, startTimeNs: bigint | undefined): bigint {
  if (/^\d+(\.\d+)?$/.test(text)) return (startTimeNs ?? 0n) + BigInt(Math.round(Number(text) * 1e6)) * 1000n;
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const milliseconds = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (match === null || Number.isNaN(milliseconds)) {
    throw new CommandError(
      `${option} "${text}" is no time; write it like 2026-03-04T05:06:07Z, or as seconds from the start`,
      EXIT.usage,
    );
  }
  return BigInt(milliseconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** Rows from `--from` on, and before `--to`. @throws {CommandError} when nothing can lie between them. */
export function timesOf(
  { from, to }: { readonly from?: string; readonly to?: string },
  recordingStartNs: bigint | undefined,
): { readonly startTimeNs?: bigint; readonly endTimeNs?: bigint } {
  const startTimeNs = from === undefined ? undefined : timeOf('--from', from, recordingStartNs);
  const endTimeNs = to === undefined ? undefined : timeOf('--to', to, recordingStartNs);
  if (startTimeNs !== undefined && endTimeNs !== undefined && startTimeNs >= endTimeNs)
    throw new CommandError(
      `--from "${from}" is not before --to "${to}", so there is nothing to extract; name the earlier time first`,
      EXIT.usage,
    );
  return {
    ...(startTimeNs === undefined ? {} : { startTimeNs }),
    ...(endTimeNs === undefined ? {} : { endTimeNs }),
  };
}

/** `[<bus>=]<file>`; without a bus the file is for every bus. */
export function dbcOptionOf(text: string): { readonly bus: string; readonly path: string } {
  const split = text.indexOf('=');
  const option =
    split <= 0 || existsSync(text)
      ? { bus: '*', path: text }
      : { bus: text.slice(0, split), path: text.slice(split + 1) };
  if (existsSync(option.path)) return option;
  throw new CommandError(
    `--dbc ${text}: there is no file ${option.path}; write [<bus>=]<file>, for example --dbc 1=powertrain.dbc`,
    EXIT.usage,
  );
}

/** Outside of what `keep=` names, when nothing else is said. */
const RATE_HZ_OUTSIDE_KEPT = 1;

/** `rate=<Hz>`, `every=<n>`, `distance=<metres>` and `keep=<from>..<to>`, separated by commas; all must hold. */
export function downsamplingOf(text: string, startTimeNs: bigint | undefined): Downsampling {
  let rule: Downsampling = {};
  for (const part of text.split(',')) {
    const [word = '', value = ''] = part.trim().split(/=(.*)/s);
    if (word === 'rate') rule = { ...rule, rateHzMax: positive(part, value) };
    else if (word === 'every') rule = { ...rule, everyNth: Math.max(1, Math.round(positive(part, value))) };
    else if (word === 'distance') rule = { ...rule, distanceMetresMin: positive(part, value) };
    else if (word === 'keep')
      rule = { ...rule, keepRanges: [...(rule.keepRanges ?? []), rangeOf(part, value, startTimeNs)] };
    else throw wrongRule(part);
  }
  const { rateHzMax, everyNth, distanceMetresMin } = rule;
  return (rateHzMax ?? everyNth ?? distanceMetresMin) === undefined
    ? { ...rule, rateHzMax: RATE_HZ_OUTSIDE_KEPT }
    : rule;
}

function rangeOf(part: string, value: string, startTimeNs: bigint | undefined) {
  const [from, to, ...rest] = value.split('..');
  if (from === undefined || to === undefined || rest.length > 0) throw wrongRule(part);
  const [fromNs, toNs] = [timeOf(part, from, startTimeNs), timeOf(part, to, startTimeNs)];
  if (fromNs > toNs)
    throw new CommandError(
      `--downsample "${part}" ends before it begins; name the earlier time first`,
      EXIT.usage,
    );
  return { from: rfc3339Of(fromNs), to: rfc3339Of(toNs) };
}

function positive(part: string, value: string): number {
  const number = Number(value);
  if (value !== '' && number > 0 && Number.isFinite(number)) return number;
  throw wrongRule(part);
}

function wrongRule(part: string): CommandError {
  return new CommandError(
    `--downsample "${part}" is not understood; write rate=<Hz>, every=<n>, distance=<metres> or keep=<from>..<to>, several separated by commas`,
    EXIT.usage,
  );
}
