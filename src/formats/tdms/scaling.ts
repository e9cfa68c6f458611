import type { PropertyValue } from './metadata.ts';
import {
  type Evaluate,
  polynomial,
  rtd,
  ScaleError,
  type ScaleSettings,
  strain,
  table,
  thermistor,
  thermocouple,
} from './sensor-scales.ts';
import type { Properties } from './structure.ts';

/** The numbers a scale begins with: the channel's own, or those of one of its DAQmx scalers; new ones at each call. */
export interface RawNumbers {
  plain(): Float64Array;
  scaler(scaleId: number): Float64Array;
}

export interface Scaling {
  /** Such as `Linear(scaler 0)`: what is applied to what, for the column's description. */
  readonly text: string;
  apply(raw: RawNumbers): Float64Array;
}

const RAW_INPUT = 0xffff_ffff;
const DEPTH_MAX = 64;

/**
 * How raw values become physical ones: the properties `NI_Scale[n]_…` of the channel, else of its group, else of the
 * file; the last scale is the result, and each names its inputs. Undefined where there is no scale, or values are
 * stored scaled (`NI_Scaling_Status`). @throws {ScaleError}
 */
export function scalingOf(levels: readonly Properties[]): Scaling | undefined {
  for (const properties of levels) {
    const count = scaleCountOf(properties);
    if (count === 0) continue;
    const status = properties.get('NI_Scaling_Status');
    if (status?.kind === 'text' && status.value === 'scaled') return undefined;
    return compile(properties, count - 1, 0);
  }
  return undefined;
}

function scaleCountOf(properties: Properties): number {
  const declared = numberOf(properties.get('NI_Number_Of_Scales'));
  if (declared !== undefined) return declared;
  let count = 0;
  for (const name of properties.keys()) {
    const match = /^NI_Scale\[(\d{1,4})\]_Scale_Type$/.exec(name);
    if (match !== null) count = Math.max(count, Number(match[1]) + 1);
  }
  return count;
}

function compile(properties: Properties, index: number, depth: number): Scaling {
  if (index === RAW_INPUT) return { text: 'raw', apply: (raw) => raw.plain() };
  if (depth > DEPTH_MAX) throw new ScaleError(`scale ${index} needs its own result`);
  const type = properties.get(`NI_Scale[${index}]_Scale_Type`);
  // A scale without a type is the number that a DAQmx scaler of that id delivers.
  if (type === undefined) return { text: `scaler ${index}`, apply: (raw) => raw.scaler(index) };
  const name = type.kind === 'text' ? type.value : '';
  const prefix = `NI_Scale[${index}]_${name}_`;
  const input = (which: string) =>
    compile(properties, optionalNumber(properties, `${prefix}${which}`) ?? RAW_INPUT, depth + 1);
  if (name === 'Add' || name === 'Subtract') {
    const left = input('Left_Operand_Input_Source');
    const right = input('Right_Operand_Input_Source');
    // NI's own plug-ins take the left operand from the right one.
    const sign = name === 'Add' ? 1 : -1;
    return {
      text: `${name}(${left.text}, ${right.text})`,
      apply(raw) {
        const [lefts, rights] = [left.apply(raw), right.apply(raw)];
        for (let row = 0; row < rights.length; row++) rights[row] = rights[row]! + sign * lefts[row]!;
        return rights;
      },
    };
  }
  const source = input('Input_Source');
  const evaluate = evaluationOf(name, settingsOf(properties, prefix));
  return { text: `${name}(${source.text})`, apply: (raw) => evaluate(source.apply(raw)) };
}

function evaluationOf(type: string, settings: ScaleSettings): Evaluate {
  switch (type) {
    case 'Linear': {
      const [slope, intercept] = [settings.number('Slope'), settings.number('Y_Intercept')];
      return (values) => {
        for (let row = 0; row < values.length; row++) values[row] = values[row]! * slope + intercept;
        return values;
      };
    }
    case 'Polynomial':
      return polynomial(settings.numbers('Coefficients', settings.optional('Coefficients_Size') ?? 4));
    case 'Table':
      return table(
        settings.numbers('Pre_Scaled_Values', settings.number('Pre_Scaled_Values_Size')),
        settings.numbers('Scaled_Values', settings.number('Scaled_Values_Size')),
      );
    case 'RTD':
      return rtd(settings);
    case 'Strain':
      return strain(settings);
    case 'Thermistor':
      return thermistor(settings);
    case 'Thermocouple':
      return thermocouple(settings);
    case 'AdvancedAPI':
      return (values) => values;
    default:
      throw new ScaleError(`scales of the type ${type || 'without a name'} are not known`);
  }
}

function settingsOf(properties: Properties, prefix: string): ScaleSettings {
  const number = (name: string) => {
    const value = optionalNumber(properties, `${prefix}${name}`);
    if (value === undefined) throw new ScaleError(`the property ${prefix}${name} is missing or no number`);
    return value;
  };
  return {
    number,
    optional: (name) => optionalNumber(properties, `${prefix}${name}`),
    numbers(name, count) {
      if (count > properties.size) {
        throw new ScaleError(`${prefix}${name} claims ${count} values among ${properties.size} properties`);
      }
      return Array.from({ length: count }, (_, index) => number(`${name}[${index}]`));
    },
  };
}

function optionalNumber(properties: Properties, name: string): number | undefined {
  return numberOf(properties.get(name));
}

/** A property as a number; undefined for absent ones, texts and times. */
export function numberOf(property: PropertyValue | undefined): number | undefined {
  if (property?.kind === 'number') return property.value;
  if (property?.kind === 'integer64') return Number(property.value);
  return undefined;
}
