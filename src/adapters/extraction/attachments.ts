import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Attachment, type LossCounter, RecordingFormatError } from '#formats/recording-reader.ts';
import { type ExtractedFile, OutputNames } from './topic-extraction.ts';

/** An attachment beyond this stays in the recording: it is read as a whole. */
const ATTACHMENT_SIZE_BYTES_MAX = 256 * 1024 * 1024;

const ATTACHMENTS_FOLDER = 'attachments';

/** The files embedded in a recording, below `attachments/`; one that cannot be read, or is too large, is counted as lost. */
export async function writeAttachments(
  attachments: readonly Attachment[],
  folder: string,
  lost: LossCounter,
): Promise<readonly ExtractedFile[]> {
  const names = new OutputNames();
  const files: ExtractedFile[] = [];
  if (attachments.length > 0) await mkdir(join(folder, ATTACHMENTS_FOLDER), { recursive: true });
  for (const [number, attachment] of attachments.entries()) {
    const own = attachment.name === '' ? `attachment-${number + 1}` : attachment.name;
    const bytes = await bytesOf(attachment, lost);
    if (bytes === undefined) continue;
    const name = `${ATTACHMENTS_FOLDER}/${names.of(own)}`;
    const localPath = join(folder, name);
    await writeFile(localPath, bytes);
    files.push({
      name,
      localPath,
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      mediaType: attachment.mediaType === '' ? 'application/octet-stream' : attachment.mediaType,
      topic: own,
    });
  }
  return files;
}

async function bytesOf(attachment: Attachment, lost: LossCounter): Promise<Uint8Array | undefined> {
  const { name, sizeBytes } = attachment;
  if (sizeBytes > ATTACHMENT_SIZE_BYTES_MAX) {
    lost.add(
      0,
      0,
      `the attachment ${name} of ${sizeBytes} bytes is too large to be taken out; it stays in the recording`,
    );
    return undefined;
  }
  try {
    return await attachment.read();
  } catch (error) {
    if (!(error instanceof RecordingFormatError)) throw error;
    lost.add(0, sizeBytes, `the attachment ${name} cannot be read: ${error.message}`);
    return undefined;
  }
}
