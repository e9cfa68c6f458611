import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Crc64 } from '#containers/validate/crc64.ts';

function crc64(...parts: Uint8Array[]): string {
  const crc = new Crc64();
  for (const part of parts) crc.update(part);
  return crc.digest();
}

/** Bit by bit, as the definition reads. */
function slowCrc64(bytes: Uint8Array): string {
  let crc = 0xffff_ffff_ffff_ffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ ((crc & 1n) === 1n ? 0x9a6c_9329_ac4b_c9b5n : 0n);
  }
  return (crc ^ 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, '0');
}

describe('CRC-64/NVME, as Azure Storage computes it', () => {
  it('has the check value of its catalogue entry', () => {
    assert.equal(crc64(new TextEncoder().encode('123456789')), 'ae8b14860a799888');
  });

  it('equals the definition, however the bytes are split', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
        assert.equal(crc64(bytes.subarray(0, at), bytes.subarray(at)), slowCrc64(bytes));
      }),
    );
  });
});
