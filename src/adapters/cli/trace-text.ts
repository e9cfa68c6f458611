import { countText, durationText } from './terminal.ts';
import type { Span, Trace } from './trace.ts';

/**
 * A trace as a tree: when each span began after the first, how long it took, what it was. Calls to services are said
 * in one line per span and service, unless `all` of them are asked for.
 */
export function traceText(trace: Trace, { all = false }: { readonly all?: boolean } = {}): string {
  const present = new Set(trace.spans.map((span) => span.spanId));
  const children = new Map<string, Span[]>();
  for (const span of trace.spans) {
    // A span whose parent is not in the files (it was killed before it ended) stands at the top.
    const parent = present.has(span.parentSpanId ?? '') ? (span.parentSpanId ?? '') : '';
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [span]);
    else siblings.push(span);
  }
  const beganMs = new Date(trace.startedAt).getTime();
  const lines: string[] = [];
  const add = (branch: Branch, stem: string, fork: string) => {
    lines.push(`${timesText(branch, beganMs)}  ${stem}${fork}${branch.label}`);
    const spans = children.get(branch.spanId) ?? [];
    const below = all
      ? spans.map(branchOf)
      : [...foldedCalls(spans), ...spans.filter(isNoCall).map(branchOf)];
    const stemBelow = stem + (fork === '' ? '' : fork === '└─ ' ? '   ' : '│  ');
    for (const [index, child] of below.entries())
      add(child, stemBelow, index === below.length - 1 ? '└─ ' : '├─ ');
  };
  for (const root of children.get('') ?? []) add(branchOf(root), '', '');
  const title = `Trace ${trace.traceId}: ${countText(trace.spans.length, 'span')}, ${millisecondsText(trace.durationMs)}, from ${trace.startedAt}`;
  return [title, '     after    took', ...lines].join('\n');
}

/** One line of the tree. */
interface Branch {
  readonly spanId: string;
  readonly startedMs: number;
  readonly durationMs: number;
  readonly label: string;
}

function branchOf(span: Span): Branch {
  return {
    spanId: span.spanId,
    startedMs: new Date(span.startedAt).getTime(),
    durationMs: span.durationMs,
    label: serviceOf(span) === undefined ? labelOf(span) : callLabelOf(span),
  };
}

function serviceOf({ attributes }: Span): string | undefined {
  const { service } = attributes;
  return typeof service === 'string' ? service : undefined;
}

function isNoCall(span: Span): boolean {
  return serviceOf(span) === undefined;
}

const REQUEST_CHARGE = 'azure.cosmosdb.operation.request_charge';

/** One branch per service that was called: how often, how long in all, and what it cost. */
function foldedCalls(spans: readonly Span[]): Branch[] {
  const byService = Map.groupBy(spans, serviceOf);
  return [...byService].flatMap(([service, calls]) => {
    if (service === undefined) return [];
    const sum = (of: (call: Span) => number) => calls.reduce((total, call) => total + of(call), 0);
    const count = sum(countOf);
    const charge = sum(({ attributes }) => Number(attributes[REQUEST_CHARGE] ?? 0));
    const failed = sum(failedOf);
    const parts = [
      `${service}: ${countText(count, 'call')}`,
      ...(charge > 0 ? [`${Math.round(charge * 10) / 10} RU`] : []),
      ...(failed > 0 ? [`✗ ${failed} failed`] : []),
    ];
    const [first] = calls.map(branchOf);
    return first === undefined
      ? []
      : [{ ...first, durationMs: sum(({ durationMs }) => durationMs), label: parts.join(', ') }];
  });
}

function countOf({ attributes }: Span): number {
  return Number(attributes['calls'] ?? 1);
}

function failedOf({ attributes }: Span): number {
  return Number(attributes['failedCalls'] ?? 0);
}

function callLabelOf(span: Span): string {
  const { statusCode } = span.attributes;
  const charge = span.attributes[REQUEST_CHARGE];
  return [
    `${serviceOf(span)} ${span.name}`,
    ...(countOf(span) === 1 ? [] : [`${countOf(span)} times`]),
    ...(statusCode === undefined ? [] : [String(statusCode)]),
    ...(charge === undefined ? [] : [`${String(charge)} RU`]),
    ...(span.error === undefined ? [] : [`✗ ${span.error}`]),
  ].join(' ');
}

function timesText({ startedMs, durationMs }: Branch, beganMs: number): string {
  return `${millisecondsText(startedMs - beganMs).padStart(10)}${millisecondsText(durationMs).padStart(10)}`;
}

const SHOWN_ATTRIBUTES = ['stage', 'attempt', 'deliveryCount'] as const;
/** A message that lay shorter than this did not wait. */
const SHOWN_QUEUE_AGE_MS = 100;

function labelOf(span: Span): string {
  const facts = SHOWN_ATTRIBUTES.filter(
    // That something happened the first time is no news.
    (name) => span.attributes[name] !== undefined && span.attributes[name] !== 1,
  ).map((name) => `${name}=${String(span.attributes[name])}`);
  const queueAgeMs = Number(span.attributes['queueAgeMs'] ?? 0);
  return [
    span.name,
    `(${span.role})`,
    ...facts,
    ...(queueAgeMs < SHOWN_QUEUE_AGE_MS ? [] : [`waited ${millisecondsText(queueAgeMs)}`]),
    ...(span.error === undefined ? [] : [`✗ ${span.error}`]),
  ].join(' ');
}

function millisecondsText(durationMs: number): string {
  return durationText(Math.round(durationMs) / 1000);
}
