// Writes what is derived from the code: JSON Schemas of all messages, the AsyncAPI and OpenAPI documents, the stage
// graph in docs/ARCHITECTURE.md, the telemetry page, and what Bicep reads of Service Bus, Cosmos DB and storage.
// `--check` writes nothing and fails when a file is not what it would write.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CONTAINERS, indexingPolicyOf } from '#adapters/azure/cosmos/containers.ts';
import { serviceBusEntities } from '#adapters/azure/service-bus/entities.ts';
import { openApiDocument } from '#adapters/http/routes.ts';
import { asyncApiDocument } from '#adapters/published/asyncapi.ts';
import { messageSchemas } from '#adapters/published/message-schemas.ts';
import { stageGraphMarkdown } from '#adapters/published/stage-graph-diagram.ts';
import { queriesMarkdown, reportedMarkdown } from '#adapters/published/telemetry-page.ts';
import type { Grant } from '#composition/deployment/grant.ts';
import { containersOfZone, OPERATIONS_CONTAINERS } from '#composition/zone-containers.ts';
import { ZONES } from '#domain/vocabulary.ts';
import { readCostInputs } from './cost-model.ts';
import { withCostTables } from './cost-tables.ts';

const root = join(import.meta.dirname, '..');

function generatedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [type, schema] of messageSchemas()) files.set(`docs/schemas/${type}.json`, textOf(schema));
  files.set('docs/asyncapi.json', textOf(asyncApiDocument()));
  files.set('docs/openapi.json', textOf(openApiDocument()));
  files.set('docs/ARCHITECTURE.md', withSection('docs/ARCHITECTURE.md', 'stage graph', stageGraphMarkdown()));
  files.set('bicep/service-bus-entities.json', textOf(serviceBusEntities()));
  files.set('bicep/cosmos-containers.json', textOf(cosmosContainers()));
  files.set('bicep/zone-containers.json', textOf(zoneContainers()));
  files.set('docs/infrastructure/role-assignments.md', roleAssignments());
  const cost = readFileSync(join(root, 'docs/infrastructure/cost.md'), 'utf8');
  files.set('docs/infrastructure/cost.md', withCostTables(cost, readCostInputs()));
  files.set('docs/infrastructure/telemetry.md', telemetryPage());
  return files;
}

function telemetryPage(): string {
  const folder = join(root, 'bicep/queries');
  const queries = readdirSync(folder)
    .toSorted()
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const);
  const alerts = readFileSync(join(root, 'bicep/modules/alerts.bicep'), 'utf8');
  const alerting = queries.map(([name]) => name).filter((name) => alerts.includes(`/${name}'`));
  const path = 'docs/infrastructure/telemetry.md';
  const content = contentOf(path) ?? '';
  const reported = replaced(path, content, 'reported events', reportedMarkdown());
  return replaced(path, reported, 'queries', queriesMarkdown(new Map(queries), alerting));
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

const SCOPES: Readonly<Record<string, string>> = {
  serviceBus: 'Service Bus namespace',
  batch: 'Batch account',
  eventGrid: 'Event Grid topic with our events',
  registry: 'container registry',
  insights: 'Application Insights',
  keyVault: 'key vault',
  cosmos: 'database of the metadata store',
};

function roleAssignments(): string {
  const grants: readonly Grant[] = JSON.parse(readFileSync(join(root, 'bicep/access.json'), 'utf8'));
  const rows = grants.map(({ identity, role, service, zones, queue, why }) => {
    const scope =
      zones !== undefined
        ? `accounts: ${zones.join(', ')}`
        : queue !== undefined
          ? `queue ${queue}`
          : (SCOPES[service] ?? service);
    return `| ${identity} | ${role} | ${scope} | ${why} |`;
  });
  return `# Role assignments

Every role any process has in Azure, and why. Generated from \`bicep/access.json\` by \`npm run generate\`;
\`bicep/modules/access.bicep\` makes exactly these. Who runs as whom is in \`bicep/modules/services.bicep\`
(identity of each app) and \`bicep/modules/batch.bicep\` (identity of each pool).

| identity | role | on | because |
| --- | --- | --- | --- |
${rows.join('\n')}

GitHub Actions has two more identities per environment (\`bicep/bootstrap.bicep\`): \`plan\` reads the resource group and
asks for what-if; \`deploy\` is Contributor and Resource Policy Contributor of the resource group, and may assign the
roles above, to service principals, and no others.
`;
}

function textOf(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The file as it is, with one section replaced. @throws {Error} when the file has no such section. */
function withSection(path: string, name: string, text: string): string {
  return replaced(path, contentOf(path) ?? '', name, text);
}

function replaced(path: string, content: string, name: string, text: string): string {
  const begin = `<!-- generated by npm run generate: ${name} -->`;
  const end = `<!-- end of ${name} -->`;
  const [before, rest] = content.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) {
    throw new Error(`${path} has no section from ${begin} to ${end}; put both lines back where it belongs`);
  }
  return `${before}${begin}\n\n${text}\n\n${end}${after}`;
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
