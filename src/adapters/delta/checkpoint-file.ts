import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { actionsOf, type DeltaAction, linesOf } from './delta-actions.ts';

/** The columns of a checkpoint ("Checkpoint Schema" of the protocol), as DuckDB reads them from lines of JSON. */
const TEXTS = 'MAP(VARCHAR, VARCHAR)';
const COLUMNS = {
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER)',
  metaData: `STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options ${TEXTS}), schemaString VARCHAR, partitionColumns VARCHAR[], configuration ${TEXTS}, createdTime BIGINT)`,
  txn: 'STRUCT(appId VARCHAR, "version" BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues ${TEXTS}, size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR)`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues ${TEXTS}, size BIGINT)`,
};

/** The actions as a Parquet file. */
export function checkpointOf(actions: readonly DeltaAction[]): Promise<Uint8Array> {
  const columns = Object.entries(COLUMNS).map(([name, type]) => `${name}: '${type}'`);
  return converted(
    Buffer.from(linesOf(actions)),
    (from, to) =>
      `COPY (SELECT * FROM read_json('${from}', format = 'newline_delimited', columns = {${columns.join(', ')}}))
       TO '${to}' (FORMAT parquet, COMPRESSION snappy)`,
  );
}

/** @throws when it is no checkpoint. */
export async function actionsOfCheckpoint(parquet: Uint8Array): Promise<readonly DeltaAction[]> {
  const lines = await converted(
    parquet,
    (from, to) =>
      `COPY (SELECT ${Object.keys(COLUMNS).join(', ')} FROM read_parquet('${from}')) TO '${to}' (FORMAT json)`,
  );
  return actionsOf(new TextDecoder().decode(lines));
}

async function converted(
  content: Uint8Array,
  statement: (from: string, to: string) => string,
): Promise<Uint8Array> {
  // Loaded at the first checkpoint only: most processes that write tables end before it.
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const folder = await mkdtemp(join(tmpdir(), 'landfall-checkpoint-'));
  try {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    await writeFile(from, content);
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: '512MB',
      autoinstall_known_extensions: 'false',
    });
    try {
      const connection = await instance.connect();
      await connection.run(statement(from.replaceAll("'", "''"), to.replaceAll("'", "''")));
      connection.closeSync();
    } finally {
      instance.closeSync();
    }
    return await readFile(to);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
