import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { envelopeOf } from '#domain/messages.ts';
import { staleFiles } from '../../scripts/generate.ts';

describe('generated files', () => {
  it('are what the code says', () => {
    assert.deepEqual(staleFiles(), []);
  });

  it('hold a schema that accepts an event and names what is wrong with another', () => {
    const type = 'landfall.measurement.cancelled.v1';
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    const validate = ajv.compile(JSON.parse(readFileSync(`docs/schemas/${type}.json`, 'utf8')));
    const event = envelopeOf(
      type,
      {
        measurementId: '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11',
        generation: 1,
        actor: 'ada',
        reason: 'wrong car',
      },
      { id: '1', source: 'landfall/saga', time: new Date(0), fleet: 'test', region: 'local', sequence: 7 },
    );
    assert.equal(validate(event), true, JSON.stringify(validate.errors));
    assert.equal(validate({ ...event, sequence: '7' }), false);
    assert.equal(validate({ ...event, data: { ...event.data, actor: undefined } }), false);
  });
});
