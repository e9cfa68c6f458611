import assert from 'node:assert/strict';
import { isKeyFrame, videoCodecOf } from '#adapters/extraction/video-units.ts';

const bytes = (...values: readonly number[]) => Uint8Array.from(values);

describe('a compressed video frame', () => {
  it('of H.264 is a key frame when it has a slice of an IDR picture', () => {
    const parameters = [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2];
    assert.equal(isKeyFrame(bytes(...parameters, 0, 0, 1, 0x65, 3), 'h264'), true);
    assert.equal(isKeyFrame(bytes(0, 0, 0, 1, 0x41, 3), 'h264'), false);
    assert.equal(isKeyFrame(bytes(...parameters), 'h264'), false);
  });

  it('of H.265 is one when it has a slice of a random access point', () => {
    assert.equal(isKeyFrame(bytes(0, 0, 1, 19 << 1, 1), 'h265'), true);
    assert.equal(isKeyFrame(bytes(0, 0, 1, 21 << 1, 1), 'h265'), true);
    assert.equal(isKeyFrame(bytes(0, 0, 1, 1 << 1, 1), 'h265'), false);
  });

  it('of VP9 and AV1 says so in its first bits', () => {
    assert.equal(isKeyFrame(bytes(0x82), 'vp9'), true);
    assert.equal(isKeyFrame(bytes(0x86), 'vp9'), false);
    assert.equal(isKeyFrame(bytes(0x12, 0x00, 0x0a, 0x01, 0xff), 'av1'), true);
    assert.equal(isKeyFrame(bytes(0x12, 0x00, 0x32, 0x01, 0xff), 'av1'), false);
  });

  it('without start codes is no byte stream', () => {
    assert.throws(() => isKeyFrame(bytes(0, 0, 0, 9, 0x65), 'h264'), /no start code/);
    assert.throws(() => isKeyFrame(bytes(), 'h265'), RangeError);
  });

  it('is told by what recorders call it', () => {
    for (const name of ['h264', 'H.264', 'avc1', 'libx264']) assert.equal(videoCodecOf(name), 'h264');
    for (const name of ['hevc', 'h265', 'hvc1; hevc']) assert.equal(videoCodecOf(name), 'h265');
    assert.equal(videoCodecOf('rgb8; jpeg compressed bgr8'), undefined);
  });
});
