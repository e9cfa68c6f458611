import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Downsampler } from '#adapters/extraction/downsampling.ts';
import {
  type ExtractedFile,
  type ExtractionPlace,
  OutputNames,
} from '#adapters/extraction/topic-extraction.ts';
import { numbersOf, textsOf } from '#domain/column-values.ts';
import type { StoredRows } from '#domain/ports/table-reader.ts';
import type { DownsamplingRules } from '#domain/thinning.ts';
import { LossCounter } from '#formats/recording-reader.ts';
import { MemoryTables } from '#test/simulation/fakes/memory-tables.ts';

/** Folders in which an extraction can be tried; its tables stay in memory, to be looked at. */
export class ExtractionBench {
  readonly #folder = mkdtempSync(join(tmpdir(), 'landfall-extraction-'));
  readonly #tables = new MemoryTables();
  #count = 0;

  place(rules: DownsamplingRules = {}): ExtractionPlace {
    return {
      folder: join(this.#folder, String(++this.#count)),
      tableWriter: this.#tables,
      metadata: { sourceFile: 'test' },
      downsampler: new Downsampler(rules),
      names: new OutputNames(),
      lost: new LossCounter(),
    };
  }

  async numbers(file: ExtractedFile, column: string): Promise<number[]> {
    return [...numbersOf(await this.#batches(file, column), 0).values];
  }

  async texts(file: ExtractedFile, column: string): Promise<string[]> {
    return textsOf(await this.#batches(file, column), 0);
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true });
  }

  async #batches(file: ExtractedFile, column: string): Promise<StoredRows[]> {
    const batches: StoredRows[] = [];
    for await (const rows of this.#tables.read(file.localPath, [column])) batches.push(rows);
    return batches;
  }
}

/** The one file with this name. */
export function fileNamed(files: readonly ExtractedFile[], name: string): ExtractedFile {
  const file = files.find((candidate) => candidate.name === name);
  if (file !== undefined) return file;
  throw new Error(`no ${name} among ${files.map((candidate) => candidate.name).join(', ')}`);
}
