// Bodies of requests, checked as Batch checks them.
import { z } from 'zod';
import { invalidValue } from './batch-error.ts';
import { durationMs } from './duration.ts';

/** The body of a request as the schema reads it. Throws `BatchError` with what is wrong first. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalidValue(issue?.path.join('.') ?? '', issue?.message ?? z.prettifyError(parsed.error));
  }
  checkDurations(parsed.data);
  return parsed.data;
}

function checkDurations(document: unknown): void {
  const { constraints } = document as { constraints?: Record<string, unknown> };
  for (const name of ['maxWallClockTime', 'retentionTime']) {
    const text = constraints?.[name];
    if (typeof text === 'string' && durationMs(text) === undefined)
      throw invalidValue(`constraints.${name}`, `${text} is not an ISO 8601 duration.`);
  }
}
