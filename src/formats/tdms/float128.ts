/**
 * An IEEE 754 binary128 as the nearest number that a float64 can say: 1 bit of sign, 15 of exponent, 112 of fraction.
 * What is too large is infinite, what is too small is 0.
 */
export function float128At(view: DataView, at: number, isLittle: boolean): number {
  const word = (index: number) => view.getUint32(at + (isLittle ? 12 - 4 * index : 4 * index), isLittle);
  const front = word(0);
  const sign = front >>> 31 === 0 ? 1 : -1;
  const exponent = (front >>> 16) & 0x7fff;
  const fraction = (front & 0xffff) / 2 ** 16 + word(1) / 2 ** 48 + word(2) / 2 ** 80 + word(3) / 2 ** 112;
  if (exponent === 0) return sign * 0;
  if (exponent === 0x7fff) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  // In two steps: a power of two that a float64 cannot say may still belong to a value that it can.
  const power = exponent - 16383;
  const half = Math.trunc(power / 2);
  return sign * (1 + fraction) * 2 ** half * 2 ** (power - half);
}
