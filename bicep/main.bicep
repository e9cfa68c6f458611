metadata name = 'Landfall'
metadata description = 'Event-driven DataOps for automated driving: one environment in one resource group, in the order data flows.'

import { sizeType } from 'types.bicep'

targetScope = 'resourceGroup'

@description('Required. Name of the environment.')
param environmentName 'dev' | 'test' | 'prod'
@description('Optional. Region: the home of everything that is measured.')
param location string = resourceGroup().location
@description('Required. How large the environment is.')
param size sizeType
@description('Optional. Digest per image (sha256:…), by image name without landfall/; services is that of all workers and the API. Empty until images are built: then no process is deployed.')
param imageDigests object = {}
@description('Optional. Mount the raw zone on execution nodes, read-only.')
param mountRawZone bool = false
@description('Optional. Who is told when an alert fires.')
param alertEmailAddresses string[] = []
@description('Required. Budget per month, in the currency of the subscription.')
param monthlyBudget int
@description('Required. First day of the first month of the budget, as yyyy-MM-01.')
param budgetFirstDay string
@description('Optional. Whether policies refuse violations or report them.')
param policyEffect 'Deny' | 'Audit' = 'Deny'
@description('Required. Client id of the metadata API\'s registration in Entra ID (docs/infrastructure/README.md, "Roles of the metadata API").')
param apiClientId string
@description('Optional. Waiting times and other settings that differ from the defaults of src/composition/settings.ts, by variable.')
param settingOverrides object = {}

// Names. Unique in Azure and the same at every deployment: they depend on nothing but the resource group.
var token = take(uniqueString(resourceGroup().id), 8)
var namePrefix = 'landfall-${environmentName}'
var names = {
  serviceBus: '${namePrefix}-bus-${token}'
  cosmos: '${namePrefix}-meta-${token}'
  batch: 'lf${environmentName}batch${token}'
  registry: 'lf${environmentName}images${token}'
  keyVault: 'lf-${environmentName}-kv-${token}'
  eventsTopic: '${namePrefix}-events-${token}'
}
var tags = { application: 'landfall', environment: environmentName }
var database = 'landfall'

// Zones and the part of an account name each gives (24 letters and digits in all).
var zones = [
  { zone: 'landing', short: 'landing' }
  { zone: 'raw', short: 'raw' }
  { zone: 'extracted', short: 'extract' }
  { zone: 'synchronized', short: 'sync' }
  { zone: 'enriched', short: 'enrich' }
  { zone: 'scenes', short: 'scenes' }
  { zone: 'labeled', short: 'labeled' }
  { zone: 'archive', short: 'archive' }
  { zone: 'error', short: 'error' }
  { zone: 'operations', short: 'ops' }
]
var accounts = flatten(map(
  zones,
  entry =>
    map(range(1, size.accountsPerZone[?entry.zone] ?? 1), number => {
      name: 'lf${environmentName}${entry.short}${padLeft(number, 2, '0')}${token}'
      zone: entry.zone
    })
))
var landingAccounts = filter(accounts, account => account.zone == 'landing')
var operationsAccount = first(filter(accounts, account => account.zone == 'operations'))!.name
var zoneAccounts = filter(accounts, account => account.zone != 'operations')

// Who: identities. Where: the network. Where to look: monitoring.
module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: { location: location, namePrefix: namePrefix, tags: tags }
}

module network 'modules/network.bicep' = {
  name: 'network'
  params: { location: location, namePrefix: namePrefix, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: { location: location, namePrefix: namePrefix, tags: tags }
}

// Bytes: the zones, from Landing to Labeled.
module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    tags: tags
    accounts: accounts
    zoneRedundant: size.zoneRedundant
    archiveSku: size.archiveSku
    subnets: network.outputs.subnets
    dnsZoneIds: network.outputs.dnsZoneIds
    workspaceId: monitoring.outputs.workspaceId
  }
}

// Commands and events.
module messaging 'modules/messaging.bicep' = {
  name: 'messaging'
  params: {
    location: location
    name: names.serviceBus
    tags: tags
    capacity: size.serviceBusUnits
    appsSubnetId: network.outputs.subnets.apps
    endpointsSubnetId: network.outputs.subnets.endpoints
    dnsZoneId: network.outputs.dnsZoneIds.serviceBus
    workspaceId: monitoring.outputs.workspaceId
  }
}

module publishedEvents 'modules/published-events.bicep' = {
  name: 'published-events'
  params: {
    location: location
    name: names.eventsTopic
    tags: tags
    endpointsSubnetId: network.outputs.subnets.endpoints
    dnsZoneId: network.outputs.dnsZoneIds.eventGrid
    workspaceId: monitoring.outputs.workspaceId
  }
}

// Sagas, documents, lineage.
module metadataStore 'modules/metadata-store.bicep' = {
  name: 'metadata-store'
  params: {
    location: location
    name: names.cosmos
    tags: tags
    databaseName: database
    throughputMax: size.cosmosThroughputMax
    zoneRedundant: size.zoneRedundant
    secondRegion: size.secondRegion
    endpointsSubnetId: network.outputs.subnets.endpoints
    dnsZoneId: network.outputs.dnsZoneIds.cosmos
    workspaceId: monitoring.outputs.workspaceId
  }
}

// Images, secrets, and the work in Batch.
module registry 'modules/registry.bicep' = {
  name: 'registry'
  params: {
    location: location
    name: names.registry
    tags: tags
    zoneRedundant: size.zoneRedundant
    endpointsSubnetId: network.outputs.subnets.endpoints
    dnsZoneId: network.outputs.dnsZoneIds.registry
    workspaceId: monitoring.outputs.workspaceId
  }
}

module keyVault 'modules/keyvault.bicep' = {
  name: 'key-vault'
  params: {
    location: location
    name: names.keyVault
    tags: tags
    endpointsSubnetId: network.outputs.subnets.endpoints
    dnsZoneId: network.outputs.dnsZoneIds.keyVault
    workspaceId: monitoring.outputs.workspaceId
  }
}

var identities = toObject(identity.outputs.identities, entry => entry.name, entry => entry)
var taskDigests = filter(items(imageDigests), entry => entry.key != 'services')
var taskImages = toObject(
  taskDigests,
  entry => 'landfall/${entry.key}',
  entry => '${registry.outputs.loginServer}/landfall/${entry.key}@${entry.value}'
)

module batch 'modules/batch.bicep' = {
  name: 'batch'
  params: {
    location: location
    name: names.batch
    tags: tags
    size: size
    orchestratorIdentity: identities.orchestrator
    executionIdentity: identities.execution
    loginServer: registry.outputs.loginServer
    images: map(items(taskImages), entry => entry.value)
    rawAccounts: map(filter(accounts, account => account.zone == 'raw'), account => account.name)
    mountRawZone: mountRawZone
    subnets: network.outputs.subnets
    dnsZoneId: network.outputs.dnsZoneIds.batch
    workspaceId: monitoring.outputs.workspaceId
  }
}

// Who may do what, once everything is there.
module access 'modules/access.bicep' = {
  name: 'access'
  params: {
    identities: identity.outputs.identities
    accounts: accounts
    serviceBusName: names.serviceBus
    cosmosName: names.cosmos
    databaseName: database
    batchName: names.batch
    registryName: names.registry
    keyVaultName: names.keyVault
    eventsTopicName: names.eventsTopic
    insightsName: monitoring.outputs.insightsName
  }
  dependsOn: [storage, messaging, publishedEvents, metadataStore, registry, keyVault, batch]
}

// From here things move: what lands becomes a message …
module landingEvents 'modules/landing-events.bicep' = {
  name: 'landing-events'
  params: {
    location: location
    tags: tags
    landingAccounts: landingAccounts
    operationsAccountName: operationsAccount
    serviceBusName: names.serviceBus
    deliveryIdentity: identities.delivery
    workspaceId: monitoring.outputs.workspaceId
  }
  dependsOn: [access]
}

// … and the processes take it.
module appsEnvironment 'modules/apps-environment.bicep' = {
  name: 'apps-environment'
  params: {
    location: location
    namePrefix: namePrefix
    tags: tags
    zoneRedundant: size.zoneRedundant
    appsSubnetId: network.outputs.subnets.apps
    workspaceId: monitoring.outputs.workspaceId
  }
}

module appsDns 'modules/apps-dns.bicep' = {
  name: 'apps-dns'
  params: {
    domain: appsEnvironment.outputs.defaultDomain
    address: appsEnvironment.outputs.staticIp
    networkId: network.outputs.networkId
    tags: tags
  }
}

var apiAddress = 'https://api.${appsEnvironment.outputs.defaultDomain}'
// What src/composition/settings.ts reads; test/infrastructure compares the two.
var settings = union(
  {
    LANDFALL_REGION: location
    LANDFALL_SERVICE_BUS_NAMESPACE: '${names.serviceBus}.servicebus.windows.net'
    LANDFALL_COSMOS_ENDPOINT: metadataStore.outputs.endpoint
    LANDFALL_COSMOS_DATABASE: database
    LANDFALL_BATCH_ENDPOINT: batch.outputs.endpoint
    LANDFALL_BATCH_ACCOUNT: names.batch
    LANDFALL_EVENT_GRID_ENDPOINT: publishedEvents.outputs.endpoint
    LANDFALL_STORAGE_ENDPOINTS: string(toObject(
      accounts,
      account => account.name,
      account => 'https://${account.name}.blob.${environment().suffixes.storage}'
    ))
    LANDFALL_OPERATIONS_ACCOUNT: operationsAccount
    LANDFALL_ZONE_ACCOUNTS: string(map(zoneAccounts, account => {
      account: account.name
      zone: account.zone
      region: location
      weight: 1
    }))
    LANDFALL_TASK_IMAGES: string(taskImages)
    LANDFALL_API: apiAddress
    LANDFALL_API_AUTHORITY: '${environment().authentication.loginEndpoint}${tenant().tenantId}'
    LANDFALL_API_CLIENT_ID: apiClientId
  },
  settingOverrides
)

module services 'modules/services.bicep' = if (contains(imageDigests, 'services')) {
  name: 'services'
  params: {
    location: location
    tags: tags
    appsEnvironmentId: appsEnvironment.outputs.id
    identities: identity.outputs.identities
    replicasMin: size.zoneRedundant ? 2 : 1
    serviceBusName: names.serviceBus
    loginServer: registry.outputs.loginServer
    image: '${registry.outputs.loginServer}/landfall/services@${imageDigests.?services ?? ''}'
    insightsName: monitoring.outputs.insightsName
    settings: settings
  }
  dependsOn: [access]
}

// Watching over all of it.
module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    namePrefix: namePrefix
    tags: tags
    emailAddresses: alertEmailAddresses
    workspaceId: monitoring.outputs.workspaceId
    serviceBusId: messaging.outputs.namespaceId
    systemTopicIds: landingEvents.outputs.systemTopicIds
    cosmosId: metadataStore.outputs.accountId
    batchId: batch.outputs.accountId
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

module budget 'modules/budget.bicep' = {
  name: 'budget'
  params: {
    name: namePrefix
    amount: monthlyBudget
    firstDay: budgetFirstDay
    actionGroupId: alerts.outputs.peopleId
  }
}

module policies 'modules/policies.bicep' = {
  name: 'policies'
  params: {
    effect: policyEffect
    allowedRegions: empty(size.secondRegion) ? [location, 'global'] : [location, size.secondRegion, 'global']
  }
}

@description('Address of the metadata API and the console, inside the virtual network.')
output apiAddress string = apiAddress
@description('Name of the container registry that images are imported into.')
output registryName string = names.registry
@description('The Landing accounts that recordings are uploaded to.')
output landingAccounts array = map(landingAccounts, account => account.name)
