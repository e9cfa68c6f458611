import {
  type BicepValue,
  type ResourceDeclaration,
  resourcesOf,
  valueAt,
  withoutComments,
} from './bicep-source.ts';

/** What must hold for a resource of a type: property path to what its expression must match. */
export const REQUIRED: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  'Microsoft.Storage/storageAccounts': {
    'properties.allowSharedKeyAccess': /^false$/,
    'properties.allowBlobPublicAccess': /^false$/,
    'properties.defaultToOAuthAuthentication': /^true$/,
    'properties.supportsHttpsTrafficOnly': /^true$/,
    'properties.minimumTlsVersion': /^'TLS1_2'$/,
    'properties.publicNetworkAccess': /^(forTrustedServices \? 'Enabled' : )?'Disabled'$/,
    'properties.networkAcls.defaultAction': /^'Deny'$/,
  },
  'Microsoft.Storage/storageAccounts/blobServices/containers': { 'properties.publicAccess': /^'None'$/ },
  'Microsoft.ServiceBus/namespaces': {
    'properties.disableLocalAuth': /^true$/,
    'properties.minimumTlsVersion': /^'1\.2'$/,
  },
  'Microsoft.ServiceBus/namespaces/networkRuleSets': { 'properties.defaultAction': /^'Deny'$/ },
  'Microsoft.DocumentDB/databaseAccounts': {
    'properties.disableLocalAuth': /^true$/,
    'properties.disableKeyBasedMetadataWriteAccess': /^true$/,
    'properties.minimalTlsVersion': /^'Tls12'$/,
    'properties.publicNetworkAccess': /^'Disabled'$/,
  },
  'Microsoft.EventGrid/topics': {
    'properties.disableLocalAuth': /^true$/,
    'properties.minimumTlsVersionAllowed': /^'1\.2'$/,
    'properties.publicNetworkAccess': /^'Disabled'$/,
  },
  'Microsoft.Batch/batchAccounts': {
    'properties.allowedAuthenticationModes': /^\['AAD'\]$/,
    'properties.publicNetworkAccess': /^'Disabled'$/,
  },
  'Microsoft.Batch/batchAccounts/pools': {
    'identity.type': /^'UserAssigned'$/,
    'properties.networkConfiguration.publicIPAddressConfiguration.provision': /^'NoPublicIPAddresses'$/,
  },
  'Microsoft.ContainerRegistry/registries': {
    'properties.adminUserEnabled': /^false$/,
    'properties.anonymousPullEnabled': /^false$/,
    'properties.publicNetworkAccess': /^'Disabled'$/,
  },
  'Microsoft.KeyVault/vaults': {
    'properties.enableRbacAuthorization': /^true$/,
    'properties.enablePurgeProtection': /^true$/,
    'properties.publicNetworkAccess': /^'Disabled'$/,
    'properties.networkAcls.defaultAction': /^'Deny'$/,
  },
  'Microsoft.OperationalInsights/workspaces': { 'properties.features.disableLocalAuth': /^true$/ },
  'Microsoft.Insights/components': { 'properties.DisableLocalAuth': /^true$/ },
  'Microsoft.App/managedEnvironments': { 'properties.vnetConfiguration.internal': /^true$/ },
  'Microsoft.App/containerApps': { 'identity.type': /^'UserAssigned'$/ },
  'Microsoft.App/jobs': { 'identity.type': /^'UserAssigned'$/ },
  'Microsoft.EventGrid/systemTopics/eventSubscriptions': {
    'properties.deliveryWithResourceIdentity.identity.type': /^'UserAssigned'$/,
    'properties.deadLetterWithResourceIdentity.identity.type': /^'UserAssigned'$/,
  },
};

/** Types that have nothing to secure in themselves. A type in neither list has not been thought about. */
const HARMLESS: readonly string[] = [
  'Microsoft.App/managedEnvironments/storages',
  'Microsoft.Authorization/policyAssignments',
  'Microsoft.Authorization/roleAssignments',
  'Microsoft.Authorization/roleDefinitions',
  'Microsoft.Consumption/budgets',
  'Microsoft.DocumentDB/databaseAccounts/sqlDatabases',
  'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers',
  'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments',
  'Microsoft.EventGrid/systemTopics',
  'Microsoft.Insights/actionGroups',
  'Microsoft.Insights/diagnosticSettings',
  'Microsoft.Insights/metricAlerts',
  'Microsoft.Insights/scheduledQueryRules',
  'Microsoft.Insights/workbooks',
  'Microsoft.ManagedIdentity/userAssignedIdentities',
  'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials',
  'Microsoft.Network/natGateways',
  'Microsoft.Network/networkSecurityGroups',
  'Microsoft.Network/privateDnsZones',
  'Microsoft.Network/privateDnsZones/A',
  'Microsoft.Network/privateDnsZones/virtualNetworkLinks',
  'Microsoft.Network/privateEndpoints',
  'Microsoft.Network/privateEndpoints/privateDnsZoneGroups',
  'Microsoft.Network/virtualNetworks',
  'Microsoft.Resources/resourceGroups',
  'Microsoft.ServiceBus/namespaces/queues',
  'Microsoft.ServiceBus/namespaces/topics',
  'Microsoft.ServiceBus/namespaces/topics/subscriptions',
  'Microsoft.ServiceBus/namespaces/topics/subscriptions/rules',
  'Microsoft.Storage/storageAccounts/blobServices',
  'Microsoft.Storage/storageAccounts/managementPolicies',
];

/** The only public address is the way out of Batch nodes; nothing listens on it. */
const OUTBOUND_ADDRESS = 'outboundAddress';

/** Services that are reached through a private endpoint from the same file, and nowhere else. */
const BEHIND_PRIVATE_ENDPOINTS: readonly string[] = [
  'Microsoft.Storage/storageAccounts',
  'Microsoft.ServiceBus/namespaces',
  'Microsoft.DocumentDB/databaseAccounts',
  'Microsoft.EventGrid/topics',
  'Microsoft.Batch/batchAccounts',
  'Microsoft.ContainerRegistry/registries',
  'Microsoft.KeyVault/vaults',
];

/** What is wrong in the sources, one sentence each. */
export function violationsOf(sources: ReadonlyMap<string, string>): readonly string[] {
  return [...sources].flatMap(([path, source]) => {
    const text = withoutComments(source);
    return [
      ...resourcesOf(path, source)
        .filter(({ existing }) => !existing)
        .flatMap((resource) => violationsOfResource(resource, text)),
      ...violationsOfText(path, text),
      ...undescribed(path, source),
    ];
  });
}

function violationsOfResource(resource: ResourceDeclaration, text: string): string[] {
  const { path, symbol, type, body } = resource;
  const at = `${path}: ${symbol}`;
  if (type === 'Microsoft.Network/publicIPAddresses')
    return symbol === OUTBOUND_ADDRESS ? [] : [`${at} is a public address`];
  const required = REQUIRED[type];
  if (required === undefined)
    return HARMLESS.includes(type) ? [] : [`${at}: ${type} is in no list of test/infrastructure/rules.ts`];
  const wrong = Object.entries(required).flatMap(([property, expected]) => {
    const value = valueAt(body, property);
    return typeof value === 'string' && expected.test(value)
      ? []
      : [`${at}: ${property} is ${shown(value)}, expected ${expected.source}`];
  });
  const unreached = BEHIND_PRIVATE_ENDPOINTS.includes(type) && !text.includes(`targetId: ${symbol}.id`);
  return unreached ? [...wrong, `${at} has no private endpoint`] : wrong;
}

function shown(value: BicepValue | undefined): string {
  return typeof value === 'string' ? value : value === undefined ? 'not set' : 'an object';
}

const FORBIDDEN: Readonly<Record<string, RegExp>> = {
  'reads a key': /\blist(Keys|AccountSas|ServiceSas|Secrets|ConnectionStrings|Credentials|\w*Keys)\s*\(/,
  'hands on a key or a connection string':
    /^output[^\n]*\n?[^\n]*(ConnectionString|InstrumentationKey|primaryKey|password)/im,
  'is different at every deployment': /\b(utcNow|newGuid)\s*\(/,
  'has a subscription or tenant written into it':
    /\/subscriptions\/[0-9a-f]{8}-|[^a-z]tenantId:\s*'[0-9a-f]{8}-/i,
  'allows requests without TLS': /allowInsecure:\s*true/,
  'uses a module from elsewhere': /^module\s+\w+\s+'(br|ts)[:/]/m,
};

function violationsOfText(path: string, text: string): string[] {
  return Object.entries(FORBIDDEN).flatMap(([what, pattern]) =>
    pattern.test(text) ? [`${path} ${what}`] : [],
  );
}

function undescribed(path: string, source: string): string[] {
  const lines = source.split('\n');
  return lines.flatMap((line, index) => {
    const declared = /^(param|output) (\w+)/.exec(line);
    if (declared === null) return [];
    let above = index - 1;
    while (/^@(min|max|allowed|secure)/.test(lines[above] ?? '')) above -= 1;
    return lines[above]?.startsWith('@description(') ? [] : [`${path}: ${declared[2]} has no description`];
  });
}
