metadata description = 'One user-assigned identity per kind of process, so that each can do its own work and no other.'

@description('Required. Region.')
param location string
@description('Required. Prefix of the names.')
param namePrefix string
@description('Required. Tags of all resources.')
param tags object

var processes = [
  'saga' // the saga, the outbox relay, the sweeps, the dead-letter collector
  'handlers' // landing and the stages
  'tables' // the committer of the tables of fleets
  'publisher' // events to the Event Grid topic
  'api' // the metadata API and the console
  'orchestrator' // Batch: copies, moves, removals
  'execution' // Batch: everything that decodes recordings
  'scaler' // reads queue lengths for the autoscaler; no process can use it
  'delivery' // Event Grid, on its way to Service Bus
]

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = [
  for process in processes: {
    name: '${namePrefix}-${process}'
    location: location
    tags: tags
  }
]

@description('All identities.')
output identities array = [
  for (process, i) in processes: {
    name: process
    id: identities[i].id
    clientId: identities[i].properties.clientId
    principalId: identities[i].properties.principalId
  }
]
