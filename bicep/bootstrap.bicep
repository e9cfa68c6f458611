metadata name = 'Landfall bootstrap'
metadata description = 'Once per environment, by a person: the resource group, and the identities that GitHub Actions plans and deploys as.'

targetScope = 'subscription'

@description('Required. Name of the environment.')
param environmentName 'dev' | 'test' | 'prod'
@description('Optional. Region.')
param location string = deployment().location
@description('Required. GitHub repository, as owner/name.')
param repository string

var tags = { application: 'landfall', environment: environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'landfall-${environmentName}'
  location: location
  tags: tags
}

module identities 'modules/bootstrap-identities.bicep' = {
  name: 'bootstrap-identities'
  scope: group
  params: { location: location, environmentName: environmentName, repository: repository, tags: tags }
}

@description('AZURE_CLIENT_ID of the GitHub environment.')
output deployClientId string = identities.outputs.deployClientId
@description('AZURE_PLAN_CLIENT_ID of the repository, for pull requests.')
output planClientId string = identities.outputs.planClientId
