/** Raw image encodings of ROS (sensor_msgs/image_encodings.h) as pixels that an image encoder takes. */

export interface Pixels {
  readonly data: Uint8Array;
  readonly widthPixels: number;
  readonly heightPixels: number;
  readonly channels: 1 | 3 | 4;
  /** 16: little-endian words. */
  readonly bitsPerChannel: 8 | 16;
}

export interface RawImage {
  readonly data: Uint8Array;
  readonly widthPixels: number;
  readonly heightPixels: number;
  /** Bytes per row, padding included. */
  readonly stepBytes: number;
  readonly encoding: string;
  readonly isBigEndian: boolean;
}

/** Channels in the order of the file; the order they must be in; bytes per channel. */
const PACKED: Readonly<Record<string, { readonly order: readonly number[]; readonly bytes: 1 | 2 }>> = {
  rgb8: { order: [0, 1, 2], bytes: 1 },
  bgr8: { order: [2, 1, 0], bytes: 1 },
  rgba8: { order: [0, 1, 2, 3], bytes: 1 },
  bgra8: { order: [2, 1, 0, 3], bytes: 1 },
  mono8: { order: [0], bytes: 1 },
  '8uc1': { order: [0], bytes: 1 },
  '8uc3': { order: [2, 1, 0], bytes: 1 },
  '8uc4': { order: [2, 1, 0, 3], bytes: 1 },
  mono16: { order: [0], bytes: 2 },
  '16uc1': { order: [0], bytes: 2 },
  rgb16: { order: [0, 1, 2], bytes: 2 },
  bgr16: { order: [2, 1, 0], bytes: 2 },
};

/** Row and column of red in the 2 x 2 pattern. */
const BAYER: Readonly<Record<string, readonly [number, number]>> = {
  bayer_rggb8: [0, 0],
  bayer_bggr8: [1, 1],
  bayer_gbrg8: [1, 0],
  bayer_grbg8: [0, 1],
};

/** @throws {RangeError} when the encoding is unknown, or the data is shorter than the size says. */
export function pixelsOf(image: RawImage): Pixels {
  const encoding = image.encoding.toLowerCase();
  const packed = PACKED[encoding];
  if (packed !== undefined) return packedPixels(image, packed.order, packed.bytes);
  const bayer = BAYER[encoding];
  if (bayer !== undefined) return bayerPixels(image, bayer);
  if (encoding === 'yuv422' || encoding === 'uyvy') return yuvPixels(image, 1, 0, 2);
  if (encoding === 'yuv422_yuy2' || encoding === 'yuyv') return yuvPixels(image, 0, 1, 3);
  throw new RangeError(`image encoding ${image.encoding} is not known`);
}

function assertLong(image: RawImage, rowBytes: number): number {
  const step = image.stepBytes === 0 ? rowBytes : image.stepBytes;
  const needed = image.heightPixels === 0 ? 0 : step * (image.heightPixels - 1) + rowBytes;
  if (step < rowBytes || image.data.length < needed) {
    throw new RangeError(
      `an image of ${image.widthPixels} x ${image.heightPixels} (${image.encoding}) needs ${needed} bytes, ${image.data.length} are there`,
    );
  }
  return step;
}

function packedPixels(image: RawImage, order: readonly number[], bytes: 1 | 2): Pixels {
  const { widthPixels, heightPixels, data } = image;
  const channels = order.length as 1 | 3 | 4;
  const step = assertLong(image, widthPixels * channels * bytes);
  const out = new Uint8Array(widthPixels * heightPixels * channels * bytes);
  let at = 0;
  for (let y = 0; y < heightPixels; y++) {
    let from = y * step;
    for (let x = 0; x < widthPixels; x++) {
      for (const channel of order) {
        const source = from + channel * bytes;
        if (bytes === 1) out[at++] = data[source]!;
        else {
          out[at++] = data[source + (image.isBigEndian ? 1 : 0)]!;
          out[at++] = data[source + (image.isBigEndian ? 0 : 1)]!;
        }
      }
      from += channels * bytes;
    }
  }
  return { data: out, widthPixels, heightPixels, channels, bitsPerChannel: bytes === 1 ? 8 : 16 };
}

/** Bilinear: each missing colour is the mean of its neighbours in the 3 x 3 field. */
function bayerPixels(image: RawImage, [redRow, redColumn]: readonly [number, number]): Pixels {
  const { widthPixels: width, heightPixels: height, data } = image;
  const step = assertLong(image, width);
  const out = new Uint8Array(width * height * 3);
  const colourAt = (y: number, x: number) =>
    (y - redRow) % 2 === 0 ? ((x - redColumn) % 2 === 0 ? 0 : 1) : (x - redColumn) % 2 === 0 ? 1 : 2;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sums = [0, 0, 0];
      const counts = [0, 0, 0];
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const colour = Math.abs(colourAt(ny, nx));
          sums[colour]! += data[ny * step + nx]!;
          counts[colour]! += 1;
        }
      }
      const own = Math.abs(colourAt(y, x));
      for (let colour = 0; colour < 3; colour++) {
        out[(y * width + x) * 3 + colour] =
          colour === own ? data[y * step + x]! : Math.round(sums[colour]! / Math.max(1, counts[colour]!));
      }
    }
  }
  return { data: out, widthPixels: width, heightPixels: height, channels: 3, bitsPerChannel: 8 };
}

/** Two pixels in four bytes (ITU-R BT.601, full range). */
function yuvPixels(image: RawImage, yOffset: number, uOffset: number, vOffset: number): Pixels {
  const { widthPixels: width, heightPixels: height, data } = image;
  const step = assertLong(image, width * 2);
  const out = new Uint8Array(width * height * 3);
  const clamp = (value: number) => Math.max(0, Math.min(255, Math.round(value)));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pair = y * step + (x >> 1) * 4;
      const luma = data[pair + yOffset + (x & 1) * 2]!;
      const u = data[pair + uOffset]! - 128;
      const v = data[pair + vOffset]! - 128;
      const at = (y * width + x) * 3;
      out[at] = clamp(luma + 1.402 * v);
      out[at + 1] = clamp(luma - 0.344136 * u - 0.714136 * v);
      out[at + 2] = clamp(luma + 1.772 * u);
    }
  }
  return { data: out, widthPixels: width, heightPixels: height, channels: 3, bitsPerChannel: 8 };
}
