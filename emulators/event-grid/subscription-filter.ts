// Which events a subscription gets. "Understand event filtering for Event Grid subscriptions".
import type { AdvancedFilter, Subscription } from './configuration.ts';
import { type PublishedEvent, typeAndSubject } from './event-schema.ts';

/** True when the event passes every filter of the subscription. Text is compared without regard to case. */
export function passesFilters(published: PublishedEvent, subscription: Subscription): boolean {
  const { type, subject } = typeAndSubject(published);
  const lowerSubject = subject.toLowerCase();
  const types = subscription.includedEventTypes;
  if (types !== undefined && !types.some((included) => included.toLowerCase() === type.toLowerCase()))
    return false;
  if (!lowerSubject.startsWith((subscription.subjectBeginsWith ?? '').toLowerCase())) return false;
  if (!lowerSubject.endsWith((subscription.subjectEndsWith ?? '').toLowerCase())) return false;
  return (subscription.advancedFilters ?? []).every((filter) =>
    passes(valueAt(published.event, filter.key), filter),
  );
}

function passes(value: unknown, filter: AdvancedFilter): boolean {
  switch (filter.operatorType) {
    case 'StringIn':
      return someText(value, filter.values, (text, wanted) => text === wanted);
    case 'StringNotIn':
      return !someText(value, filter.values, (text, wanted) => text === wanted);
    case 'StringBeginsWith':
      return someText(value, filter.values, (text, wanted) => text.startsWith(wanted));
    case 'StringEndsWith':
      return someText(value, filter.values, (text, wanted) => text.endsWith(wanted));
    case 'StringContains':
      return someText(value, filter.values, (text, wanted) => text.includes(wanted));
    case 'NumberIn':
      return typeof value === 'number' && filter.values.includes(value);
    case 'NumberNotIn':
      return typeof value !== 'number' || !filter.values.includes(value);
    case 'NumberGreaterThan':
      return typeof value === 'number' && value > filter.value;
    case 'NumberGreaterThanOrEquals':
      return typeof value === 'number' && value >= filter.value;
    case 'NumberLessThan':
      return typeof value === 'number' && value < filter.value;
    case 'NumberLessThanOrEquals':
      return typeof value === 'number' && value <= filter.value;
    case 'BoolEquals':
      return value === filter.value;
  }
}

function someText(
  value: unknown,
  wanted: readonly string[],
  fits: (text: string, wanted: string) => boolean,
): boolean {
  return typeof value === 'string' && wanted.some((one) => fits(value.toLowerCase(), one.toLowerCase()));
}

function valueAt(event: Readonly<Record<string, unknown>>, key: string): unknown {
  let value: unknown = event;
  for (const part of key.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}
