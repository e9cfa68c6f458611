import type { Run } from './channel-cursor.ts';
import type { ByteRange, PlannedBytes } from './planned-bytes.ts';

const TEXT_BYTES_MAX = 1 << 26;

/** Where the texts of the runs lie, one per row; undefined where their ends contradict each other. */
export async function placesOfTexts(
  runs: readonly Run[],
  bytes: PlannedBytes,
): Promise<(ByteRange | undefined)[]> {
  const texts = runs.filter(({ place }) => place.form === 'texts');
  const loaded = await bytes.load(texts.map(rangeOfEnds));
  return runs.flatMap((run) => {
    const { place, isLittle, firstText, count } = run;
    if (place.form !== 'texts') return Array.from({ length: count }, () => undefined);
    const ends = loaded.bytes(rangeOfEnds(run));
    const view = new DataView(ends.buffer, ends.byteOffset, ends.length);
    const first = firstText === 0 ? 0 : 1;
    const front = run.offset + place.valueCount * 4;
    const capacity = place.sizeBytes - place.valueCount * 4;
    return Array.from({ length: count }, (_, row) => {
      const index = first + row;
      const start = index === 0 ? 0 : view.getUint32((index - 1) * 4, isLittle);
      const end = view.getUint32(index * 4, isLittle);
      const isInside = start <= end && end <= capacity && end - start <= TEXT_BYTES_MAX;
      return isInside ? { offset: front + start, lengthBytes: end - start } : undefined;
    });
  });
}

/** The ends of the run's texts, and of the one before them. */
function rangeOfEnds({ offset, firstText, count }: Run): ByteRange {
  const first = firstText === 0 ? 0 : firstText - 1;
  return { offset: offset + first * 4, lengthBytes: (firstText + count - first) * 4 };
}
