// `npm run bench -- <bench> [options]`: one measurement of the product, printed as tables for docs/benchmarks.md.
const BENCHES: Readonly<Record<string, () => Promise<{ run(words: readonly string[]): Promise<number> }>>> = {
  formats: () => import('#test/bench/formats/formats.ts'),
  road: () => import('#test/bench/road/road.ts'),
};

const [name = '', ...words] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(`There is no bench "${name}". There are: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
process.exit(await (await bench()).run(words));
