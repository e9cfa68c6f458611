using '../main.bicep'

param environmentName = 'test'
param size = {
  accountsPerZone: { raw: 2 }
  serviceBusUnits: 1
  cosmosThroughputMax: 10000
  orchestratorNodesMax: 2
  executionNodesMax: 8
  executionVmSize: 'Standard_D8ds_v5'
  executionTaskSlots: 8
  zoneRedundant: true
  archiveSku: 'Standard_LRS'
  secondRegion: ''
}

param alertEmailAddresses = empty(readEnvironmentVariable('LANDFALL_ALERT_EMAIL', ''))
  ? []
  : [readEnvironmentVariable('LANDFALL_ALERT_EMAIL', '')]
param monthlyBudget = 4000
param budgetFirstDay = '2026-11-01'
// The deploy workflow hands over what the images workflow built, for example {"services":"sha256:…","copy":"sha256:…"}.
param imageDigests = json(readEnvironmentVariable('LANDFALL_IMAGE_DIGESTS', '{}'))
// The registration of the metadata API is made once per tenant and environment; the workflow hands over its client id.
param apiClientId = readEnvironmentVariable('LANDFALL_API_CLIENT_ID', '')
