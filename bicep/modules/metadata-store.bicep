metadata description = 'Cosmos DB: the metadata store, with the containers that the code expects.'

@description('Required. Region.')
param location string
@description('Required. Account name, unique in all of Azure.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Database name.')
param databaseName string
@description('Required. Highest request units per second of the container measurements; the others take a tenth.')
@minValue(10000)
param throughputMax int
@description('Required. Spread over availability zones.')
param zoneRedundant bool
@description('Required. Second region, or empty.')
param secondRegion string
@description('Required. Subnet of private endpoints.')
param endpointsSubnetId string
@description('Required. Private DNS zone of Cosmos DB.')
param dnsZoneId string
@description('Required. Log Analytics workspace.')
param workspaceId string

// Written by `npm run generate` from src/adapters/azure/cosmos/containers.ts.
var containers = loadJsonContent('../cosmos-containers.json')
var firstLocation = [{ locationName: location, failoverPriority: 0, isZoneRedundant: zoneRedundant }]
var secondLocation = empty(secondRegion)
  ? []
  : [{ locationName: secondRegion, failoverPriority: 1, isZoneRedundant: false }]

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    locations: concat(firstLocation, secondLocation)
    // Within a session a reader sees what it wrote; the saga's batches carry etags.
    consistencyPolicy: { defaultConsistencyLevel: 'Session' }
    enableAutomaticFailover: !empty(secondRegion)
    enableMultipleWriteLocations: false
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: 'Disabled'
    networkAclBypass: 'None'
    backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }
  }

  resource database 'sqlDatabases' = {
    name: databaseName
    properties: { resource: { id: databaseName } }

    resource databaseContainers 'containers' = [
      for container in containers: {
        name: container.name
        properties: {
          options: {
            autoscaleSettings: {
              maxThroughput: container.name == 'measurements' ? throughputMax : throughputMax / 10
            }
          }
          resource: {
            id: container.name
            partitionKey: { kind: 'Hash', version: 2, paths: [container.partitionKeyPath] }
            defaultTtl: container.defaultTtlSeconds
            indexingPolicy: container.indexingPolicy
          }
        }
      }
    ]
  }
}

module endpoint 'private-endpoint.bicep' = {
  name: '${name}-endpoint'
  params: {
    location: location
    name: '${name}-endpoint'
    tags: tags
    subnetId: endpointsSubnetId
    targetId: account.id
    groupId: 'Sql'
    dnsZoneId: dnsZoneId
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [{ category: 'ControlPlaneRequests', enabled: true }, { category: 'PartitionKeyRUConsumption', enabled: true }]
  }
}

@description('Resource id of the account.')
output accountId string = account.id
@description('Endpoint of the account.')
output endpoint string = account.properties.documentEndpoint
