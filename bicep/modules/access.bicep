metadata description = 'Who may do what: every role assignment of bicep/access.json, and no other.'

import { identityType, zoneAccountType } from '../types.bicep'

@description('Required. The identities.')
param identities identityType[]
@description('Required. All storage accounts.')
param accounts zoneAccountType[]
@description('Required. Service Bus namespace.')
param serviceBusName string
@description('Required. Cosmos DB account.')
param cosmosName string
@description('Required. Database in it.')
param databaseName string
@description('Required. Batch account.')
param batchName string
@description('Required. Container registry.')
param registryName string
@description('Required. Key vault.')
param keyVaultName string
@description('Required. Event Grid topic with our events.')
param eventsTopicName string
@description('Required. Application Insights component.')
param insightsName string

// The table docs/infrastructure/role-assignments.md is generated from this file, with the reason of each line.
var grants = loadJsonContent('../access.json')
var roleIds = loadJsonContent('../role-definitions.json')
var cosmosDataContributor = '00000000-0000-0000-0000-000000000002'
var principals = toObject(identities, identity => identity.name, identity => identity.principalId)

var onStorage = flatten(map(
  filter(grants, grant => grant.service == 'storage'),
  grant =>
    map(
      filter(range(0, length(accounts)), i => contains(grant.zones, accounts[i].zone)),
      i => { identity: grant.identity, role: grant.role, account: i }
    )
))
var onNamespace = filter(grants, grant => grant.service == 'serviceBus' && !contains(grant, 'queue'))
var onQueue = filter(grants, grant => grant.service == 'serviceBus' && contains(grant, 'queue'))
var onBatch = filter(grants, grant => grant.service == 'batch')
var onEventGrid = filter(grants, grant => grant.service == 'eventGrid')
var onRegistry = filter(grants, grant => grant.service == 'registry')
var onKeyVault = filter(grants, grant => grant.service == 'keyVault')
var onInsights = filter(grants, grant => grant.service == 'insights')
var onCosmos = filter(grants, grant => grant.service == 'cosmos')

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = [for account in accounts: { name: account.name }]
resource serviceBus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = { name: serviceBusName }
resource queues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = [
  for grant in onQueue: { parent: serviceBus, name: grant.queue }
]
resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = { name: cosmosName }
resource batch 'Microsoft.Batch/batchAccounts@2024-07-01' existing = { name: batchName }
resource eventsTopic 'Microsoft.EventGrid/topics@2025-02-15' existing = { name: eventsTopicName }
resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = { name: registryName }
resource keyVault 'Microsoft.KeyVault/vaults@2024-11-01' existing = { name: keyVaultName }
resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: insightsName }

resource storageGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in onStorage: {
    scope: storage[grant.account]
    name: guid(storage[grant.account].id, grant.identity, grant.role)
    properties: {
      principalId: principals[grant.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource namespaceGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in onNamespace: {
    scope: serviceBus
    name: guid(serviceBus.id, grant.identity, grant.role)
    properties: {
      principalId: principals[grant.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource queueGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (grant, i) in onQueue: {
    scope: queues[i]
    name: guid(queues[i].id, grant.identity, grant.role)
    properties: {
      principalId: principals[grant.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource batchGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in onBatch: {
    scope: batch
    name: guid(batch.id, grant.identity, grant.role)
    properties: {
      principalId: principals[grant.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource eventGridGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in onEventGrid: {
    scope: eventsTopic
    name: guid(eventsTopic.id, grant.identity, grant.role)
    properties: {
      principalId: principals[grant.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource registryGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in onRegistry: {
    scope: registry
    name: guid(registry.id, grant.identity, grant.role)
    properties: {
      principalId: principals[grant.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource keyVaultGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in onKeyVault: {
    scope: keyVault
    name: guid(keyVault.id, grant.identity, grant.role)
    properties: {
      principalId: principals[grant.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

resource insightsGrants 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for grant in onInsights: {
    scope: insights
    name: guid(insights.id, grant.identity, grant.role)
    properties: {
      principalId: principals[grant.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[grant.role])
    }
  }
]

// Cosmos DB has a role system of its own for data.
resource cosmosGrants 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = [
  for grant in onCosmos: {
    parent: cosmos
    name: guid(cosmos.id, grant.identity, cosmosDataContributor)
    properties: {
      principalId: principals[grant.identity]
      roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/${cosmosDataContributor}'
      scope: '${cosmos.id}/dbs/${databaseName}'
    }
  }
]
