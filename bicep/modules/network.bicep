metadata description = 'The virtual network: three subnets, a way out for Batch nodes, and private DNS.'

import { subnetsType } from '../types.bicep'

@description('Required. Region.')
param location string
@description('Required. Prefix of the names.')
param namePrefix string
@description('Required. Tags of all resources.')
param tags object
@description('Optional. Address space. Docker uses 172.17.0.0/16 on Batch nodes: stay clear of it.')
param addressSpace string = '10.40.0.0/16'

var zoneNames = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  dfs: 'privatelink.dfs.${environment().suffixes.storage}'
  serviceBus: 'privatelink.servicebus.windows.net'
  cosmos: 'privatelink.documents.azure.com'
  batch: 'privatelink.batch.azure.com'
  registry: 'privatelink.azurecr.io'
  keyVault: 'privatelink.vaultcore.azure.net'
  eventGrid: 'privatelink.eventgrid.azure.net'
}

resource securityGroup 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: '${namePrefix}-nsg'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'nothing-from-the-internet'
        properties: {
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource outboundAddress 'Microsoft.Network/publicIPAddresses@2024-07-01' = {
  name: '${namePrefix}-nat-ip'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

// Nodes without a public address have no way out of their own; they need one to Batch's node management.
resource nat 'Microsoft.Network/natGateways@2024-07-01' = {
  name: '${namePrefix}-nat'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: outboundAddress.id }], idleTimeoutInMinutes: 10 }
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: '${namePrefix}-vnet'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressSpace] }
    // Subnets are declared inside: as resources of their own, a second deployment would remove and add them.
    subnets: [
      {
        name: 'apps'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 23, 0)
          networkSecurityGroup: { id: securityGroup.id }
          delegations: [
            { name: 'container-apps', properties: { serviceName: 'Microsoft.App/environments' } }
          ]
          // Keeps the rule set of the Service Bus namespace from being empty; see messaging.bicep.
          serviceEndpoints: [{ service: 'Microsoft.ServiceBus' }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 24, 2)
          networkSecurityGroup: { id: securityGroup.id }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
      {
        name: 'batch'
        properties: {
          addressPrefix: cidrSubnet(addressSpace, 20, 1)
          networkSecurityGroup: { id: securityGroup.id }
          natGateway: { id: nat.id }
          defaultOutboundAccess: false
        }
      }
    ]
  }

  resource apps 'subnets' existing = { name: 'apps' }
  resource endpoints 'subnets' existing = { name: 'endpoints' }
  resource batch 'subnets' existing = { name: 'batch' }
}

resource dnsZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in items(zoneNames): {
    name: zone.value
    location: 'global'
    tags: tags
  }
]

resource dnsLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, i) in items(zoneNames): {
    parent: dnsZones[i]
    name: network.name
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: network.id } }
  }
]

@description('Resource id of the virtual network.')
output networkId string = network.id
@description('Resource ids of the subnets.')
output subnets subnetsType = {
  apps: network::apps.id
  batch: network::batch.id
  endpoints: network::endpoints.id
}
@description('Resource ids of the private DNS zones by service.')
output dnsZoneIds object = toObject(
  items(zoneNames),
  zone => zone.key,
  zone => resourceId('Microsoft.Network/privateDnsZones', zone.value)
)
