import { z } from 'zod';

/**
 * Actions of a Delta log (Delta Transaction Log Protocol, "Actions"), as far as readers of version 1 and writers of
 * version 2 know them. Fields of other programs that we do not need are left out when read.
 */

const Texts = z.record(z.string(), z.string());

export const AddFile = z.object({
  /** Relative to the table's folder, URI-encoded. */
  path: z.string(),
  partitionValues: z.record(z.string(), z.string().nullable()),
  size: z.number(),
  /** Milliseconds since 1970. */
  modificationTime: z.number(),
  dataChange: z.boolean(),
  /** JSON: numRecords, minValues, maxValues, nullCount. */
  stats: z.string().optional(),
});
export type AddFile = z.infer<typeof AddFile>;

export const RemoveFile = z.object({
  path: z.string(),
  deletionTimestamp: z.number().optional(),
  dataChange: z.boolean(),
  extendedFileMetadata: z.boolean().optional(),
  partitionValues: z.record(z.string(), z.string().nullable()).optional(),
  size: z.number().optional(),
});
export type RemoveFile = z.infer<typeof RemoveFile>;

export const TableMetadata = z.object({
  id: z.string(),
  name: z.string().optional(),
  description: z.string().optional(),
  format: z.object({ provider: z.string(), options: Texts }),
  /** JSON of the table's struct type. */
  schemaString: z.string(),
  partitionColumns: z.array(z.string()),
  configuration: Texts,
  createdTime: z.number().optional(),
});
export type TableMetadata = z.infer<typeof TableMetadata>;

export const TableProtocol = z.object({ minReaderVersion: z.number(), minWriterVersion: z.number() });
export type TableProtocol = z.infer<typeof TableProtocol>;

/** The newest version that an application has committed; here a measurement and its generation. */
export const Transaction = z.object({
  appId: z.string(),
  version: z.number(),
  lastUpdated: z.number().optional(),
});
export type Transaction = z.infer<typeof Transaction>;

export const DeltaAction = z.object({
  protocol: TableProtocol.optional(),
  metaData: TableMetadata.optional(),
  txn: Transaction.optional(),
  add: AddFile.optional(),
  remove: RemoveFile.optional(),
});
export type DeltaAction = z.infer<typeof DeltaAction>;

/** One action a line; fields without a value are as absent. @throws {SyntaxError | z.ZodError} when it is no log. */
export function actionsOf(text: string): readonly DeltaAction[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => DeltaAction.parse(withoutNulls(JSON.parse(line))));
}

export function linesOf(actions: readonly object[]): string {
  return actions.map((action) => `${JSON.stringify(action)}\n`).join('');
}

/** Checkpoints have a column per field, so that most are null there. Partition values may be null and stay. */
function withoutNulls(value: unknown, key = ''): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || key === 'partitionValues')
    return value;
  const present = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(present.map(([name, field]) => [name, withoutNulls(field, name)]));
}
