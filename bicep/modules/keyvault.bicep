metadata description = 'Key Vault, empty: identities replace every secret so far. For credentials that partners hand us; decision 0073.'

@description('Required. Region.')
param location string
@description('Required. Vault name, unique in all of Azure.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Subnet of private endpoints.')
param endpointsSubnetId string
@description('Required. Private DNS zone of vaults.')
param dnsZoneId string
@description('Required. Log Analytics workspace.')
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enablePurgeProtection: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    publicNetworkAccess: 'Disabled'
    networkAcls: { bypass: 'None', defaultAction: 'Deny' }
  }
}

module endpoint 'private-endpoint.bicep' = {
  name: '${name}-endpoint'
  params: {
    location: location
    name: '${name}-endpoint'
    tags: tags
    subnetId: endpointsSubnetId
    targetId: vault.id
    groupId: 'vault'
    dnsZoneId: dnsZoneId
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'to-workspace'
  properties: { workspaceId: workspaceId, logs: [{ categoryGroup: 'allLogs', enabled: true }] }
}
