metadata description = 'Where everything reports to: a Log Analytics workspace and Application Insights on it.'

@description('Required. Region.')
param location string
@description('Required. Prefix of the names.')
param namePrefix string
@description('Required. Tags of all resources.')
param tags object
@description('Optional. Days that logs are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int = 90
@description('Optional. Most gigabytes a day; -1 for no limit.')
param dailyQuotaGb int = -1

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: '${namePrefix}-logs'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyQuotaGb }
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${namePrefix}-insights'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
    DisableIpMasking: false
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id
@description('Name of the Application Insights component. Its connection string is read where it is used, never handed on.')
output insightsName string = insights.name
@description('Resource id of the Application Insights component.')
output insightsId string = insights.id
