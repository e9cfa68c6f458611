// Reads damaged files in a thread of its own, so that the main thread can tell a hang.
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { attempt, damagedFile } from './attempt.ts';
import { FUZZED_FORMATS } from './formats.ts';

const port = parentPort;
assert.ok(port, 'this file runs in a worker');
const format = FUZZED_FORMATS.find(({ name }) => name === workerData.format);
assert.ok(format, `no format ${workerData.format}`);
const seeds = await format.seeds();
for (let number: number = workerData.first; ; number += 1) {
  port.postMessage({ kind: 'begin', number });
  // Native decompressors give memory back when the event loop turns, as reading from a disk makes it do.
  await setImmediate();
  const finding = await attempt(format, damagedFile(seeds, number));
  if (finding !== undefined) port.postMessage({ kind: 'finding', number, text: inspect(finding) });
}
