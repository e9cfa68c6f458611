metadata description = 'Private DNS for the domain of the Container Apps environment, so that Batch nodes find the API.'

@description('Required. Domain of the environment.')
param domain string
@description('Required. Address of its ingress.')
param address string
@description('Required. Virtual network that may ask.')
param networkId string
@description('Required. Tags.')
param tags object

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: domain
  location: 'global'
  tags: tags

  resource everyApp 'A' = {
    name: '*'
    properties: { ttl: 300, aRecords: [{ ipv4Address: address }] }
  }

  resource link 'virtualNetworkLinks' = {
    name: 'network'
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
}
