import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAttachments } from '#adapters/extraction/attachments.ts';
import { type Attachment, LossCounter, RecordingFormatError } from '#formats/recording-reader.ts';

const attachment = (name: string, content: string, mediaType = ''): Attachment => ({
  name,
  mediaType,
  sizeBytes: content.length,
  read: () => Promise.resolve(Buffer.from(content)),
});

describe('the files embedded in a recording', () => {
  const folder = mkdtempSync(join(tmpdir(), 'landfall-attachments-'));
  after(() => rmSync(folder, { recursive: true }));

  it('lie below attachments/, under names that lead nowhere else; what cannot be read is counted', async () => {
    const lost = new LossCounter();
    const damaged = {
      ...attachment('bad.bin', 'xx'),
      read: () => Promise.reject(new RecordingFormatError('bad.bin', 'mdf4', 'deflate data is damaged')),
    };
    const huge = { ...attachment('huge.avi', ''), sizeBytes: 2 ** 40 };
    const files = await writeAttachments(
      [
        attachment('C:\\cfg\\bus.dbc', 'BO_', 'application/dbc'),
        damaged,
        attachment('../../etc/passwd', 'root'),
        huge,
        attachment('', 'no name'),
      ],
      folder,
      lost,
    );
    assert.deepEqual(
      files.map(({ name, mediaType, sizeBytes }) => [name, mediaType, sizeBytes]),
      [
        ['attachments/C_cfg_bus.dbc', 'application/dbc', 3],
        ['attachments/etc_passwd', 'application/octet-stream', 4],
        ['attachments/attachment-5', 'application/octet-stream', 7],
      ],
    );
    for (const { localPath, sizeBytes } of files) assert.equal(readFileSync(localPath).length, sizeBytes);
    const { bytes, reasons } = lost.report();
    assert.equal(bytes, 2);
    assert.match(
      reasons.join('\n'),
      /bad\.bin cannot be read.*damaged\n.*huge\.avi .* stays in the recording/,
    );
  });
});
