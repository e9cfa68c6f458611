metadata description = 'One storage account: private, without keys, with its containers and lifecycle rules.'

@description('Required. Region.')
param location string
@description('Required. Account name.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Redundancy.')
param sku 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_RAGRS'
@description('Required. Hierarchical namespace: folders are things of their own and are renamed at once.')
param hierarchical bool
@description('Required. Let trusted Azure services in (Event Grid, Data Box). Nobody else comes in from outside either way.')
param forTrustedServices bool
@description('Required. Days that deleted blobs can be brought back; 0 for none.')
@minValue(0)
@maxValue(365)
param undeleteDays int
@description('Required. Names of the containers.')
param containers string[]
@description('Required. Lifecycle rules, as Azure writes them. This is the only policy of the account.')
param lifecycleRules array
@description('Required. Subnet of private endpoints.')
param endpointsSubnetId string
@description('Required. Private DNS zone of blob endpoints.')
param blobDnsZoneId string
@description('Required. Private DNS zone of Data Lake endpoints.')
param dfsDnsZoneId string
@description('Required. Log Analytics workspace.')
param workspaceId string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    isHnsEnabled: hierarchical
    isNfsV3Enabled: false
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowedCopyScope: 'AAD'
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // 'Disabled' would shut trusted services out as well; the rule below shuts out all others.
    publicNetworkAccess: forTrustedServices ? 'Enabled' : 'Disabled'
    networkAcls: { bypass: forTrustedServices ? 'AzureServices' : 'None', defaultAction: 'Deny' }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: undeleteDays > 0 ? { enabled: true, days: undeleteDays } : { enabled: false }
      containerDeleteRetentionPolicy: { enabled: true, days: 30 }
    }

    resource containersOfAccount 'containers' = [
      for container in containers: {
        name: container
        properties: { publicAccess: 'None' }
      }
    ]
  }

  resource lifecycle 'managementPolicies' = if (!empty(lifecycleRules)) {
    name: 'default'
    properties: { policy: { rules: lifecycleRules } }
  }
}

module blobEndpoint 'private-endpoint.bicep' = {
  name: '${name}-blob-endpoint'
  params: {
    location: location
    name: '${name}-blob-endpoint'
    tags: tags
    subnetId: endpointsSubnetId
    targetId: account.id
    groupId: 'blob'
    dnsZoneId: blobDnsZoneId
  }
}

// The same data for Spark, Databricks and AzCopy: abfss:// goes through this one.
module dfsEndpoint 'private-endpoint.bicep' = {
  name: '${name}-dfs-endpoint'
  params: {
    location: location
    name: '${name}-dfs-endpoint'
    tags: tags
    subnetId: endpointsSubnetId
    targetId: account.id
    groupId: 'dfs'
    dnsZoneId: dfsDnsZoneId
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account::blobs
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    // Who deleted what; reads and writes of bulk data would cost more to keep than they tell.
    logs: [{ category: 'StorageDelete', enabled: true }]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}
