import assert from 'node:assert/strict';
import { cocoOf, openLabelOf, selectFrames } from '#domain/labeling-package.ts';

const frame = (index: number) => ({
  fileName: `frames/${index}.jpg`,
  timestampNs: BigInt(index) * 100_000_000n,
  widthPixels: 64,
  heightPixels: 48,
  sensor: '/camera/front',
});
const scene = (type: string, start: number, end: number) => ({
  sceneId: `id-of-${type}`,
  type,
  startTimeNs: BigInt(start) * 1_000_000_000n,
  endTimeNs: BigInt(end) * 1_000_000_000n,
  confidence: 0.9,
});
const content = (frameCount: number, scenes = [scene('turn', 1, 2)]) => ({
  measurementId: 'm',
  dataStreamId: 'd',
  frames: Array.from({ length: frameCount }, (_, index) => frame(index)),
  scenes,
});

const at = (value: object, ...path: readonly string[]) =>
  ['openlabel', ...path].reduce<unknown>(
    (inner, key) => (inner as Record<string, unknown> | undefined)?.[key],
    value,
  );

describe('a labeling package', () => {
  it('says in OpenLABEL which frames a scene covers', () => {
    const openLabel = openLabelOf(content(30));
    assert.equal(at(openLabel, 'metadata', 'schema_version'), '1.0.0');
    assert.deepEqual(at(openLabel, 'actions', 'id-of-turn', 'frame_intervals'), [
      { frame_start: 10, frame_end: 20 },
    ]);
    assert.equal(
      at(openLabel, 'frames', '10', 'frame_properties', 'streams', 'camera_front', 'uri'),
      'frames/10.jpg',
    );
    assert.equal(at(openLabel, 'frames', '10', 'frame_properties', 'timestamp'), '1970-01-01T00:00:01.000Z');
  });

  it('is a valid skeleton without frames: scenes keep their times', () => {
    const openLabel = openLabelOf(content(0));
    assert.equal(at(openLabel, 'frames'), undefined);
    assert.equal(at(openLabel, 'actions', 'id-of-turn', 'frame_intervals'), undefined);
    assert.equal(
      at(openLabel, 'actions', 'id-of-turn', 'action_data', 'text', '0', 'val'),
      '1970-01-01T00:00:01.000Z',
    );
  });

  it('lists its images in COCO, numbered from 1', () => {
    const coco = cocoOf(content(2)) as { images: readonly { id: number; file_name: string }[] };
    assert.deepEqual(
      coco.images.map((image) => [image.id, image.file_name]),
      [
        [1, 'frames/0.jpg'],
        [2, 'frames/1.jpg'],
      ],
    );
  });

  it('prefers frames inside scenes, keeps some of the rest, never more than asked, in order', () => {
    const { frames, scenes } = content(1000, [scene('turn', 50, 60)]);
    const chosen = selectFrames(frames, scenes, 20);
    assert.equal(chosen.length, 20);
    assert.deepEqual(
      [...chosen],
      [...chosen].toSorted((a, b) => a - b),
    );
    assert.equal(chosen.filter((index) => index >= 500 && index <= 600).length >= 14, true);
    assert.equal(
      chosen.some((index) => index < 500),
      true,
    );
  });
});
