import type { ResourceManager } from '#adapters/azure/deployment/resource-manager.ts';
import { serviceBusEntities } from '#adapters/azure/service-bus/entities.ts';
import { type Finding, findingOf } from '#adapters/cli/findings.ts';
import { COMMANDS_TOPIC } from '#domain/topology.ts';
import { API_VERSIONS, type DeployedEnvironment } from './environment.ts';

/** The part of an entity that must be as the code expects, by the names of the entities file. */
interface Entity {
  readonly Name: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}
interface Subscription extends Entity {
  readonly Rules: readonly {
    readonly Properties: {
      readonly FilterType: 'Correlation' | 'Sql';
      readonly CorrelationFilter?: { readonly Properties: Readonly<Record<string, string>> };
      readonly SqlFilter?: { readonly SqlExpression: string };
    };
  }[];
}
interface Topic extends Entity {
  readonly Subscriptions: readonly Subscription[];
}

interface Deployed {
  readonly name: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

interface Differences {
  readonly missing: string[];
  readonly wrong: string[];
  readonly foreign: string[];
}

const API_VERSION = API_VERSIONS['Microsoft.ServiceBus/namespaces'];
/** Service Bus writes an endless duration, and days as it likes; these are compared as they were deployed. */
const COMPARED = [
  'MaxDeliveryCount',
  'LockDuration',
  'ForwardTo',
  'ForwardDeadLetteredMessagesTo',
  'RequiresDuplicateDetection',
  'RequiresSession',
] as const;
const REMEDY =
  'deploy bicep/main.bicep again: modules/messaging.bicep makes them from bicep/service-bus-entities.json, which must be that of this release';

/** Queues, topics, subscriptions and their only rule against what the stage graph makes of them. */
export async function examineServiceBus(
  manager: ResourceManager,
  environment: DeployedEnvironment,
): Promise<readonly Finding[]> {
  const namespace = environment.only('Microsoft.ServiceBus/namespaces');
  if (namespace === undefined) return [];
  const expected = expectedEntities();
  const differences: Differences = { missing: [], wrong: [], foreign: [] };
  const list = (path: string) => manager.list<Deployed>(`${namespace.id}/${path}`, API_VERSION);
  compareAll('queue', expected.Queues, await list('queues'), differences);
  compareAll('topic', expected.Topics, await list('topics'), differences);
  let count = expected.Queues.length + expected.Topics.length;
  for (const topic of expected.Topics) {
    const deployed = await list(`topics/${topic.Name}/subscriptions`);
    compareAll(`subscription ${topic.Name}/`, topic.Subscriptions, deployed, differences);
    for (const subscription of topic.Subscriptions) {
      count += 1;
      if (!deployed.some(({ name }) => name === subscription.Name)) continue;
      const rules = await list(`topics/${topic.Name}/subscriptions/${subscription.Name}/rules`);
      const problem = ruleProblem(subscription, rules);
      if (problem !== undefined)
        differences.wrong.push(`subscription ${topic.Name}/${subscription.Name}: ${problem}`);
    }
  }
  return findingsOf(differences, count);
}

function findingsOf({ missing, wrong, foreign }: Differences, count: number): readonly Finding[] {
  const problems = [...missing.map((entity) => `${entity} is missing`), ...wrong];
  const findings: Finding[] = [
    findingOf('Service Bus entities', problems, {
      ok: `${count} queues, topics and subscriptions, each as the code expects`,
      remedy: REMEDY,
    }),
  ];
  const stale = foreign.filter((entity) => !entity.startsWith('subscription events/'));
  if (stale.length > 0)
    findings.push({
      name: 'Service Bus, unknown entities',
      state: 'warning',
      found: stale.join(', '),
      remedy: `nothing of ours reads them: a subscription of ${COMMANDS_TOPIC} that nobody reads fills up. Remove what an older release left behind`,
    });
  return findings;
}

function compareAll(
  kind: string,
  expected: readonly Entity[],
  deployed: readonly Deployed[],
  differences: Differences,
): void {
  const label = (name: string) => (kind.endsWith('/') ? `${kind}${name}` : `${kind} ${name}`);
  for (const { Name, Properties } of expected) {
    const properties = deployed.find(({ name }) => name === Name)?.properties;
    if (properties === undefined) {
      differences.missing.push(label(Name));
      continue;
    }
    const { status } = properties;
    if (status !== undefined && status !== 'Active')
      differences.wrong.push(`${label(Name)} is ${String(status)}`);
    for (const property of COMPARED) {
      if (!(property in Properties)) continue;
      const actual =
        properties[`${property[0]?.toLowerCase()}${property.slice(1)}`] ?? defaultOf(Properties[property]);
      if (actual !== Properties[property])
        differences.wrong.push(
          `${label(Name)} has ${property} ${String(actual)} instead of ${String(Properties[property])}`,
        );
    }
  }
  for (const { name } of deployed)
    if (!expected.some(({ Name }) => Name === name)) differences.foreign.push(label(name));
}

/** Resource Manager leaves out what was never set. */
function defaultOf(expected: unknown): unknown {
  return typeof expected === 'string' ? '' : typeof expected === 'boolean' ? false : undefined;
}

/** Rules of a subscription are added up: one too many, such as the first `$Default`, lets everything through. */
function ruleProblem(subscription: Subscription, rules: readonly Deployed[]): string | undefined {
  const [rule, ...others] = rules;
  if (rule === undefined) return 'it has no rule, so nothing arrives';
  if (others.length > 0)
    return `it has the rules ${rules.map(({ name }) => name).join(', ')}, and all of them hold`;
  const expected = subscription.Rules[0]?.Properties;
  const { correlationFilter, sqlFilter } = rule.properties as {
    correlationFilter?: { properties?: Readonly<Record<string, string>> };
    sqlFilter?: { sqlExpression?: string };
  };
  const same =
    expected?.FilterType === 'Correlation'
      ? JSON.stringify(correlationFilter?.properties) ===
        JSON.stringify(expected.CorrelationFilter?.Properties)
      : sqlFilter?.sqlExpression === expected?.SqlFilter?.SqlExpression;
  return same ? undefined : `its rule ${rule.name} lets other messages through than this release expects`;
}

function expectedEntities(): { readonly Queues: readonly Entity[]; readonly Topics: readonly Topic[] } {
  const { UserConfig } = serviceBusEntities() as {
    UserConfig: { Namespaces: [{ Queues: readonly Entity[]; Topics: readonly Topic[] }] };
  };
  return UserConfig.Namespaces[0];
}
