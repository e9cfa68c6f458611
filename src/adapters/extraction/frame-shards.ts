import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { type ExtractedFile, TAR } from './topic-extraction.ts';

/** Where one frame lies: `shard[byteOffset … byteOffset + sizeBytes)` is a file any program opens. */
export interface FramePlace {
  readonly shard: string;
  readonly byteOffset: number;
  readonly sizeBytes: number;
}

export interface ClosedShard {
  readonly name: string;
  readonly localPath: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A tar block; headers are one of them, contents are padded to whole ones (POSIX.1-1988, ustar). */
const BLOCK_BYTES = 512;

/** Packs frames into tar files of bounded size, so that a million frames are not a million blobs. */
export class FrameShards {
  readonly #folder: string;
  readonly #sizeBytesMax: number;
  readonly #closed: ClosedShard[] = [];
  #open: OpenShard | undefined;

  /** @param subfolder below `folder`; the shards lie in it as `00000.tar`, `00001.tar`, … */
  constructor(folder: string, subfolder: string, sizeBytesMax: number) {
    this.#folder = join(folder, subfolder);
    this.#sizeBytesMax = sizeBytesMax;
  }

  async add(fileName: string, frame: Uint8Array, timestampNs: bigint): Promise<FramePlace> {
    const needed = BLOCK_BYTES + padded(frame.length);
    if (this.#open !== undefined && this.#open.sizeBytes + needed > this.#sizeBytesMax)
      await this.#closeShard();
    this.#open ??= await this.#newShard();
    return this.#open.add(fileName, frame, timestampNs);
  }

  async close(): Promise<readonly ClosedShard[]> {
    await this.#closeShard();
    return this.#closed;
  }

  async #newShard(): Promise<OpenShard> {
    await mkdir(this.#folder, { recursive: true });
    return new OpenShard(this.#folder, `${String(this.#closed.length).padStart(5, '0')}.tar`);
  }

  async #closeShard(): Promise<void> {
    if (this.#open === undefined) return;
    this.#closed.push(await this.#open.close());
    this.#open = undefined;
  }
}

class OpenShard {
  readonly #name: string;
  readonly #localPath: string;
  readonly #tar: Pack = pack();
  readonly #hash: Hash = createHash('sha256');
  readonly #written: Promise<void>;
  sizeBytes = 0;

  constructor(folder: string, name: string) {
    this.#name = name;
    this.#localPath = join(folder, name);
    const hashed = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.#hash.update(chunk);
        done(null, chunk);
      },
    });
    // tar-stream declares the streams of an older library; they are Node's in all that pipeline needs.
    this.#written = pipeline(this.#tar as unknown as Readable, hashed, createWriteStream(this.#localPath));
  }

  async add(fileName: string, frame: Uint8Array, timestampNs: bigint): Promise<FramePlace> {
    const byteOffset = this.sizeBytes + BLOCK_BYTES;
    await new Promise<void>((resolve, reject) => {
      this.#tar.entry(
        { name: fileName, mtime: new Date(Number(timestampNs / 1_000_000n)) },
        Buffer.from(frame.buffer, frame.byteOffset, frame.length),
        (error) => (error ? reject(error) : resolve()),
      );
    });
    this.sizeBytes += BLOCK_BYTES + padded(frame.length);
    return { shard: this.#name, byteOffset, sizeBytes: frame.length };
  }

  async close(): Promise<ClosedShard> {
    this.#tar.finalize();
    await this.#written;
    // Two empty blocks end a tar file.
    return {
      name: this.#name,
      localPath: this.#localPath,
      sizeBytes: this.sizeBytes + 2 * BLOCK_BYTES,
      sha256: this.#hash.digest('hex'),
    };
  }
}

/** Closed shards as files of an extraction. */
export function shardFiles(
  shards: readonly ClosedShard[],
  subfolder: string,
  topic: string,
): readonly ExtractedFile[] {
  return shards.map(({ name, ...shard }) => ({
    ...shard,
    name: `${subfolder}/${name}`,
    mediaType: TAR,
    topic,
  }));
}

function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
}
