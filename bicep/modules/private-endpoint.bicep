metadata description = 'A private endpoint of one resource, registered in private DNS.'

@description('Required. Region.')
param location string
@description('Required. Name of the endpoint.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Subnet of private endpoints.')
param subnetId string
@description('Required. Resource that is reached.')
param targetId string
@description('Required. Part of it that is reached, in the words of Private Link: blob, namespace, Sql, registry …')
param groupId string
@description('Required. Private DNS zone.')
param dnsZoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    customNetworkInterfaceName: '${name}-nic'
    privateLinkServiceConnections: [
      { name: groupId, properties: { privateLinkServiceId: targetId, groupIds: [groupId] } }
    ]
  }

  resource dns 'privateDnsZoneGroups' = {
    name: 'default'
    properties: { privateDnsZoneConfigs: [{ name: groupId, properties: { privateDnsZoneId: dnsZoneId } }] }
  }
}
