metadata description = 'Azure Policy on the resource group: what no later change may undo. All are built-in definitions.'

@description('Optional. Whether a violation is refused, or only reported.')
param effect 'Deny' | 'Audit' = 'Deny'
@description('Required. Regions that resources may be in.')
param allowedRegions string[]

// Definition ids are those of the built-in policies; docs/infrastructure/README.md says how to look them up.
var policies = [
  { name: 'storage-without-keys', definition: '8c6a50c6-9ffd-4ae7-986f-5fa6111f9a54' }
  { name: 'storage-without-public-blobs', definition: '4fa4b6c0-31ca-4c0d-b10d-24b96f62a751' }
  { name: 'storage-over-https', definition: '404c3081-a854-4457-ae30-26a93ef643f9' }
  { name: 'metadata-store-without-keys', definition: '5450f5bd-9c72-4390-a9c4-a7aba4edfdd2' }
  { name: 'service-bus-without-keys', definition: 'cfb11c26-f069-4c14-8e36-56c394dae5af' }
  { name: 'batch-without-keys', definition: '6f68b69f-05fe-49cd-b361-777ee9ca7e35' }
  { name: 'registry-without-admin', definition: 'dc921057-6b28-4fbe-9b83-f7bec05db6c2' }
  { name: 'event-grid-without-keys', definition: 'ae9fb87f-8a17-4428-94a4-8135d431055c' }
]

resource assignments 'Microsoft.Authorization/policyAssignments@2025-03-01' = [
  for policy in policies: {
    name: policy.name
    properties: {
      displayName: 'Landfall: ${replace(policy.name, '-', ' ')}'
      policyDefinitionId: tenantResourceId('Microsoft.Authorization/policyDefinitions', policy.definition)
      enforcementMode: 'Default'
      parameters: { effect: { value: effect } }
    }
  }
]

resource regions 'Microsoft.Authorization/policyAssignments@2025-03-01' = {
  name: 'regions'
  properties: {
    displayName: 'Landfall: a measurement never leaves its home region'
    policyDefinitionId: tenantResourceId(
      'Microsoft.Authorization/policyDefinitions',
      'e56962a6-4747-49cd-b67b-bf8b01975c4c'
    )
    enforcementMode: effect == 'Deny' ? 'Default' : 'DoNotEnforce'
    parameters: { listOfAllowedLocations: { value: allowedRegions } }
  }
}
