// Writes what is derived from the code: JSON Schemas of all messages, and what Bicep reads of Service Bus, Cosmos DB
// and storage.
// `--check` writes nothing and fails when a file is not what it would write.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CONTAINERS, indexingPolicyOf } from '#adapters/azure/cosmos/containers.ts';
import { serviceBusEntities } from '#adapters/azure/service-bus/entities.ts';
import { messageSchemas } from '#adapters/published/message-schemas.ts';
import { containersOfZone, OPERATIONS_CONTAINERS } from '#composition/zone-containers.ts';
import { ZONES } from '#domain/vocabulary.ts';

const root = join(import.meta.dirname, '..');

export function generatedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [type, schema] of messageSchemas()) files.set(`docs/schemas/${type}.json`, textOf(schema));
  files.set('bicep/service-bus-entities.json', textOf(serviceBusEntities()));
  files.set('bicep/cosmos-containers.json', textOf(cosmosContainers()));
  files.set('bicep/zone-containers.json', textOf(zoneContainers()));
  return files;
}

function cosmosContainers(): object {
  return Object.values(CONTAINERS).map((container) => ({
    name: container.name,
    partitionKeyPath: container.partitionKeyPath,
    defaultTtlSeconds: container.defaultTtlSeconds,
    indexingPolicy: indexingPolicyOf(container),
  }));
}

function zoneContainers(): object {
  const ofZones = Object.fromEntries(ZONES.map((zone) => [zone, containersOfZone(zone)]));
  return { ...ofZones, operations: OPERATIONS_CONTAINERS };
}

function textOf(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Paths that are missing, stale, or no longer generated. */
export function staleFiles(): readonly string[] {
  const files = generatedFiles();
  const stale = [...files].filter(([path, text]) => contentOf(path) !== text).map(([path]) => path);
  const leftOver = readdirSync(join(root, 'docs/schemas'))
    .map((name) => `docs/schemas/${name}`)
    .filter((path) => !files.has(path));
  return [...stale, ...leftOver];
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const stale = staleFiles();
    for (const path of stale) console.error(`${path} is not what the code says; run: npm run generate`);
    process.exit(stale.length === 0 ? 0 : 1);
  }
  for (const [path, text] of generatedFiles()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
