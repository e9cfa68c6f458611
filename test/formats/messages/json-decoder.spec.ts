import assert from 'node:assert/strict';
import { jsonDecoder } from '#formats/messages/json-decoder.ts';
import { decodeMessages } from './decode-messages.ts';

const SCHEMA = {
  type: 'object',
  definitions: { position: { type: 'object', properties: { x: { type: 'number', description: 'm' } } } },
  properties: {
    stamp: {
      type: 'object',
      title: 'time',
      properties: { sec: { type: 'integer' }, nsec: { type: 'integer' } },
    },
    position: { $ref: '#/definitions/position' },
    count: { type: 'integer' },
    ok: { type: 'boolean' },
    name: { type: 'string' },
    data: { type: 'string', contentEncoding: 'base64' },
    grid: { type: 'array', items: { type: 'array', items: { type: 'number' } } },
    any: {},
  },
};
const decoder = jsonDecoder(JSON.stringify(SCHEMA));
const decode = (...messages: readonly string[]) =>
  decodeMessages(
    decoder,
    messages.map((message) => Buffer.from(message)),
  );

describe('JSON messages', () => {
  it('become the columns of their schema', () => {
    assert.deepEqual(
      decoder.columns.map(({ name, type }) => [name, type]),
      [
        ['stamp', 'timestamp'],
        ['position.x', 'float64'],
        ['count', 'int64'],
        ['ok', 'bool'],
        ['name', 'string'],
        ['data', 'bytes'],
        ['grid', { list: { list: 'float64' } }],
        ['any', 'string'],
      ],
    );
  });

  it('yield their values, and null for what is missing or of another type', () => {
    const whole = {
      stamp: { sec: 5, nsec: 7 },
      position: { x: 1.5 },
      count: -3,
      ok: true,
      name: 'é',
      data: 'AQI=',
      grid: [[1, 2], []],
      any: { a: 1 },
    };
    const odd = { stamp: 'now', position: 7, count: 'x', data: '%%%', grid: 5 };
    const { columns } = decode(JSON.stringify(whole), JSON.stringify(odd));
    assert.deepEqual(columns, {
      stamp: [5_000_000_007n, null],
      'position.x': [1.5, null],
      count: [-3n, null],
      ok: [1, null],
      name: ['é', null],
      data: [Uint8Array.of(1, 2), null],
      grid: [[[1, 2], []], []],
      any: ['{"a":1}', null],
    });
  });

  it('that are no JSON object are left out', () => {
    const { columns, misfits } = decode('{"count":1', '{"count":2}', '[]', 'null');
    assert.deepEqual(misfits, [0, 2, 3]);
    assert.deepEqual(columns['count'], [2n]);
  });

  it('need a schema that is JSON', () => {
    assert.throws(() => jsonDecoder('not json'), /not a JSON object/);
  });
});
