import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const PAGES = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md')];
/** A path in ARCHITECTURE.md starts at one of these, so that it stays short where the text says where it is. */
const ROOMS = [
  '',
  'src',
  'src/adapters',
  'src/handlers',
  'src/composition',
  'src/saga',
  'docs',
  'containers',
];
const BESIDE = ['src/saga', 'src/handlers', 'src/handlers/operations', 'src/composition', 'containers/*'];

describe('what the documents point at', () => {
  for (const page of PAGES) {
    it(`is there: ${page}`, () => {
      const text = readFileSync(page, 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g))
        assert.ok(existsSync(join(dirname(page), target)), `${page} links to ${target}`);
    });
  }

  it('is a script of package.json, where a page says npm run', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
    for (const page of PAGES)
      for (const [, script = ''] of readFileSync(page, 'utf8').matchAll(/npm run ([\w-]+(?::\w+)?)/g))
        assert.ok(script in scripts, `${page} names npm run ${script}`);
  });

  it('has the names that docs/ARCHITECTURE.md gives it', () => {
    const text = readFileSync('docs/ARCHITECTURE.md', 'utf8');
    const named = [...text.matchAll(/`([\w*.-]+(?:\/[\w*.-]+)+|[\w-]+\.ts)`/g)].map((match) => match[1]!);
    assert.ok(named.length > 40);
    for (const path of new Set(named)) {
      const places = [...ROOMS, ...(path.includes('/') ? [] : BESIDE)].map((room) => join(room, path));
      // A package, or a script of ours that is no file, is not a path.
      if (path.startsWith('@')) continue;
      assert.ok(
        places.some((place) => globSync(place).length > 0),
        `docs/ARCHITECTURE.md names ${path}`,
      );
    }
  });

  it('is what the code exports, where the architecture names a function', () => {
    const text = readFileSync('docs/ARCHITECTURE.md', 'utf8');
    const sources = globSync(['src/**/*.ts', 'containers/**/*.ts']).map((path) => readFileSync(path, 'utf8'));
    const functions = new Set([...text.matchAll(/`([a-z]+[A-Z]\w*)`/g)].map((match) => match[1]!));
    assert.ok(functions.size > 10);
    for (const name of functions)
      assert.ok(
        sources.some((source) => new RegExp(`\\b${name}\\b`).test(source)),
        `${name} is nowhere in the code`,
      );
  });
});
