// Which blobs a blob batch deleted. A batch is one POST with many requests inside, so the deletes must be read out of
// its multipart bodies. "Blob Batch", Blob service REST documentation; at most 256 requests and 4 MiB.
import { type BlobAddress, blobAddress } from './blob-operation.ts';

export const BATCH_BODY_BYTES_MAX = 4 * 1024 * 1024;

/** True for a request to submit a batch, to the service or to a container. */
export function isBlobBatch(method: string, target: string): boolean {
  return method === 'POST' && new URL(target, 'http://127.0.0.1').searchParams.get('comp') === 'batch';
}

/** The blobs whose delete was part of the request and succeeded according to the answer. */
export function blobsDeletedByBatch(requestBody: string, answerBody: string): BlobAddress[] {
  const accepted = new Set(
    parts(answerBody).flatMap(({ contentId, content }) =>
      /^HTTP\/1\.1 202\b/m.test(content) ? [contentId] : [],
    ),
  );
  return parts(requestBody).flatMap(({ contentId, content }) => {
    const target = /^DELETE (\S+) HTTP\/1\.1/m.exec(content)?.[1];
    if (target === undefined || !accepted.has(contentId)) return [];
    const address = blobAddress(target);
    return address === undefined ? [] : [address];
  });
}

/** The parts of a multipart body by their Content-ID, which answers repeat. */
function parts(body: string): { contentId: string; content: string }[] {
  const boundary = /^--(\S+)\r?$/m.exec(body)?.[1];
  if (boundary === undefined) return [];
  return body.split(`--${boundary}`).flatMap((content) => {
    const contentId = /^content-id: *(\S+)/im.exec(content)?.[1];
    return contentId === undefined ? [] : [{ contentId, content }];
  });
}
