import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

/** What `landfall trace` reads: one line of a telemetry file, written when the span ended. */
const SpanLine = z.object({
  kind: z.literal('span'),
  /** When the span began. */
  time: z.iso.datetime(),
  role: z.string(),
  name: z.string(),
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  durationMs: z.number().nonnegative(),
  attributes: z.record(z.string(), z.unknown()).default({}),
  error: z.string().optional(),
});

export interface Span {
  readonly name: string;
  /** The process that did it. */
  readonly role: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  /** RFC 3339 UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

export interface Trace {
  readonly traceId: string;
  readonly startedAt: string;
  /** From the first begin to the last end; spans overlap, so it is not their sum. */
  readonly durationMs: number;
  /** In the order they began. */
  readonly spans: readonly Span[];
}

/**
 * The traces in which something worked on a measurement, the oldest first. Reads the files twice and keeps only what
 * belongs to it. A line that was cut off when a process was killed is passed over.
 */
export async function readTraces(folder: string, measurementId: string): Promise<readonly Trace[]> {
  const files = await telemetryFiles(folder);
  const traceIds = new Set<string>();
  await eachSpan(files, [measurementId], (line) => {
    if (line.attributes['measurementId'] === measurementId) traceIds.add(line.traceId);
  });
  const spans = new Map<string, Span[]>([...traceIds].map((traceId) => [traceId, []]));
  await eachSpan(files, [...traceIds], (line) => spans.get(line.traceId)?.push(spanOf(line)));
  return [...spans].map(traceOf).toSorted((one, other) => one.startedAt.localeCompare(other.startedAt));
}

async function telemetryFiles(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => name.endsWith('.jsonl')).map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

type SpanLine = z.infer<typeof SpanLine>;

async function eachSpan(
  files: readonly string[],
  needles: readonly string[],
  take: (line: SpanLine) => void,
): Promise<void> {
  if (needles.length === 0) return;
  for (const file of files) {
    for await (const text of createInterface({ input: createReadStream(file, 'utf8') })) {
      // Parsing is the dear part: only lines that may belong to the measurement are parsed.
      if (!needles.some((needle) => text.includes(needle))) continue;
      const line = SpanLine.safeParse(jsonOf(text));
      if (line.success) take(line.data);
    }
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function spanOf({ name, role, spanId, parentSpanId, time, durationMs, attributes, error }: SpanLine): Span {
  return {
    name,
    role,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    startedAt: time,
    durationMs,
    attributes,
    ...(error === undefined ? {} : { error }),
  };
}

function traceOf([traceId, spans]: readonly [string, readonly Span[]]): Trace {
  const inOrder = spans.toSorted((one, other) => one.startedAt.localeCompare(other.startedAt));
  const startedAt = inOrder[0]?.startedAt ?? '';
  const endMs = inOrder.reduce((latest, span) => Math.max(latest, startMs(span) + span.durationMs), 0);
  return { traceId, startedAt, durationMs: endMs - new Date(startedAt).getTime(), spans: inOrder };
}

function startMs(span: Span): number {
  return new Date(span.startedAt).getTime();
}
