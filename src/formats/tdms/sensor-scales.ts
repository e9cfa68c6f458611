import { type Piece, THERMOCOUPLES } from './thermocouples.ts';

/** Numbers in, numbers out; may change and return what it was given. */
export type Evaluate = (values: Float64Array) => Float64Array;

/** A scale that cannot be applied: it lacks a property, is of an unknown type, or needs itself. */
export class ScaleError extends Error {
  override readonly name = 'ScaleError';
}

/** The properties of one scale, by the end of their names. */
export interface ScaleSettings {
  /** @throws {ScaleError} where it is missing */
  number(name: string): number;
  optional(name: string): number | undefined;
  /** `name[0]`, `name[1]`, … */
  numbers(name: string, count: number): number[];
}

/** DAQmx constants, as the properties hold them. */
const CURRENT_EXCITATION = 10134;
const VOLTAGE_EXCITATION = 10322;
const BRIDGE = {
  full1: 10183,
  full2: 10184,
  full3: 10185,
  half1: 10188,
  half2: 10189,
  quarter1: 10271,
  quarter2: 10272,
} as const;

/** Coefficients from the constant term up. */
export function polynomial(coefficients: readonly number[]): Evaluate {
  return (values) => values.map((value) => horner(coefficients, value));
}

function horner(coefficients: readonly number[], value: number): number {
  let sum = 0;
  for (let power = coefficients.length - 1; power >= 0; power--) sum = sum * value + coefficients[power]!;
  return sum;
}

/** Straight lines between points; the outer values beyond them. */
export function table(inputs: readonly number[], outputs: readonly number[]): Evaluate {
  const points = inputs.map((input, index) => [input, outputs[index] ?? Number.NaN] as const);
  points.sort(([a], [b]) => a - b);
  const xs = Float64Array.from(points, ([x]) => x);
  const ys = Float64Array.from(points, ([, y]) => y);
  const last = xs.length - 1;
  return (values) =>
    values.map((value) => {
      if (last < 0 || Number.isNaN(value)) return Number.NaN;
      if (value <= xs[0]!) return ys[0]!;
      if (value >= xs[last]!) return ys[last]!;
      let [low, high] = [0, last];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (xs[middle]! <= value) low = middle;
        else high = middle;
      }
      const share = (value - xs[low]!) / (xs[high]! - xs[low]!);
      return ys[low]! + share * (ys[high]! - ys[low]!);
    });
}

/** Three wires carry the lead's resistance once; two, under current, twice; four not at all. */
function leadResistance(settings: ScaleSettings, excitation: number): number {
  const resistance = settings.number('Lead_Wire_Resistance');
  const wires = settings.number('Resistance_Configuration');
  if (wires === 3) return resistance;
  return wires === 2 && excitation === CURRENT_EXCITATION ? 2 * resistance : 0;
}

const NEWTON_STEPS = 50;

/**
 * Resistance temperature detector: volts to °C by Callendar and Van Dusen,
 * R = R0 (1 + A t + B t² + C (t - 100) t³), the last term only below 0 °C.
 */
export function rtd(settings: ScaleSettings): Evaluate {
  const current = settings.number('Current_Excitation');
  const r0 = settings.number('R0_Nominal_Resistance');
  const [a, b, c] = [settings.number('A'), settings.number('B'), settings.number('C')];
  const lead = leadResistance(settings, CURRENT_EXCITATION);
  return (values) =>
    values.map((volts) => {
      const ratio = (volts / current - lead) / r0;
      const positive = b === 0 ? (ratio - 1) / a : (-a + Math.sqrt(a * a - 4 * b * (1 - ratio))) / (2 * b);
      if (!(ratio < 1)) return positive;
      let t = positive;
      for (let step = 0; step < NEWTON_STEPS; step++) {
        const error = 1 + t * (a + t * (b + c * (t - 100) * t)) - ratio;
        const slope = a + t * (2 * b + c * t * (4 * t - 300));
        const next = t - error / slope;
        if (!(Math.abs(next - t) > 1e-12 * Math.abs(t))) return next;
        t = next;
      }
      return Number.NaN;
    });
}

/** Thermistor: volts to kelvin less an offset, by Steinhart and Hart, 1/T = A + B ln R + C (ln R)³. */
export function thermistor(settings: ScaleSettings): Evaluate {
  const excitation = settings.number('Excitation_Type');
  const excited = settings.number('Excitation_Value');
  const reference = settings.number('R1_Reference_Resistance');
  const [a, b, c] = [settings.number('A'), settings.number('B'), settings.number('C')];
  const offset = settings.number('Temperature_Offset');
  const lead = leadResistance(settings, excitation);
  if (excitation !== CURRENT_EXCITATION && excitation !== VOLTAGE_EXCITATION) {
    throw new ScaleError(`the excitation type ${excitation} is not known`);
  }
  return (values) =>
    values.map((volts) => {
      const measured =
        excitation === CURRENT_EXCITATION ? volts / excited : reference / (excited / volts - 1);
      const logarithm = Math.log(measured - lead);
      return 1 / (a + logarithm * (b + c * logarithm * logarithm)) - offset;
    });
}

/**
 * Strain gauges in a Wheatstone bridge: volts to strain. With r = Vout / Vexcitation, gauge factor G and Poisson's
 * ratio v, each configuration's bridge equation is solved for the strain (NI, "Strain Gauge Configuration Types").
 */
export function strain(settings: ScaleSettings): Evaluate {
  const configuration = settings.number('Configuration');
  const poisson = settings.number('Poisson_Ratio');
  const gain = settings.number('Bridge_Shunt_Calibration_Gain_Adjustment');
  const excitation = settings.number('Voltage_Excitation');
  const initial = settings.number('Initial_Bridge_Voltage');
  const factor = settings.number('Gage_Factor');
  const desensitized = 1 + settings.number('Lead_Wire_Resistance') / settings.number('Gage_Resistance');
  const solve = strainOfRatio(configuration, factor, poisson, desensitized);
  return (values) => values.map((volts) => gain * solve((volts - initial) / excitation));
}

function strainOfRatio(
  configuration: number,
  factor: number,
  poisson: number,
  desensitized: number,
): (ratio: number) => number {
  switch (configuration) {
    case BRIDGE.full1:
      return (ratio) => -ratio / factor;
    case BRIDGE.full2:
      return (ratio) => (-2 * ratio) / (factor * (1 + poisson));
    case BRIDGE.full3:
      return (ratio) => (-2 * ratio) / (factor * (1 + poisson + ratio * (1 - poisson)));
    case BRIDGE.half1:
      return (ratio) => (-4 * ratio * desensitized) / (factor * (1 + poisson + 2 * ratio * (1 - poisson)));
    case BRIDGE.half2:
      return (ratio) => (-2 * ratio * desensitized) / factor;
    case BRIDGE.quarter1:
    case BRIDGE.quarter2:
      return (ratio) => ((2 * desensitized) / factor) * (1 / (1 + 2 * ratio) - 1);
    default:
      throw new ScaleError(`the bridge configuration ${configuration} is not known`);
  }
}

const DEFAULT_THERMOCOUPLE = 10072;

/** Thermocouple: microvolts to °C, or back with scaling direction 1. */
export function thermocouple(settings: ScaleSettings): Evaluate {
  const code = settings.optional('Thermocouple_Type') ?? DEFAULT_THERMOCOUPLE;
  const type = THERMOCOUPLES.get(code);
  if (type === undefined) throw new ScaleError(`the thermocouple type ${code} is not known`);
  if (settings.optional('Scaling_Direction') !== 1) {
    return (values) => values.map((microvolts) => piecewise(type.celsius, microvolts / 1000));
  }
  const [a0, a1, a2] = type.exponential ?? [0, 0, 0];
  return (values) =>
    values.map((celsius) => {
      const extra = celsius >= 0 ? a0 * Math.exp(a1 * (celsius - a2) ** 2) : 0;
      return 1000 * (piecewise(type.millivolts, celsius) + extra);
    });
}

function piecewise(pieces: readonly Piece[], value: number): number {
  const piece = pieces.find(({ until }) => value < until);
  return piece === undefined ? Number.NaN : horner(piece.coefficients, value);
}
