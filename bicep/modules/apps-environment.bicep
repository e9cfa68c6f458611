metadata description = 'The Container Apps environment, internal to the virtual network, and its name in private DNS.'

@description('Required. Region.')
param location string
@description('Required. Prefix of the names.')
param namePrefix string
@description('Required. Tags.')
param tags object
@description('Required. Spread over availability zones.')
param zoneRedundant bool
@description('Required. Subnet of the apps.')
param appsSubnetId string
@description('Required. Log Analytics workspace.')
param workspaceId string

resource apps 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: '${namePrefix}-apps'
  location: location
  tags: tags
  properties: {
    vnetConfiguration: { internal: true, infrastructureSubnetId: appsSubnetId }
    zoneRedundant: zoneRedundant
    workloadProfiles: [{ name: 'Consumption', workloadProfileType: 'Consumption' }]
    // By diagnostic setting: the direct way would ask for the workspace's key.
    appLogsConfiguration: { destination: 'azure-monitor' }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: apps
  name: 'to-workspace'
  properties: { workspaceId: workspaceId, logs: [{ categoryGroup: 'allLogs', enabled: true }] }
}

@description('Resource id of the environment.')
output id string = apps.id
@description('Domain below which apps are found.')
output defaultDomain string = apps.properties.defaultDomain
@description('Address of the ingress inside the virtual network.')
output staticIp string = apps.properties.staticIp
