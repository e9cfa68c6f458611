metadata description = 'A Batch pool: nodes with containers, no public addresses, one identity, scaled by what waits.'

@description('Required. Batch account name.')
param batchAccountName string
@description('Required. Pool id, as src/composition/tasks.ts names it.')
param name 'orchestrator' | 'execution'
@description('Required. The identity of the nodes.')
param identityId string
@description('Required. Virtual machine size, with a local disk.')
param vmSize string
@description('Required. Tasks on one node at once.')
@minValue(1)
@maxValue(256)
param taskSlots int
@description('Required. Most nodes.')
@minValue(1)
param nodesMax int
@description('Required. Spread nodes over availability zones.')
param zoneRedundant bool
@description('Required. Host of the container registry.')
param loginServer string
@description('Required. Images to fetch when a node starts.')
param images string[]
@description('Required. Storage accounts whose container recordings is mounted, read-only. Batch mounts ten at most.')
@maxLength(10)
param mountedAccounts string[]
@description('Required. Subnet of the nodes.')
param subnetId string

var formula = replace(
  replace(loadTextContent('../pool.autoscale'), '{taskSlots}', string(taskSlots)),
  '{nodesMax}',
  string(nodesMax)
)

// `landfall doctor --azure` compares the pools with the same file.
var image = loadJsonContent('../pool-image.json')

resource account 'Microsoft.Batch/batchAccounts@2024-07-01' existing = {
  name: batchAccountName
}

resource pool 'Microsoft.Batch/batchAccounts/pools@2024-07-01' = {
  parent: account
  name: name
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    vmSize: vmSize
    taskSlotsPerNode: taskSlots
    taskSchedulingPolicy: { nodeFillType: 'Pack' }
    deploymentConfiguration: {
      virtualMachineConfiguration: {
        imageReference: image.imageReference
        nodeAgentSkuId: image.nodeAgentSkuId
        containerConfiguration: {
          type: 'DockerCompatible'
          containerImageNames: images
          containerRegistries: [{ registryServer: loginServer, identityReference: { resourceId: identityId } }]
        }
        nodePlacementConfiguration: { policy: zoneRedundant ? 'Zonal' : 'Regional' }
      }
    }
    // By identity, not by NFS: NFS 3.0 knows no identities, and raises no events for what it writes.
    mountConfiguration: [
      for mounted in mountedAccounts: {
        azureBlobFileSystemConfiguration: {
          accountName: mounted
          containerName: 'recordings'
          relativeMountPath: mounted
          // Tasks are not the user who mounts.
          blobfuseOptions: '-o ro -o allow_other'
          identityReference: { resourceId: identityId }
        }
      }
    ]
    networkConfiguration: {
      subnetId: subnetId
      publicIPAddressConfiguration: { provision: 'NoPublicIPAddresses' }
    }
    scaleSettings: { autoScale: { evaluationInterval: 'PT5M', formula: formula } }
  }
}
