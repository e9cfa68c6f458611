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
  /** Bytes per row, padding included; 0 where the recorder leaves it out. */
  readonly stepBytes: number;
  readonly encoding: string;
  readonly isBigEndian: boolean;
}

/** Where each channel of the output lies in a pixel of the image; bytes per channel. */
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
  rgba16: { order: [0, 1, 2, 3], bytes: 2 },
  bgra16: { order: [2, 1, 0, 3], bytes: 2 },
};

/** Row and column of red in the 2 x 2 pattern. */
const BAYER: Readonly<Record<string, readonly [number, number]>> = {
  bayer_rggb: [0, 0],
  bayer_bggr: [1, 1],
  bayer_gbrg: [1, 0],
  bayer_grbg: [0, 1],
};

/** Offsets of luma and the two chroma values in the four bytes of two pixels. */
const YUV_PAIRS: Readonly<Record<string, readonly [number, number, number]>> = {
  yuv422: [1, 0, 2],
  uyvy: [1, 0, 2],
  yuv422_yuy2: [0, 1, 3],
  yuyv: [0, 1, 3],
};

/**
 * @throws {RangeError} when the encoding is unknown, or the data is shorter than the size says. Sizes are checked
 * before anything is allocated.
 */
export function pixelsOf(image: RawImage): Pixels {
  const encoding = image.encoding.toLowerCase();
  const packed = PACKED[encoding];
  if (packed !== undefined) return packedPixels(image, packed.order, packed.bytes);
  const [, pattern = '', bits = ''] = /^(bayer_[rgb]{4})(8|16)$/.exec(encoding) ?? [];
  const red = BAYER[pattern];
  if (red !== undefined) return bayerPixels(image, red, bits === '16' ? 2 : 1);
  const pair = YUV_PAIRS[encoding];
  if (pair !== undefined) return pairedYuvPixels(image, pair);
  if (encoding === 'nv12' || encoding === 'nv21') return planarYuvPixels(image, encoding === 'nv12' ? 0 : 1);
  if (encoding === '32fc1') return depthPixels(image);
  throw new RangeError(`image encoding ${image.encoding} is not known`);
}

/** Bytes from row to row. @throws {RangeError} when `rows` of them are not there. */
function stepOf(image: RawImage, rowBytes: number, rows = image.heightPixels): number {
  const step = image.stepBytes === 0 ? rowBytes : image.stepBytes;
  const needed = rows === 0 ? 0 : step * (rows - 1) + rowBytes;
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
  const step = stepOf(image, widthPixels * channels * bytes);
  const out = new Uint8Array(widthPixels * heightPixels * channels * bytes);
  const low = image.isBigEndian ? 1 : 0;
  let at = 0;
  for (let y = 0; y < heightPixels; y++) {
    let from = y * step;
    for (let x = 0; x < widthPixels; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const source = from + order[channel]! * bytes;
        if (bytes === 1) out[at++] = data[source]!;
        else {
          out[at++] = data[source + low]!;
          out[at++] = data[source + 1 - low]!;
        }
      }
      from += channels * bytes;
    }
  }
  return { data: out, widthPixels, heightPixels, channels, bitsPerChannel: bytes === 1 ? 8 : 16 };
}

/**
 * Bilinear: each missing colour is the mean of its neighbours in the 3 x 3 field. Of 16 bits the upper 8 are taken.
 */
function bayerPixels(image: RawImage, [redRow, redColumn]: readonly [number, number], bytes: 1 | 2): Pixels {
  const { widthPixels: width, heightPixels: height, data } = image;
  const step = stepOf(image, width * bytes);
  const upper = bytes === 2 && !image.isBigEndian ? 1 : 0;
  const out = new Uint8Array(width * height * 3);
  const sums = new Uint32Array(3);
  const counts = new Uint32Array(3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      sums.fill(0);
      counts.fill(0);
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const colour = ((ny ^ redRow) & 1) + ((nx ^ redColumn) & 1);
          sums[colour]! += data[ny * step + nx * bytes + upper]!;
          counts[colour]! += 1;
        }
      }
      const own = ((y ^ redRow) & 1) + ((x ^ redColumn) & 1);
      sums[own] = data[y * step + x * bytes + upper]!;
      counts[own] = 1;
      const at = (y * width + x) * 3;
      for (let colour = 0; colour < 3; colour++)
        out[at + colour] = Math.round(sums[colour]! / Math.max(1, counts[colour]!));
    }
  }
  return { data: out, widthPixels: width, heightPixels: height, channels: 3, bitsPerChannel: 8 };
}

/** Two pixels in four bytes. */
function pairedYuvPixels(
  image: RawImage,
  [lumaOffset, uOffset, vOffset]: readonly [number, number, number],
): Pixels {
  const { widthPixels: width, heightPixels: height, data } = image;
  const step = stepOf(image, Math.ceil(width / 2) * 4);
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pair = y * step + (x >> 1) * 4;
      const luma = data[pair + lumaOffset + (x & 1) * 2]!;
      putYuv(out, (y * width + x) * 3, luma, data[pair + uOffset]!, data[pair + vOffset]!);
    }
  }
  return { data: out, widthPixels: width, heightPixels: height, channels: 3, bitsPerChannel: 8 };
}

/** A plane of luma, then one of chroma at half the width and height, U and V side by side. */
function planarYuvPixels(image: RawImage, uOffset: 0 | 1): Pixels {
  const { widthPixels: width, heightPixels: height, data } = image;
  const step = stepOf(image, Math.ceil(width / 2) * 2, height + Math.ceil(height / 2));
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const chromaRow = (height + (y >> 1)) * step;
    for (let x = 0; x < width; x++) {
      const chroma = chromaRow + (x & ~1);
      const luma = data[y * step + x]!;
      putYuv(out, (y * width + x) * 3, luma, data[chroma + uOffset]!, data[chroma + 1 - uOffset]!);
    }
  }
  return { data: out, widthPixels: width, heightPixels: height, channels: 3, bitsPerChannel: 8 };
}

/** ITU-R BT.601, full range. */
function putYuv(out: Uint8Array, at: number, luma: number, u: number, v: number): void {
  out[at] = clamped(luma + 1.402 * (v - 128), 255);
  out[at + 1] = clamped(luma - 0.344136 * (u - 128) - 0.714136 * (v - 128), 255);
  out[at + 2] = clamped(luma + 1.772 * (u - 128), 255);
}

/** Depth in metres becomes millimetres in 16 bits, 0 where nothing was measured (REP 118). */
function depthPixels(image: RawImage): Pixels {
  const { widthPixels, heightPixels, data } = image;
  const step = stepOf(image, widthPixels * 4);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const out = new Uint8Array(widthPixels * heightPixels * 2);
  const words = new DataView(out.buffer);
  for (let y = 0; y < heightPixels; y++) {
    for (let x = 0; x < widthPixels; x++) {
      const metres = view.getFloat32(y * step + x * 4, !image.isBigEndian);
      const millimetres = Number.isFinite(metres) ? clamped(metres * 1000, 65_535) : 0;
      words.setUint16((y * widthPixels + x) * 2, millimetres, true);
    }
  }
  return { data: out, widthPixels, heightPixels, channels: 1, bitsPerChannel: 16 };
}

function clamped(value: number, most: number): number {
  return Math.max(0, Math.min(most, Math.round(value)));
}
