import assert from 'node:assert/strict';
import type { PropertyValue } from '#formats/tdms/metadata.ts';
import { scalingOf } from '#formats/tdms/scaling.ts';
import { ScaleError } from '#formats/tdms/sensor-scales.ts';
import { collectTable } from '#test/support/table-columns.ts';
import { channel, daqmxIndex, I16, little, openBytes, rawIndex, SCALER_I16, segment } from './tdms-bytes.ts';

type Settings = Readonly<Record<string, number>>;

function propertiesOf(plain: Readonly<Record<string, number | string>>): Map<string, PropertyValue> {
  return new Map(
    Object.entries(plain).map(([name, value]) => [
      name,
      typeof value === 'string' ? { kind: 'text', value } : { kind: 'number', value },
    ]),
  );
}

function scale(index: number, type: string, settings: Settings): Record<string, number | string> {
  const named = Object.entries(settings).map(([name, value]) => [
    `NI_Scale[${index}]_${type}_${name}`,
    value,
  ]);
  return { [`NI_Scale[${index}]_Scale_Type`]: type, ...Object.fromEntries(named) };
}

function apply(properties: Readonly<Record<string, number | string>>, raw: readonly number[]): number[] {
  const scaling = scalingOf([propertiesOf(properties)]);
  assert.ok(scaling);
  return [...scaling.apply({ plain: () => Float64Array.from(raw), scaler: () => Float64Array.from(raw) })];
}

function assertNear(actual: readonly number[], wanted: readonly number[], tolerance: number): void {
  assert.equal(actual.length, wanted.length);
  for (const [i, value] of wanted.entries()) {
    assert.ok(Math.abs(actual[i]! - value) <= tolerance, `${actual[i]} is not ${value} (value ${i})`);
  }
}

describe('TDMS: NI scales', () => {
  it('Linear and Polynomial', () => {
    assert.deepEqual(apply(scale(0, 'Linear', { Slope: 2, Y_Intercept: 1 }), [0, 3]), [1, 7]);
    const cubic = { 'Coefficients[0]': 1, 'Coefficients[1]': 0, 'Coefficients[2]': 2, 'Coefficients[3]': 1 };
    assert.deepEqual(apply(scale(0, 'Polynomial', cubic), [0, 2]), [1, 17]);
    const short = { Coefficients_Size: 2, 'Coefficients[0]': 1, 'Coefficients[1]': 3 };
    assert.deepEqual(apply(scale(0, 'Polynomial', short), [2]), [7]);
  });

  it('Table: straight lines between points, the outer values beyond, rising or falling', () => {
    const points = (inputs: number[], outputs: number[]): Settings => ({
      Pre_Scaled_Values_Size: inputs.length,
      Scaled_Values_Size: outputs.length,
      ...Object.fromEntries(inputs.map((value, i) => [`Pre_Scaled_Values[${i}]`, value])),
      ...Object.fromEntries(outputs.map((value, i) => [`Scaled_Values[${i}]`, value])),
    });
    const rising = points([1, 2, 4], [10, 30, 20]);
    assert.deepEqual(apply(scale(0, 'Table', rising), [0, 1.5, 3, 9]), [10, 20, 25, 20]);
    const falling = points([4, 2, 1], [20, 30, 10]);
    assert.deepEqual(apply(scale(0, 'Table', falling), [0, 1.5, 3, 9]), [10, 20, 25, 20]);
  });

  it('Add and Subtract (right less left), on other scales; each input is found by its number', () => {
    const operands = { Left_Operand_Input_Source: 0, Right_Operand_Input_Source: 1 };
    const inputs = {
      ...scale(0, 'Linear', { Slope: 1, Y_Intercept: 10 }),
      ...scale(1, 'Linear', { Slope: 3, Y_Intercept: 0 }),
    };
    assert.deepEqual(apply({ ...inputs, ...scale(2, 'Add', operands) }, [1, 2]), [14, 18]);
    assert.deepEqual(apply({ ...inputs, ...scale(2, 'Subtract', operands) }, [1, 2]), [-8, -6]);
  });

  it('RTD: inverts Callendar and Van Dusen above and below 0 °C, and takes off the leads', () => {
    const [r0, a, b, c] = [100, 3.9083e-3, -5.775e-7, -4.183e-12];
    const celsius = [-180, -40, -1, 0, 25, 400];
    const ohms = celsius.map((t) => r0 * (1 + a * t + b * t * t + (t < 0 ? c * (t - 100) * t ** 3 : 0)));
    const settings = { Current_Excitation: 0.001, R0_Nominal_Resistance: r0, A: a, B: b, C: c };
    for (const [wires, leads] of [
      [2, 2],
      [3, 1],
      [4, 0],
    ] as const) {
      const all = { ...settings, Lead_Wire_Resistance: 2.5, Resistance_Configuration: wires };
      const volts = ohms.map((resistance) => (resistance + leads * 2.5) * 0.001);
      assertNear(apply(scale(0, 'RTD', all), volts), celsius, 1e-6);
    }
  });

  it('Thermistor: inverts Steinhart and Hart under current and voltage', () => {
    const [a, b, c] = [1.2873851e-3, 2.3575235e-4, 9.497806e-8];
    const ohms = [3000, 10_000, 40_000];
    const celsius = ohms.map((r) => 1 / (a + b * Math.log(r) + c * Math.log(r) ** 3) - 273.15);
    const settings = { A: a, B: b, C: c, Temperature_Offset: 273.15, R1_Reference_Resistance: 5000 };
    const leads = { Lead_Wire_Resistance: 100, Resistance_Configuration: 3 };
    const current = { ...settings, ...leads, Excitation_Type: 10134, Excitation_Value: 1e-4 };
    const underCurrent = ohms.map((r) => (r + 100) * 1e-4);
    assertNear(apply(scale(0, 'Thermistor', current), underCurrent), celsius, 1e-9);
    const voltage = { ...settings, ...leads, Excitation_Type: 10322, Excitation_Value: 2.5 };
    const divided = ohms.map((r) => (2.5 * (r + 100)) / (r + 100 + 5000));
    assertNear(apply(scale(0, 'Thermistor', voltage), divided), celsius, 1e-9);
  });

  it('Strain: inverts the bridge of each configuration', () => {
    const [factor, poisson, excitation] = [2.1, 0.3, 2.5];
    const strains = [-2e-3, 0, 5e-4, 3e-3];
    // Relative changes of R1 to R4 per strain times gauge factor (NI, strain gauge configuration types).
    const bridges: [configuration: number, changes: [number, number, number, number]][] = [
      [10183, [-1, 1, -1, 1]],
      [10184, [-poisson, poisson, -1, 1]],
      [10185, [-poisson, 1, -poisson, 1]],
      [10188, [0, 0, -poisson, 1]],
      [10189, [0, 0, -1, 1]],
      [10271, [0, 0, 0, 1]],
      [10272, [0, 0, 0, 1]],
    ];
    const settings = {
      Poisson_Ratio: poisson,
      Gage_Resistance: 350,
      Lead_Wire_Resistance: 0,
      Initial_Bridge_Voltage: 0.001,
      Gage_Factor: factor,
      Bridge_Shunt_Calibration_Gain_Adjustment: 1,
      Voltage_Excitation: excitation,
    };
    for (const [configuration, changes] of bridges) {
      const volts = strains.map((strain) => {
        const [r1, r2, r3, r4] = changes.map((change) => 1 + change * strain * factor) as [
          number,
          number,
          number,
          number,
        ];
        return excitation * (r3 / (r3 + r4) - r2 / (r1 + r2)) + 0.001;
      });
      const scaled = apply(scale(0, 'Strain', { ...settings, Configuration: configuration }), volts);
      assertNear(scaled, strains, 1e-12);
    }
  });

  it('Thermocouple: the tables of NIST, both ways', () => {
    // Millivolts at 100 °C and 300 °C, NIST ITS-90 tables.
    const tables: [type: number, at100: number, at300: number][] = [
      [10047, 0.033, 0.431],
      [10055, 6.319, 21.036],
      [10072, 5.269, 16.327],
      [10073, 4.096, 12.209],
      [10077, 2.774, 9.341],
      [10082, 0.647, 2.401],
      [10085, 0.646, 2.323],
      [10086, 4.279, 14.862],
    ];
    for (const [type, at100, at300] of tables) {
      const forward = scale(0, 'Thermocouple', { Thermocouple_Type: type, Scaling_Direction: 1 });
      const microvolts = apply(forward, [100, 300]);
      assertNear(microvolts, [at100 * 1000, at300 * 1000], 0.51);
      // Type B is not defined backwards below 250 °C.
      const [low, high] = apply(scale(0, 'Thermocouple', { Thermocouple_Type: type }), microvolts);
      assertNear([high!], [300], 0.06);
      if (type !== 10047) assertNear([low!], [100], 0.06);
    }
  });

  it('a scale that needs itself, lacks a number or is unknown is refused', () => {
    const loop = scale(0, 'Linear', { Slope: 1, Y_Intercept: 0, Input_Source: 0 });
    assert.throws(() => apply(loop, [1]), ScaleError);
    assert.throws(() => apply(scale(0, 'Linear', { Slope: 1 }), [1]), /Y_Intercept is missing/);
    assert.throws(() => apply(scale(0, 'Cosine', {}), [1]), /Cosine are not known/);
    const lying = scale(0, 'Polynomial', { Coefficients_Size: 4e9 });
    assert.throws(() => apply(lying, [1]), /claims 4000000000 values/);
  });

  describe('in files', () => {
    const linear = scale(0, 'Linear', { Slope: 0.5, Y_Intercept: 1 });
    const file = (properties: Record<string, number | string>, group = {}) =>
      segment({
        objects: [
          { path: "/'g'", properties: group },
          channel('a', rawIndex(I16, 2), { unit_string: 'm/s', ...properties }),
        ],
        data: little.i16(2, 4),
      });

    it('scaled values are float64 with the unit; a group lends its scale', async () => {
      for (const bytes of [file(linear), file({}, linear)]) {
        const reader = await openBytes(bytes);
        const [column] = reader.summary.tables[0]!.columns;
        assert.deepEqual(column, { name: 'a', type: 'float64', unit: 'm/s', source: 'int16; Linear(raw)' });
        assert.deepEqual((await collectTable(reader, 'g')).columns.get('a'), [2, 3]);
      }
    });

    it('values that are stored scaled are left alone, and so are those of a scale that cannot be applied', async () => {
      const stored = await openBytes(file({ ...linear, NI_Scaling_Status: 'scaled' }));
      assert.deepEqual((await collectTable(stored, 'g')).columns.get('a'), [2, 4]);
      assert.deepEqual(stored.loss().reasons, []);
      const unknown = await openBytes(file(scale(0, 'Cosine', {})));
      assert.deepEqual((await collectTable(unknown, 'g')).columns.get('a'), [2, 4]);
      assert.match(unknown.loss().reasons[0]!, /g\/a is left as raw values: .*Cosine/);
    });

    it('a DAQmx scaler is the scale without a type', async () => {
      const properties = {
        NI_Number_Of_Scales: 2,
        ...scale(1, 'Linear', { Slope: 10, Y_Intercept: 0, Input_Source: 0 }),
      };
      const index = daqmxIndex(2, [{ type: SCALER_I16, offset: 0, scaleId: 0 }], [2]);
      const reader = await openBytes(
        segment({ objects: [channel('a', index, properties)], data: little.i16(-1, 7) }),
      );
      assert.deepEqual((await collectTable(reader, 'g')).columns.get('a'), [-10, 70]);
    });
  });
});
