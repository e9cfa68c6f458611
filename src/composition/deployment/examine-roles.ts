import { readFileSync } from 'node:fs';
import type { ResourceManager } from '#adapters/azure/deployment/resource-manager.ts';
import type { Finding } from '#adapters/cli/findings.ts';
import { API_VERSIONS, type DeployedEnvironment, isSame, type ResourceType } from './environment.ts';
import type { Grant } from './grant.ts';

interface Assignment {
  readonly principalId: string;
  readonly roleId: string;
  readonly scope: string;
}

const ROLE_ASSIGNMENTS_API_VERSION = '2022-04-01';
const COSMOS_ROLE = 'Cosmos DB Built-in Data Contributor';
const COSMOS_ROLE_ID = '00000000-0000-0000-0000-000000000002';

const TYPE_OF_SERVICE: Readonly<Record<string, ResourceType>> = {
  serviceBus: 'Microsoft.ServiceBus/namespaces',
  batch: 'Microsoft.Batch/batchAccounts',
  eventGrid: 'Microsoft.EventGrid/topics',
  registry: 'Microsoft.ContainerRegistry/registries',
  keyVault: 'Microsoft.KeyVault/vaults',
  insights: 'Microsoft.Insights/components',
};

/** Every assignment of bicep/access.json is there, and our identities have no other. One finding per identity. */
export async function examineRoles(
  manager: ResourceManager,
  environment: DeployedEnvironment,
): Promise<readonly Finding[]> {
  const grants = read<readonly Grant[]>('access.json');
  const roleIds = read<Readonly<Record<string, string>>>('role-definitions.json');
  const principals = environment.identities();
  const assigned = await assignments(manager, environment);
  const nameOf = new Map(
    Object.entries({ ...roleIds, [COSMOS_ROLE]: COSMOS_ROLE_ID }).map(([role, id]) => [id, role]),
  );
  return [...new Set(grants.map(({ identity }) => identity))].map((identity) => {
    const principalId = principals.get(identity);
    if (principalId === undefined) return missingIdentity(identity);
    const expected = grants
      .filter((grant) => grant.identity === identity)
      .flatMap((grant) =>
        scopesOf(grant, environment).map(
          (scope): Assignment => ({
            principalId,
            roleId: grant.service === 'cosmos' ? COSMOS_ROLE_ID : (roleIds[grant.role] ?? ''),
            scope,
          }),
        ),
      );
    const actual = assigned.filter((assignment) => isSame(assignment.principalId, principalId));
    return compare(identity, expected, actual, (id) => nameOf.get(id) ?? id);
  });
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../bicep/${name}`, import.meta.url), 'utf8')) as T;
}

function missingIdentity(identity: string): Finding {
  return {
    name: `roles of ${identity}`,
    state: 'failed',
    found: 'there is no such identity',
    remedy: 'deploy bicep/main.bicep again: modules/identity.bicep makes it',
  };
}

function compare(
  identity: string,
  expected: readonly Assignment[],
  actual: readonly Assignment[],
  nameOf: (roleId: string) => string,
): Finding {
  const name = `roles of ${identity}`;
  const isAmong = (one: Assignment, others: readonly Assignment[]) =>
    others.some((other) => isSame(other.roleId, one.roleId) && isSame(other.scope, one.scope));
  const text = ({ roleId, scope }: Assignment) => `${nameOf(roleId)} on ${scope.split('/').at(-1)}`;
  const missing = expected.filter((one) => !isAmong(one, actual));
  const [first] = missing;
  if (first !== undefined) {
    const assign =
      first.roleId === COSMOS_ROLE_ID
        ? `az cosmosdb sql role assignment create --role-definition-id ${first.roleId} --principal-id ${first.principalId} --scope ${first.scope}`
        : `az role assignment create --role "${nameOf(first.roleId)}" --assignee-object-id ${first.principalId} --assignee-principal-type ServicePrincipal --scope ${first.scope}`;
    return {
      name,
      state: 'failed',
      found: `${missing.length} of ${expected.length} missing: ${missing.map(text).join(', ')}`,
      remedy: `deploy again, which assigns them; or one by one, for example: ${assign}`,
    };
  }
  const extra = actual.filter((one) => !isAmong(one, expected));
  const [unknown] = extra;
  if (unknown !== undefined)
    return {
      name,
      state: 'warning',
      found: `more than bicep/access.json gives it: ${extra.map(text).join(', ')}`,
      remedy: `take it away, or write it into the table with its reason: az role assignment delete --assignee ${unknown.principalId} --role ${unknown.roleId} --scope ${unknown.scope}`,
    };
  return { name, state: 'ok', found: `${expected.length}, as bicep/access.json says` };
}

function scopesOf(grant: Grant, environment: DeployedEnvironment): readonly string[] {
  if (grant.service === 'storage')
    return (grant.zones ?? []).flatMap((zone) => environment.accountsOf(zone).map(({ id }) => id));
  if (grant.service === 'cosmos') {
    const account = environment.only('Microsoft.DocumentDB/databaseAccounts');
    return account === undefined ? [] : [`${account.id}/dbs/landfall`];
  }
  const type = TYPE_OF_SERVICE[grant.service];
  const resource = type === undefined ? undefined : environment.only(type);
  if (resource === undefined) return [];
  return [grant.queue === undefined ? resource.id : `${resource.id}/queues/${grant.queue}`];
}

/** Those of Resource Manager, at the group, in it and above it, and those of Cosmos DB, which keeps its own. */
async function assignments(
  manager: ResourceManager,
  environment: DeployedEnvironment,
): Promise<readonly Assignment[]> {
  interface Listed {
    readonly properties: {
      readonly principalId: string;
      readonly roleDefinitionId: string;
      readonly scope: string;
    };
  }
  const cosmos = environment.only('Microsoft.DocumentDB/databaseAccounts');
  const listed = [
    ...(await manager.list<Listed>(
      `${environment.groupPath}/providers/Microsoft.Authorization/roleAssignments`,
      ROLE_ASSIGNMENTS_API_VERSION,
    )),
    ...(cosmos === undefined
      ? []
      : await manager.list<Listed>(
          `${cosmos.id}/sqlRoleAssignments`,
          API_VERSIONS['Microsoft.DocumentDB/databaseAccounts'],
        )),
  ];
  return listed.map(({ properties: { principalId, roleDefinitionId, scope } }) => ({
    principalId,
    roleId: roleDefinitionId.split('/').at(-1) ?? '',
    scope,
  }));
}
