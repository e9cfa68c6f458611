import assert from 'node:assert/strict';
import fc from 'fast-check';
import { splitCommandLine } from '#emulators/batch/command-line.ts';
import { durationMs } from '#emulators/batch/duration.ts';
import { programFor } from '#emulators/batch/image-map.ts';

describe('what a task is started with', () => {
  it('is split at blanks, with quotes kept together and nothing expanded', () => {
    assert.deepEqual(splitCommandLine(`/bin/sh -c "echo \\"$X\\"" 'a "b"' x"y"z ""  *`), [
      '/bin/sh',
      '-c',
      'echo "$X"',
      'a "b"',
      'xyz',
      '',
      '*',
    ]);
    assert.deepEqual(splitCommandLine('   '), []);
  });

  it('survives being quoted, whatever the arguments are', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (parameters) => {
        const quoted = parameters.map((text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
        assert.deepEqual(splitCommandLine(quoted.join(' ')), parameters);
      }),
    );
  });

  it('is the program of the image whatever its registry, tag or digest', () => {
    const map = { 'landfall/validate': ['tool', '--fast'] };
    for (const image of [
      'landfall/validate',
      'landfall/validate:1.2.3',
      'localhost:5000/landfall/validate',
      'registry.azurecr.io/landfall/validate@sha256:0123',
    ])
      assert.deepEqual(programFor(image, map, '/'), ['tool', '--fast'], image);
    assert.equal(programFor('other/validate', map, '/'), undefined);
  });

  it('may run as long as its ISO 8601 duration says', () => {
    assert.equal(durationMs('P1DT2H3M4.5S'), 93_784_500);
    assert.equal(durationMs('PT30S'), 30_000);
    assert.equal(durationMs(undefined), Number.POSITIVE_INFINITY);
    for (const invalid of ['', 'P', 'PT', '30', 'P1M']) assert.equal(durationMs(invalid), undefined, invalid);
  });
});
