import { textOf } from './columns.ts';
import { numberOf } from './scaling.ts';
import type { Channel } from './structure.ts';
import { isUnset, toUtcNs } from './timestamp.ts';

/** Where the times of a channel's rows come from. */
export type TimeBase =
  /** Row i is at `startNs + offsetSeconds + i * incrementSeconds`. */
  | {
      readonly form: 'waveform';
      readonly startNs: bigint;
      readonly isAbsolute: boolean;
      readonly offsetSeconds: number;
      readonly incrementSeconds: number;
    }
  /** Another channel of the group, or this one, holds UTC times. */
  | { readonly form: 'timestamps'; readonly channel: Channel; readonly isAbsolute: true }
  /** Another channel of the group, or this one, counts from `startNs`. */
  | {
      readonly form: 'elapsed';
      readonly channel: Channel;
      readonly secondsPerUnit: number;
      readonly startNs: bigint;
      readonly isAbsolute: boolean;
    }
  /** The file says nothing of time: row i gets i nanoseconds, which keeps the order. */
  | { readonly form: 'rows'; readonly isAbsolute: false };

const TIME_NAME =
  /^(absolute |elapsed |relative )?(time|t|zeit|timestamp|time stamp|time axis)\s*([[(](?<unit>[^\])]*)[\])])?$/i;

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  s: 1,
  sec: 1,
  second: 1,
  seconds: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  ns: 1e-9,
  min: 60,
  h: 3600,
};

/**
 * The time base of every channel of one group. First come a channel's own waveform properties where they name a
 * start; then a time channel of the group with as many values; then waveform properties without a start, which count
 * from 1970; then the row number.
 */
export function timeBasesOf(channels: readonly Channel[]): Map<Channel, TimeBase> {
  const candidates = channels.flatMap((channel) => {
    const base = asTimeChannel(channel);
    return base === undefined ? [] : [{ channel, base }];
  });
  const bases = new Map<Channel, TimeBase>();
  for (const channel of channels) {
    const waveform = waveformOf(channel);
    const fitting = candidates.filter(
      (candidate) => candidate.channel.declaredCount === channel.declaredCount,
    );
    const preceding = fitting.filter((candidate) => candidate.channel.id <= channel.id);
    const { base } = preceding.at(-1) ?? fitting[0] ?? {};
    const absolute = waveform?.isAbsolute === true ? waveform : undefined;
    bases.set(channel, absolute ?? base ?? waveform ?? { form: 'rows', isAbsolute: false });
  }
  return bases;
}

/** Equal keys mean that rows of the same number have the same time. */
export function keyOf(base: TimeBase): string {
  switch (base.form) {
    case 'waveform':
      return `waveform ${base.startNs} ${base.offsetSeconds} ${base.incrementSeconds}`;
    case 'timestamps':
    case 'elapsed':
      return `channel ${base.channel.id}`;
    case 'rows':
      return 'rows';
  }
}

function waveformOf({ properties }: Channel): Extract<TimeBase, { form: 'waveform' }> | undefined {
  const incrementSeconds = numberOf(properties.get('wf_increment'));
  if (incrementSeconds === undefined || !Number.isFinite(incrementSeconds) || incrementSeconds === 0) {
    return undefined;
  }
  const start = startOf(properties);
  const offsetSeconds = numberOf(properties.get('wf_start_offset')) ?? 0;
  return {
    form: 'waveform',
    startNs: start ?? 0n,
    isAbsolute: start !== undefined,
    offsetSeconds: Number.isFinite(offsetSeconds) ? offsetSeconds : 0,
    incrementSeconds,
  };
}

function startOf(properties: Channel['properties']): bigint | undefined {
  const property = properties.get('wf_start_time');
  return property?.kind === 'timestamp' && !isUnset(property.value) ? toUtcNs(property.value) : undefined;
}

function asTimeChannel(channel: Channel): TimeBase | undefined {
  if (waveformOf(channel)?.isAbsolute === true) return undefined;
  const kinds = [...channel.storedKinds];
  if (kinds.length === 0) return undefined;
  if (kinds.every((kind) => kind === 'timestamp')) return { form: 'timestamps', channel, isAbsolute: true };
  const match = TIME_NAME.exec(channel.name.trim());
  if (match === null || kinds.some((kind) => kind === 'string' || kind.startsWith('complex')))
    return undefined;
  const unit = textOf(channel.properties, 'unit_string') || (match.groups?.['unit'] ?? '');
  const secondsPerUnit = SECONDS_PER_UNIT[unit.trim().toLowerCase()];
  if (secondsPerUnit === undefined) return undefined;
  const start = startOf(channel.properties);
  return { form: 'elapsed', channel, secondsPerUnit, startNs: start ?? 0n, isAbsolute: start !== undefined };
}
