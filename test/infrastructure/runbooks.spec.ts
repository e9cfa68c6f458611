import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { FAILURE_CODES } from '#domain/failures.ts';

const ALERTS = 'alerts';

describe('runbooks', () => {
  const pages = globSync('docs/runbooks/*.md').map((path) => basename(path, '.md'));

  it('exist for every failure code, and for nothing else', () => {
    assert.deepEqual(pages.toSorted(), [...Object.keys(FAILURE_CODES), ALERTS].toSorted());
  });

  for (const code of Object.keys(FAILURE_CODES)) {
    it(`${code}: says what it means, how to see it, and what to do`, () => {
      const text = readFileSync(`docs/runbooks/${code}.md`, 'utf8');
      const [, meaning = '', seeing = '', doing = ''] =
        new RegExp(
          `^# ${code}\\n([\\s\\S]+)\\n## How to see it\\n([\\s\\S]+)\\n## What to do\\n([\\s\\S]+)$`,
        ).exec(text) ?? [];
      assert.ok(meaning.trim().length > 80, 'says little about what it means');
      assert.ok(/`[^`]+`/.test(seeing), 'names no command, query or table');
      assert.match(doing, /^\n?1\. /);
    });
  }

  it('have a line for every alert', () => {
    const text = readFileSync(`docs/runbooks/${ALERTS}.md`, 'utf8');
    const source = readFileSync('bicep/modules/alerts.bicep', 'utf8');
    const names = [...source.matchAll(/^ {4,6}name: '([a-z-]+?)(?:-\$\{i\})?'$/gm)].map(
      (match) => match[1] ?? '',
    );
    assert.ok(names.length >= 8, names.join());
    for (const name of names.filter((candidate) => candidate.includes('-') && candidate !== 'over-threshold'))
      assert.ok(text.includes(`\`${name}`), `no line for ${name}`);
  });

  it('point at pages and queries that are there', () => {
    for (const path of globSync(['docs/runbooks/*.md', 'docs/infrastructure/*.md'])) {
      const text = readFileSync(path, 'utf8');
      const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1] ?? '');
      const folder = path.replaceAll('\\', '/').replace(/[^/]+$/, '');
      for (const link of links.filter((target) => !target.startsWith('https:')))
        assert.equal(globSync(`${folder}${link}`).length, 1, `${path}: ${link}`);
      const queries = [...text.matchAll(/`(?:bicep\/queries\/)?([a-z-]+\.kql)`/g)].map(
        (match) => match[1] ?? '',
      );
      for (const query of queries)
        assert.equal(globSync(`bicep/queries/${query}`).length, 1, `${path}: ${query}`);
    }
  });
});
