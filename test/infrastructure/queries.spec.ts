import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { attributesOfCall } from '#domain/calls-of-span.ts';
import { COST_INPUTS, costEstimateOf } from '#domain/cost-estimate.ts';
import { METRICS_OF_EVENTS, QUEUE_AGE, REPORTED_EVENTS } from '#domain/reported-events.ts';
import { readCostInputs } from '../../scripts/cost-model.ts';
import { bicepSources, withoutComments } from './bicep-source.ts';

const sources = bicepSources();
const source = (name: string) => withoutComments(sources.get(`bicep/${name}`) ?? '');
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1] ?? '');
const sorted = (names: Iterable<string>) => [...new Set(names)].toSorted();

const metrics = [...Object.values(METRICS_OF_EVENTS).flat(), QUEUE_AGE];

/** What a query may ask of the rows it names. */
function known(names: readonly string[]): { dimensions: Set<string>; numbers: Set<string> } {
  const events = Object.entries(REPORTED_EVENTS).filter(([name]) => names.includes(name));
  const points = metrics.filter(({ name }) => names.includes(name));
  return {
    dimensions: new Set([
      ...events.flatMap(([, { dimensions }]) => dimensions),
      ...points.flatMap(({ dimensions }) => dimensions),
    ]),
    numbers: new Set(events.flatMap(([, { numbers }]) => numbers)),
  };
}

/** Everything a call to a service may say. */
const ofCalls = new Set(
  Object.keys(
    attributesOfCall({
      service: 'Cosmos DB',
      operation: 'read_item',
      target: 'vehicles',
      durationMs: 1,
      statusCode: 429,
      requestCharge: 1,
      startedAtMs: 0,
      calls: 2,
      failedCalls: 1,
    }),
  ),
);

describe('queries of alerts and workbook', () => {
  const queries = globSync('bicep/queries/*.kql').map((path) => path.replaceAll('\\', '/'));
  const code = globSync(['src/**/*.ts', 'containers/**/*.ts'])
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');

  for (const path of queries) {
    it(`${path} asks for events, metrics, dimensions and numbers that the code reports`, () => {
      const query = readFileSync(path, 'utf8');
      const names = matches(query, /Name == '([^']+)'/g);
      const ofDependencies = /^AppDependencies/m.test(query);
      if (!ofDependencies) assert.ok(names.length > 0, `${path} asks for no event`);
      const reported = [...Object.keys(REPORTED_EVENTS), ...metrics.map(({ name }) => name)];
      for (const name of names) assert.ok(reported.includes(name), `nobody reports '${name}'`);
      const { dimensions, numbers } = known(names);
      for (const name of matches(query, /Properties(?:\.|\[')([\w.]+)/g))
        assert.ok((ofDependencies ? ofCalls : dimensions).has(name), `no dimension ${name}`);
      for (const name of matches(query, /Measurements\.(\w+)/g))
        assert.ok((numbers as Set<string>).has(name), `no number ${name}`);
    });
  }

  it('count on events that are said', () => {
    for (const name of Object.keys(REPORTED_EVENTS))
      assert.match(code, new RegExp(`report\\(\\s*[\\w.]+,\\s*'${name}'`), `nobody says '${name}'`);
    assert.match(code, new RegExp(`\\b${QUEUE_AGE.from}: `));
  });

  it('have metrics made of numbers and dimensions that their events have', () => {
    for (const [name, made] of Object.entries(METRICS_OF_EVENTS)) {
      const { dimensions, numbers } = known([name]);
      for (const metric of made) {
        assert.ok((numbers as Set<string>).has(metric.from), `${metric.name}: ${metric.from}`);
        for (const dimension of metric.dimensions)
          assert.ok((dimensions as Set<string>).has(dimension), `${metric.name}: ${dimension}`);
      }
    }
  });

  it('are all used, and each place of the workbook has one', () => {
    const used = matches(
      source('modules/alerts.bicep') + source('modules/workbook.bicep'),
      /loadTextContent\('\.\.\/(queries\/[^']+)'\)/g,
    );
    assert.deepEqual(sorted(used.map((name) => `bicep/${name}`)), queries.toSorted());
    const places = matches(readFileSync('bicep/workbook.json', 'utf8'), /"\{\{([^}]+)\}\}"/g);
    const filled = matches(source('modules/workbook.bicep'), /queries\/([^']+)\.kql/g);
    assert.deepEqual(sorted(places), sorted(filled));
  });
});

describe('the cost a stage reports', () => {
  it('is made of the prices of the cost model', () => {
    const { prices } = readCostInputs();
    assert.equal(COST_INPUTS.nodeHour, prices['node']?.amount);
    assert.equal(COST_INPUTS.gigabyteMonth, prices['storageHotZrs']?.amount);
    assert.equal(COST_INPUTS.archivedGigabyteMonth, prices['storageArchiveGrs']?.amount);
    const taskMs = 8 * 3_600_000;
    const copied = costEstimateOf({ taskMs, outputBytes: 3e9, archivedBytes: 1e9 });
    assert.ok(Math.abs(copied - (0.452 + 2 * 0.026 + 0.00299)) < 1e-9);
  });

  it('has as many slots on a node as the pools of the environments', () => {
    for (const path of globSync('bicep/environments/*.bicepparam'))
      assert.match(
        readFileSync(path, 'utf8'),
        new RegExp(`executionTaskSlots: ${COST_INPUTS.slotsPerNode}\\b`),
        path,
      );
  });
});
