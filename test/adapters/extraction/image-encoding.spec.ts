import assert from 'node:assert/strict';
import { pixelsOf, type RawImage } from '#adapters/extraction/image-encoding.ts';

const image = (
  encoding: string,
  width: number,
  height: number,
  data: readonly number[],
  part: Partial<RawImage> = {},
) =>
  pixelsOf({
    encoding,
    widthPixels: width,
    heightPixels: height,
    data: Uint8Array.from(data),
    stepBytes: 0,
    isBigEndian: false,
    ...part,
  });

describe('a raw image', () => {
  it('comes out with red first, whatever the order it was recorded in', () => {
    assert.deepEqual([...image('bgr8', 1, 1, [1, 2, 3]).data], [3, 2, 1]);
    assert.deepEqual([...image('rgb8', 1, 1, [1, 2, 3]).data], [1, 2, 3]);
    assert.deepEqual([...image('BGRA8', 1, 1, [1, 2, 3, 4]).data], [3, 2, 1, 4]);
    assert.deepEqual([...image('8UC3', 1, 1, [1, 2, 3]).data], [3, 2, 1]);
  });

  it('loses the padding of its rows', () => {
    assert.deepEqual([...image('mono8', 2, 2, [1, 2, 99, 3, 4], { stepBytes: 3 }).data], [1, 2, 3, 4]);
  });

  it('keeps 16 bits in the order the encoder reads, also from a big-endian recorder', () => {
    assert.deepEqual([...image('mono16', 1, 1, [0x12, 0x34]).data], [0x12, 0x34]);
    assert.deepEqual([...image('mono16', 1, 1, [0x12, 0x34], { isBigEndian: true }).data], [0x34, 0x12]);
    assert.equal(image('mono16', 1, 1, [0, 0]).bitsPerChannel, 16);
  });

  for (const [encoding, red] of [
    ['bayer_rggb8', [0, 0]],
    ['bayer_bggr8', [1, 1]],
    ['bayer_gbrg8', [1, 0]],
    ['bayer_grbg8', [0, 1]],
  ] as const) {
    it(`of a ${encoding} sensor that sees red only is red everywhere`, () => {
      const size = 6;
      const mosaic = Array.from({ length: size * size }, (_, index) => {
        const [y, x] = [Math.floor(index / size), index % size];
        return y % 2 === red[0] && x % 2 === red[1] ? 200 : 0;
      });
      const { data } = image(encoding, size, size, mosaic);
      for (let pixel = 0; pixel < size * size; pixel++)
        assert.deepEqual([...data.subarray(pixel * 3, pixel * 3 + 3)], [200, 0, 0], `pixel ${pixel}`);
    });
  }

  it('of 16-bit Bayer keeps the upper 8', () => {
    const grey = Array.from({ length: 16 }, () => [0xff, 0x80]).flat();
    assert.deepEqual([...image('bayer_rggb16', 4, 4, grey).data.subarray(0, 3)], [0x80, 0x80, 0x80]);
  });

  it('is converted from YUV in pairs and in planes', () => {
    // BT.601 full range: Y 76, U 85, V 255 is pure red.
    const nearRed = ([red, green, blue]: readonly number[]) =>
      assert.ok(red! > 250 && green! < 5 && blue! < 5, `${red} ${green} ${blue}`);
    nearRed([...image('yuv422', 2, 1, [85, 76, 255, 76]).data.subarray(0, 3)]);
    nearRed([...image('yuyv', 2, 1, [76, 85, 76, 255]).data.subarray(3, 6)]);
    nearRed([...image('nv12', 2, 2, [76, 76, 76, 76, 85, 255]).data.subarray(9, 12)]);
    nearRed([...image('nv21', 2, 2, [76, 76, 76, 76, 255, 85]).data.subarray(0, 3)]);
  });

  it('is converted from YUV without mixing up the two chroma values', () => {
    // Y 29, U 255, V 107 is pure blue.
    for (const [encoding, data] of [
      ['uyvy', [255, 29, 107, 29]],
      ['nv12', [29, 29, 29, 29, 255, 107]],
    ] as const) {
      const [red, green, blue] = image(encoding, 2, encoding === 'uyvy' ? 1 : 2, data).data;
      assert.ok(red! < 5 && green! < 5 && blue! > 250, `${encoding}: ${red} ${green} ${blue}`);
    }
  });

  it('of depth in metres becomes millimetres, 0 where nothing was seen', () => {
    const metres = new Uint8Array(Float32Array.of(1.5, Number.NaN, 100, -1).buffer);
    const { data } = image('32FC1', 4, 1, [...metres]);
    assert.deepEqual([...new Uint16Array(data.buffer)], [1500, 0, 65_535, 0]);
  });

  it('that is shorter than it says, or in an unknown encoding, is refused before anything is allocated', () => {
    assert.throws(() => image('rgb8', 4_000_000_000, 4_000_000_000, [1]), /needs .* bytes, 1 are there/);
    assert.throws(() => image('mono8', 4, 1, [1, 2, 3, 4], { stepBytes: 2 }), RangeError);
    assert.throws(() => image('jpeg2000', 1, 1, [1]), /jpeg2000 is not known/);
  });
});
