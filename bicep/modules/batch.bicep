metadata description = 'Batch: the account, and two pools. Orchestrator copies and moves; execution decodes.'

import { identityType, sizeType, subnetsType } from '../types.bicep'

@description('Required. Region.')
param location string
@description('Required. Account name, unique in the region.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. How large the environment is.')
param size sizeType
@description('Required. Identity of the orchestrator pool. A node has one identity, so tasks need not name it.')
param orchestratorIdentity identityType
@description('Required. Identity of the execution pool.')
param executionIdentity identityType
@description('Required. Host of the container registry.')
param loginServer string
@description('Required. Task images by digest, fetched when a node starts. Empty before the first images are built.')
param images string[]
@description('Required. Accounts of the raw zone.')
param rawAccounts string[]
@description('Required. Mount the raw zone on execution nodes, read-only, for tasks of other teams that want paths. Ours read ranges.')
param mountRawZone bool
@description('Required. The subnets.')
param subnets subnetsType
@description('Required. Private DNS zone of Batch.')
param dnsZoneId string
@description('Required. Log Analytics workspace.')
param workspaceId string

resource account 'Microsoft.Batch/batchAccounts@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    poolAllocationMode: 'BatchService'
    allowedAuthenticationModes: ['AAD']
    publicNetworkAccess: 'Disabled'
  }
}

module orchestrator 'batch-pool.bicep' = {
  name: 'pool-orchestrator'
  params: {
    batchAccountName: account.name
    name: 'orchestrator'
    identityId: orchestratorIdentity.id
    vmSize: 'Standard_D4ds_v5'
    taskSlots: 16
    nodesMax: size.orchestratorNodesMax
    zoneRedundant: size.zoneRedundant
    loginServer: loginServer
    images: filter(images, image => contains(image, '/landfall/copy@'))
    mountedAccounts: []
    subnetId: subnets.batch
  }
}

module execution 'batch-pool.bicep' = {
  name: 'pool-execution'
  params: {
    batchAccountName: account.name
    name: 'execution'
    identityId: executionIdentity.id
    vmSize: size.executionVmSize
    taskSlots: size.executionTaskSlots
    nodesMax: size.executionNodesMax
    zoneRedundant: size.zoneRedundant
    loginServer: loginServer
    images: images
    mountedAccounts: mountRawZone ? rawAccounts : []
    subnetId: subnets.batch
  }
}

module accountEndpoint 'private-endpoint.bicep' = {
  name: '${name}-account-endpoint'
  params: {
    location: location
    name: '${name}-account-endpoint'
    tags: tags
    subnetId: subnets.endpoints
    targetId: account.id
    groupId: 'batchAccount'
    dnsZoneId: dnsZoneId
  }
}

module nodesEndpoint 'private-endpoint.bicep' = {
  name: '${name}-nodes-endpoint'
  params: {
    location: location
    name: '${name}-nodes-endpoint'
    tags: tags
    subnetId: subnets.endpoints
    targetId: account.id
    groupId: 'nodeManagement'
    dnsZoneId: dnsZoneId
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('Resource id of the account.')
output accountId string = account.id
@description('Endpoint of the account.')
output endpoint string = 'https://${account.properties.accountEndpoint}'
