metadata description = 'The zones: every account of every zone, all from one table.'

import { subnetsType, zoneAccountType } from '../types.bicep'

@description('Required. Region.')
param location string
@description('Required. Tags of all accounts; each gets its zone on top.')
param tags object
@description('Required. The accounts.')
param accounts zoneAccountType[]
@description('Required. Spread over availability zones.')
param zoneRedundant bool
@description('Required. Redundancy of the archive.')
param archiveSku 'Standard_LRS' | 'Standard_GRS' | 'Standard_RAGRS'
@description('Required. The subnets.')
param subnets subnetsType
@description('Required. Private DNS zones by service.')
param dnsZoneIds object
@description('Required. Log Analytics workspace.')
param workspaceId string

// Containers come from the code (src/composition/zone-containers.ts): `npm run generate` writes this file.
var containersOfZone = loadJsonContent('../zone-containers.json')
// Landing has folders that can be renamed at once, and raises events; see docs/infrastructure/README.md, "Zones".
var hierarchicalZones = ['landing']
// Data Box writes into Landing and Event Grid into operations; both come as trusted services.
var zonesForTrustedServices = ['landing', 'operations']
// Landing is emptied once two verified copies exist: what is removed there must not be paid for twice.
var zonesWithoutUndelete = ['landing']
// Written once, and frozen by the lifecycle rules: tiers below cool do not exist on zone-redundant accounts.
var archiveZones = ['archive']

module zoneAccounts 'storage-account.bicep' = [
  for account in accounts: {
    name: 'storage-${account.name}'
    params: {
      location: location
      name: account.name
      tags: union(tags, { 'landfall-zone': account.zone })
      sku: contains(archiveZones, account.zone) ? archiveSku : zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
      hierarchical: contains(hierarchicalZones, account.zone)
      forTrustedServices: contains(zonesForTrustedServices, account.zone)
      undeleteDays: contains(zonesWithoutUndelete, account.zone) ? 0 : 7
      containers: containersOfZone[account.zone]
      lifecycleRules: loadJsonContent('../lifecycle-rules.json')[account.zone]
      endpointsSubnetId: subnets.endpoints
      blobDnsZoneId: dnsZoneIds.blob
      dfsDnsZoneId: dnsZoneIds.dfs
      workspaceId: workspaceId
    }
  }
]
