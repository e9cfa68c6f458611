metadata description = 'The container registry. Images are imported by digest; nobody pushes.'

@description('Required. Region.')
param location string
@description('Required. Registry name, unique in all of Azure.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Spread over availability zones.')
param zoneRedundant bool
@description('Required. Subnet of private endpoints.')
param endpointsSubnetId string
@description('Required. Private DNS zone of registries.')
param dnsZoneId string
@description('Required. Log Analytics workspace.')
param workspaceId string

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Premium' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    publicNetworkAccess: 'Disabled'
    // `az acr import`, which brings the images, runs as a trusted service.
    networkRuleBypassOptions: 'AzureServices'
    zoneRedundancy: zoneRedundant ? 'Enabled' : 'Disabled'
    policies: { retentionPolicy: { status: 'enabled', days: 30 } }
  }
}

module endpoint 'private-endpoint.bicep' = {
  name: '${name}-endpoint'
  params: {
    location: location
    name: '${name}-endpoint'
    tags: tags
    subnetId: endpointsSubnetId
    targetId: registry.id
    groupId: 'registry'
    dnsZoneId: dnsZoneId
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: registry
  name: 'to-workspace'
  properties: { workspaceId: workspaceId, logs: [{ categoryGroup: 'allLogs', enabled: true }] }
}

@description('Host that images are pulled from.')
output loginServer string = registry.properties.loginServer
