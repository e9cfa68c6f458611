/** Numbers from a seed, the same on every machine, so that a finding can be repeated by its number. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, below);
  };
}

type Mutation = (bytes: Buffer, random: (below: number) => number) => Buffer;

const LYING_LENGTHS = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = random(bytes.length);
    bytes[at]! ^= 1 << random(8);
    return bytes;
  },
  function setByte(bytes, random) {
    bytes[random(bytes.length)] = random(256);
    return bytes;
  },
  function lieAboutLength(bytes, random) {
    if (bytes.length >= 4)
      bytes.writeUInt32LE(LYING_LENGTHS[random(LYING_LENGTHS.length)]!, random(bytes.length - 3));
    return bytes;
  },
  function lieAboutLongLength(bytes, random) {
    if (bytes.length < 8) return bytes;
    const values = [
      0xffff_ffff_ffff_ffffn,
      0x7fff_ffff_ffff_ffffn,
      1n << 53n,
      1n << 40n,
      BigInt(bytes.length),
      0n,
    ];
    bytes.writeBigUInt64LE(values[random(values.length)]!, random(bytes.length - 7));
    return bytes;
  },
  function cutOff(bytes, random) {
    return bytes.subarray(0, random(bytes.length));
  },
  function zeroOut(bytes, random) {
    const from = random(bytes.length);
    return bytes.fill(0, from, Math.min(bytes.length, from + random(64)));
  },
  function remove(bytes, random) {
    const from = random(bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + random(32))]);
  },
  function repeat(bytes, random) {
    const from = random(bytes.length);
    const to = Math.min(bytes.length, from + random(256));
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  function move(bytes, random) {
    const from = random(bytes.length);
    bytes.copyWithin(random(bytes.length), from, from + random(64));
    return bytes;
  },
];

/** A copy of `seed` with one to four changes. */
export function mutate(seed: Uint8Array, random: (below: number) => number): Buffer {
  let bytes: Buffer = Buffer.from(seed);
  for (let changes = 1 + random(4); changes > 0 && bytes.length > 0; changes -= 1) {
    bytes = MUTATIONS[random(MUTATIONS.length)]!(bytes, random);
  }
  return bytes;
}
