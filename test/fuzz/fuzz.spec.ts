import assert from 'node:assert/strict';
import { attempt, damagedFile } from './attempt.ts';
import { FUZZED_FORMATS } from './formats.ts';

const FILES_EACH = 150;

describe('recordings damaged at random', () => {
  for (const format of FUZZED_FORMATS) {
    it(`${format.name}: are refused by name or yield what is left`, async function () {
      this.timeout(30_000);
      const seeds = await format.seeds();
      for (const seed of seeds) assert.equal(await attempt(format, seed), undefined, 'a seed is not whole');
      for (let number = 1; number <= FILES_EACH; number += 1) {
        const finding = await attempt(format, damagedFile(seeds, number));
        assert.equal(finding, undefined, `file ${number}; repeat with: npm run fuzz -- --first ${number}`);
      }
      assert.ok(process.memoryUsage().rss < 2 ** 30);
    });
  }
});
