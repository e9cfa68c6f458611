// Effective partition keys: the hash by which the service lays partitions out, and by which .NET clients ask for a
// prefix of a hierarchical key. Source: PartitionKeyInternal of the public Azure/azure-cosmos-dotnet-v3 repository,
// partition key definition version 2; MurmurHash3 x64 128 by Austin Appleby (public domain).
import type { Json } from './json.ts';

const MASK = (1n << 64n) - 1n;
const C1 = 0x87c3_7b91_1142_53d5n;
const C2 = 0x4cf5_ad43_2745_937fn;

function rotated(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

function finalMix(value: bigint): bigint {
  let mixed = value ^ (value >> 33n);
  mixed = (mixed * 0xff51_afd7_ed55_8ccdn) & MASK;
  mixed ^= mixed >> 33n;
  mixed = (mixed * 0xc4ce_b9fe_1a85_ec53n) & MASK;
  return mixed ^ (mixed >> 33n);
}

const mixLow = (k: bigint) => (rotated((k * C1) & MASK, 31n) * C2) & MASK;
const mixHigh = (k: bigint) => (rotated((k * C2) & MASK, 33n) * C1) & MASK;

/** MurmurHash3 x64 128 with seed 0, as 16 little-endian bytes. */
function murmur128(bytes: Buffer): Buffer {
  let [h1, h2] = [0n, 0n];
  const blocks = bytes.length >> 4;
  for (let block = 0; block < blocks; block++) {
    h1 ^= mixLow(bytes.readBigUInt64LE(block * 16));
    h1 = ((rotated(h1, 27n) + h2) * 5n + 0x52dc_e729n) & MASK;
    h2 ^= mixHigh(bytes.readBigUInt64LE(block * 16 + 8));
    h2 = ((rotated(h2, 31n) + h1) * 5n + 0x3849_5ab5n) & MASK;
  }
  const tail = Buffer.alloc(16);
  bytes.copy(tail, 0, blocks * 16);
  h2 ^= mixHigh(tail.readBigUInt64LE(8));
  h1 ^= mixLow(tail.readBigUInt64LE(0));
  const length = BigInt(bytes.length);
  h1 = ((h1 ^ length) + (h2 ^ length)) & MASK;
  h2 = ((h2 ^ length) + h1) & MASK;
  h1 = finalMix(h1);
  h2 = finalMix(h2);
  h1 = (h1 + h2) & MASK;
  h2 = (h2 + h1) & MASK;
  const hash = Buffer.alloc(16);
  hash.writeBigUInt64LE(h1, 0);
  hash.writeBigUInt64LE(h2, 8);
  return hash;
}

/** The bytes that are hashed: a type byte, then the value. `{}` is how an absent value is written. */
function hashedBytes(value: Json): Buffer {
  if (value === null) return Buffer.of(1);
  if (typeof value === 'boolean') return Buffer.of(value ? 3 : 2);
  if (typeof value === 'string') return Buffer.concat([Buffer.of(8), Buffer.from(value), Buffer.of(0xff)]);
  if (typeof value !== 'number') return Buffer.of(0);
  const bytes = Buffer.alloc(9);
  bytes[0] = 5;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function hashText(bytes: Buffer): string {
  const hash = murmur128(bytes).reverse();
  hash[0] = (hash[0] ?? 0) & 0x3f;
  return hash.toString('hex').toUpperCase();
}

/**
 * The effective partition key of a canonical partition key text, upper-case hexadecimal: 32 digits, or 32 per level of
 * a hierarchical key.
 */
export function effectivePartitionKey(partitionKey: string, hierarchical: boolean): string {
  const parts = (JSON.parse(partitionKey) as Json[]).map(hashedBytes);
  return hierarchical ? parts.map(hashText).join('') : hashText(Buffer.concat(parts));
}
