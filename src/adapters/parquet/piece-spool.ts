import { type FileHandle, open, rm } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { type TablePiece, withOwnBuffers } from './table-piece.ts';

/** Pieces of a table that waits for its turn, in a file beside the table: length, then V8's own serialization. */
export class PieceSpool {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #pieceBytes: number[] = [];

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<PieceSpool> {
    return new PieceSpool(path, await open(path, 'w+'));
  }

  async add(piece: TablePiece): Promise<void> {
    const bytes = serialize(piece);
    const position = this.#pieceBytes.reduce((sum, size) => sum + size, 0);
    await this.#file.write(bytes, 0, bytes.length, position);
    this.#pieceBytes.push(bytes.length);
  }

  async *pieces(): AsyncGenerator<TablePiece> {
    let position = 0;
    for (const sizeBytes of this.#pieceBytes) {
      const bytes = Buffer.allocUnsafeSlow(sizeBytes);
      await this.#file.read(bytes, 0, sizeBytes, position);
      // What is read back lies together in one buffer; each array is to be transferred by itself.
      const piece = withOwnBuffers(deserialize(bytes) as TablePiece);
      bytes.buffer.transfer(0);
      yield piece;
      position += sizeBytes;
    }
  }

  async remove(): Promise<void> {
    await this.#file.close();
    await rm(this.#path, { force: true });
  }
}
