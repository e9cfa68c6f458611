metadata description = 'The shapes that modules hand to each other.'

@export()
@description('A user-assigned identity of one kind of process.')
type identityType = {
  @description('Kind of process: saga, handlers, publisher, api, orchestrator, execution, scaler, delivery.')
  name: string
  @description('Resource id.')
  id: string
  @description('Client id: what the process asks tokens for.')
  clientId: string
  @description('Object id: what roles are assigned to.')
  principalId: string
}

@export()
@description('A storage account of a zone. A zone is a set of accounts.')
type zoneAccountType = {
  @description('Account name, unique in all of Azure.')
  name: string
  @description('Zone, or operations for what Landfall keeps for itself.')
  zone: string
}

@export()
@description('The subnets everything private is reached through.')
type subnetsType = {
  @description('Container Apps: workers and the metadata API.')
  apps: string
  @description('Batch nodes.')
  batch: string
  @description('Private endpoints.')
  endpoints: string
}

@export()
@description('How large an environment is.')
type sizeType = {
  @description('Accounts per zone; a zone that is not named has one.')
  accountsPerZone: object
  @description('Messaging units of the Service Bus namespace.')
  serviceBusUnits: 1 | 2 | 4 | 8 | 16
  @description('Highest request units per second of the container measurements; the others take a tenth.')
  cosmosThroughputMax: int
  @description('Most nodes of the orchestrator pool.')
  orchestratorNodesMax: int
  @description('Most nodes of the execution pool.')
  executionNodesMax: int
  @description('Virtual machine of the execution pool. Its tasks decode on all cores and write to its local disk.')
  executionVmSize: string
  @description('Tasks that run on one execution node at once.')
  executionTaskSlots: int
  @description('Spread over availability zones where the service can.')
  zoneRedundant: bool
  @description('Redundancy of the archive. Archive tier exists on LRS, GRS and RA-GRS only.')
  archiveSku: 'Standard_LRS' | 'Standard_GRS' | 'Standard_RAGRS'
  @description('Second region of the metadata store; empty for none.')
  secondRegion: string
}
