import type { z } from 'zod';
import { TerminalFailure } from './failures.ts';
import { sentenceOf } from './messages.ts';

/** A schema of JSON documents, for those who may not know the schema library. */
export type DocumentSchema = z.ZodType;
export type DocumentOf<S extends DocumentSchema> = z.infer<S>;

/**
 * A JSON document of our own, such as a plan, a ledger or a result.
 * @throws {TerminalFailure} `message-invalid`, naming the document and the field.
 */
export function parseDocument<S extends DocumentSchema>(
  bytes: Uint8Array,
  schema: S,
  name: string,
): DocumentOf<S> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new TerminalFailure('message-invalid', `${name} is not JSON: ${error.message}`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TerminalFailure(
    'message-invalid',
    `${name} does not fit its schema: ${sentenceOf(parsed.error)}; it was written by another version`,
  );
}
