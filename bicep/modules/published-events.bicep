metadata description = 'The Event Grid topic with our events, for teams that want push instead of a subscription.'

@description('Required. Region.')
param location string
@description('Required. Topic name.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Subnet of private endpoints.')
param endpointsSubnetId string
@description('Required. Private DNS zone of Event Grid.')
param dnsZoneId string
@description('Required. Log Analytics workspace.')
param workspaceId string

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Disabled'
    dataResidencyBoundary: 'WithinRegion'
  }
}

module endpoint 'private-endpoint.bicep' = {
  name: '${name}-endpoint'
  params: {
    location: location
    name: '${name}-endpoint'
    tags: tags
    subnetId: endpointsSubnetId
    targetId: topic.id
    groupId: 'topic'
    dnsZoneId: dnsZoneId
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: topic
  name: 'to-workspace'
  properties: { workspaceId: workspaceId, logs: [{ category: 'DeliveryFailures', enabled: true }] }
}

@description('Where events are published.')
output endpoint string = topic.properties.endpoint
