import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { dbcOptionOf, downsamplingOf, timesOf } from '#adapters/cli/extract-options.ts';
import { type ExtractionSummary, extractionJson, extractionText } from '#adapters/cli/extract-text.ts';
import { inspectRecording } from '#adapters/cli/inspect-recording.ts';
import { inspectionJson, inspectionText } from '#adapters/cli/inspect-text.ts';
import type { ExtractOptions } from '#adapters/cli/program.ts';
import { bytesText, processTerminal, type Terminal } from '#adapters/cli/terminal.ts';
import { createDecompressors } from '#adapters/compression/decompressors.ts';
import { RecordingFormatError, type RecordingReader, type Selection } from '#formats/recording-reader.ts';
import { extractRecording, pathOf, tableNameOf } from '../extract-recording.ts';
import { openLocalRecording } from '../open-local-recording.ts';

/** Commands on one local recording: a file, or the folder of a ROS 2 bag; no stack needed. */

export async function inspect(
  file: string,
  { json, png }: { readonly json: boolean; readonly png?: string },
): Promise<number> {
  const terminal = processTerminal();
  return withRecording(file, terminal, async (reader) => {
    const inspection = await inspectRecording(reader);
    terminal.print(
      json ? JSON.stringify(inspectionJson(inspection)) : inspectionText(basename(file), inspection),
    );
    if (png !== undefined) {
      const { inspectionPicture } = await import('#adapters/cli/inspect-picture.ts');
      const picture = await inspectionPicture(basename(file), inspection);
      await writable('--png', png, () => writeFile(png, picture));
      terminal.note(`${png} shows rates and gaps over time`);
    }
    return EXIT.ok;
  });
}

export async function extract(file: string, options: ExtractOptions): Promise<number> {
  const terminal = processTerminal();
  return withRecording(file, terminal, async (reader) => {
    const summary = await extractTo(resolve(options.out), file, reader, options, terminal);
    terminal.print(
      options.json ? JSON.stringify(extractionJson(summary)) : extractionText(resolve(options.out), summary),
    );
    return EXIT.ok;
  });
}

const PROBLEMS_SHOWN_MAX = 5;

async function extractTo(
  folder: string,
  file: string,
  reader: RecordingReader,
  options: ExtractOptions,
  terminal: Terminal,
): Promise<ExtractionSummary> {
  const { startTimeNs } = reader.summary;
  const databases = [];
  for (const { bus, path } of (options.dbc ?? []).map(dbcOptionOf))
    databases.push({ bus, name: basename(path), bytes: new Uint8Array(await readFile(path)) });
  const selection = selectionOf(file, reader, options);
  const downsampling =
    options.downsample === undefined ? undefined : downsamplingOf(options.downsample, startTimeNs);
  await writable('--out', folder, () => mkdir(folder, { recursive: true }));
  const { ParquetTableWriter } = await import('#adapters/parquet/parquet-table-writer.ts');
  const tableWriter = new ParquetTableWriter();
  try {
    const result = await extractRecording(reader, {
      folder,
      tableWriter,
      selection,
      databases,
      ...(downsampling === undefined ? {} : { downsampling }),
      pcd: options.pcd,
      metadata: { sourceFile: basename(file), format: reader.summary.format },
    });
    for (const problem of result.problems.slice(0, PROBLEMS_SHOWN_MAX)) terminal.note(`DBC: ${problem}`);
    const unshown = result.problems.length - PROBLEMS_SHOWN_MAX;
    if (unshown > 0) terminal.note(`DBC: and ${unshown} further messages or signals that cannot be used`);
    if (result.wayUnknown)
      terminal.note('--downsample distance=: the recording has no positions, so all rows are kept');
    const { files, loss, framesDecoded, framesUnknown } = result;
    return {
      tables: files.flatMap((written) =>
        written.table === undefined
          ? []
          : [
              {
                name: tableNameOf(written),
                path: pathOf(folder, written),
                rows: written.table.rowCount,
                sizeBytes: written.sizeBytes,
                columns: written.table.columns,
              },
            ],
      ),
      files: files.map((written) => pathOf(folder, written)),
      loss,
      downsampling: result.downsampling,
      ...(databases.length === 0 ? {} : { can: { framesDecoded, framesUnknown } }),
    };
  } finally {
    await tableWriter.dispose();
  }
}

/** @throws {CommandError} naming topics the file does not have, and those it has. */
function selectionOf(file: string, reader: RecordingReader, options: ExtractOptions): Selection {
  const { tables, startTimeNs } = reader.summary;
  const isKnown = (topic: string) => tables.some((table) => table.name === topic);
  const wanted = (options.topics ?? []).flatMap((topic) => (isKnown(topic) ? [topic] : topic.split(',')));
  const unknown = wanted.filter((topic) => !isKnown(topic));
  if (unknown.length > 0) {
    const known = tables.map((table) => table.name);
    throw new CommandError(
      `${basename(file)} has no ${unknown.join(', ')}; it has: ${known.slice(0, 50).join(', ')}${known.length > 50 ? ', …' : ''}`,
      EXIT.usage,
    );
  }
  return {
    ...(options.topics === undefined ? {} : { tables: wanted }),
    ...timesOf(options, startTimeNs),
  };
}

/** Opens the file or folder, shows how far reading is, and says in a sentence when nothing of it can be read. */
async function withRecording(
  path: string,
  terminal: Terminal,
  work: (reader: RecordingReader) => Promise<number>,
): Promise<number> {
  const onProgress = (name: string, bytesRead: number, sizeBytes: number) =>
    terminal.progress(`${name}: ${bytesText(bytesRead)} of ${bytesText(sizeBytes)}`);
  try {
    const recording = await openLocalRecording(path, {
      decompressors: createDecompressors(),
      onProgress,
    }).catch((error: unknown) => {
      const reason = UNREADABLE[codeOf(error)];
      throw reason === undefined ? error : new CommandError(`${path}: ${reason}`, EXIT.unreadable);
    });
    try {
      return await work(recording.reader);
    } finally {
      await recording.close();
    }
  } catch (error) {
    if (error instanceof RecordingFormatError) throw new CommandError(error.message, EXIT.unreadable);
    throw error;
  }
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file; name a recording file, or the folder of a ROS 2 bag',
  ENOTDIR: 'a part of this path is a file, not a folder; name a recording file, or the folder of a ROS 2 bag',
  EACCES: 'reading it is not allowed; ask its owner, or copy it to where you may read',
};

const UNWRITABLE: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist; make it, or name another',
  ENOTDIR: 'a part of this path is a file, not a folder; name another',
  EEXIST: 'this is a file, not a folder; name another',
  EISDIR: 'this is a folder, not a file; name another',
  EACCES: 'writing there is not allowed; name another place',
  EROFS: 'nothing can be written there; name another place',
  ENOSPC: 'the disk is full; make room, or name another place',
};

/** @throws {CommandError} naming the option, when what it names cannot be written. */
async function writable<T>(option: string, path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const reason = UNWRITABLE[codeOf(error)];
    throw reason === undefined ? error : new CommandError(`${option} ${path}: ${reason}`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
