import type { ListValues } from '../recording-reader.ts';
import { Mdf4Damage } from './blocks.ts';
import { type Field, fieldOf, type NumberValues, type Records, rawValues } from './field-values.ts';
import type { ArrayShape, Channel, ChannelGroup } from './model.ts';
import { applyNumeric } from './physical-values.ts';
import { keepNumbers } from './rows.ts';

/** Values of an axis shown in the description of a column. */
const AXIS_VALUES_MAX = 32;

/** For the description of a column: `array 2x3, axis 1: 10 20, axis 2: 1 2 3`. */
export function arrayText({ sizes, axes }: ArrayShape): string {
  const axisTexts = axes.map((axis, index) => {
    const shown = axis.slice(0, AXIS_VALUES_MAX).join(' ');
    return `axis ${index + 1}: ${shown}${axis.length > AXIS_VALUES_MAX ? ' …' : ''}`;
  });
  return [`array ${sizes.join('x')}`, ...axisTexts].join(', ');
}

/** One field per element of an array, first dimension slowest. @throws {Mdf4Damage} */
export function elementFields(field: Field, channel: Channel, group: ChannelGroup): Field[] {
  return elementOffsets(channel, group).map((offset) => {
    const byteOffset = field.byteOffset + offset;
    if (byteOffset < 0 || byteOffset + field.byteCount > group.dataBytes) {
      throw new Mdf4Damage(`array ${channel.name} ends outside of its record of ${group.dataBytes} bytes`);
    }
    return { ...field, byteOffset };
  });
}

/** One channel per element, for values that make no list: texts, bytes, dates. @throws {Mdf4Damage} */
export function elementChannels(channel: Channel, group: ChannelGroup): Channel[] {
  const { array: _, ...plain } = channel;
  return elementOffsets(channel, group).map((offset, index) => {
    const byteOffset = channel.byteOffset + offset;
    if (byteOffset < 0) throw new Mdf4Damage(`array ${channel.name} begins in front of its record`);
    return { ...plain, name: `${channel.name}[${index}]`, byteOffset };
  });
}

function elementOffsets(channel: Channel, group: ChannelGroup): number[] {
  let offsets = [0];
  channel.array?.sizes.forEach((size, dimension) => {
    const stride = channel.array?.strideBytes[dimension] ?? 0;
    if (offsets.length * size > group.dataBytes * 8) {
      throw new Mdf4Damage(`array ${channel.name} has more elements than its record has bits`);
    }
    offsets = offsets.flatMap((start) => Array.from({ length: size }, (_, index) => start + index * stride));
  });
  return offsets;
}

export function evenOffsets(rowCount: number, length: number): Uint32Array {
  const offsets = new Uint32Array(rowCount + 1);
  for (let row = 1; row <= rowCount; row++) offsets[row] = row * length;
  return offsets;
}

/** Undefined where arrays are always whole. Else leaves of each row the elements inside of the sizes it has. */
export function sizeCutter(
  { sizes, sizeChannels }: ArrayShape,
  elementCount: number,
  group: ChannelGroup,
): ((records: Records, values: NumberValues) => ListValues) | undefined {
  if (sizeChannels.every((channel) => channel === undefined)) return undefined;
  const fields = sizes.map((_, dimension) => {
    const channel = sizeChannels[dimension];
    return channel && { channel, field: fieldOf(channel, channel, group.dataBytes) };
  });
  const indexes = sizes.map((size, dimension) => {
    const inner = sizes.slice(dimension + 1).reduce((product, each) => product * each, 1);
    return Uint32Array.from({ length: elementCount }, (_, element) => Math.floor(element / inner) % size);
  });
  return (records, values) => {
    const rowSizes = fields.map((each) =>
      each === undefined ? undefined : applyNumeric(rawValues(each.field, records), each.channel.conversion),
    );
    const offsets = new Uint32Array(records.count + 1);
    const kept = new Uint32Array(records.count * elementCount);
    let count = 0;
    for (let row = 0; row < records.count; row++) {
      for (let element = 0; element < elementCount; element++) {
        const isInside = rowSizes.every(
          (of, dimension) => of === undefined || indexes[dimension]![element]! < of[row]!,
        );
        if (isInside) kept[count++] = row * elementCount + element;
      }
      offsets[row + 1] = count;
    }
    return { kind: 'list', offsets, items: keepNumbers(values, kept.subarray(0, count)) };
  };
}
