import { type Attachment, type LossCounter, RecordingFormatError } from '../recording-reader.ts';
import { BLOCK_HEADER_BYTES, type Block, linkOf, Mdf4Damage, uint64 } from './blocks.ts';
import { ORIGINAL_BYTES_MAX } from './data-blocks.ts';
import { inflate, type StreamSource } from './data-stream.ts';
import { readText } from './text.ts';

const EMBEDDED = 0x01;
/** Deflate, or from 4.3 what the zip type says. */
const COMPRESSED = 0x02 | 0x08;
const FIXED_BYTES = 40;

export interface Attachments {
  readonly embedded: readonly Attachment[];
  /** Names of files that lie beside the recording and are not part of it. */
  readonly external: readonly string[];
}

/** AT blocks (ASAM MDF 4.1.0, 4.11). What is embedded is read when it is asked for. */
export async function readAttachments(
  source: StreamSource,
  firstLink: number,
  loss: LossCounter,
): Promise<Attachments> {
  const embedded: Attachment[] = [];
  const external: string[] = [];
  const visited = new Set<number>();
  try {
    for (let link = firstLink; link !== 0; ) {
      if (visited.has(link)) throw new Mdf4Damage(`the list of attachments comes back to ${link}`);
      visited.add(link);
      const block = await source.reader.blockHead(link, 'AT', FIXED_BYTES);
      const name = await readText(source.reader, linkOf(block, 1));
      if ((block.data.getUint16(0, true) & EMBEDDED) === 0) external.push(name);
      else embedded.push(await embeddedAttachment(source, block, name));
      link = linkOf(block, 0);
    }
  } catch (error) {
    if (!(error instanceof Mdf4Damage)) throw error;
    loss.add(0, 0, `attachments cannot be read to their end: ${error.message}`);
  }
  return { embedded, external };
}

async function embeddedAttachment(source: StreamSource, block: Block, name: string): Promise<Attachment> {
  const { data } = block;
  const flags = data.getUint16(0, true);
  const originalBytes = uint64(data, 24);
  const embeddedBytes = uint64(data, 32);
  const start = block.offset + BLOCK_HEADER_BYTES + block.links.length * 8 + FIXED_BYTES;
  if (start + embeddedBytes > source.reader.sizeBytes || originalBytes > ORIGINAL_BYTES_MAX) {
    throw new Mdf4Damage(`the attachment ${name} claims ${embeddedBytes} bytes that became ${originalBytes}`);
  }
  const algorithm = (['deflate', 'zstd', 'lz4-frame'] as const)[data.getUint8(4) >> 1] ?? 'deflate';
  return {
    name,
    mediaType: await readText(source.reader, linkOf(block, 2)),
    sizeBytes: originalBytes,
    async read() {
      const bytes = await source.reader.bytes(start, embeddedBytes);
      if ((flags & COMPRESSED) === 0) return bytes;
      try {
        return await inflate(source, algorithm, bytes, originalBytes);
      } catch (error) {
        if (!(error instanceof Mdf4Damage)) throw error;
        throw new RecordingFormatError(name, 'mdf4', error.message, { cause: error });
      }
    },
  };
}
