metadata description = 'Two identities for GitHub Actions: one that may look, one that may deploy. No secret exists for either.'

@description('Required. Region.')
param location string
@description('Required. Name of the environment.')
param environmentName string
@description('Required. GitHub repository, as owner/name.')
param repository string
@description('Required. Tags.')
param tags object

var roleIds = loadJsonContent('../role-definitions.json')
var issuer = 'https://token.actions.githubusercontent.com'
var contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
var roleAdministrator = 'f58310d9-a9f6-439a-9e8d-f62e7b41a168'
// Contributor may not assign policies.
var policyContributor = '36243c78-bf99-498c-9df9-86d9f8d28608'
var reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
// The deploying identity may assign the roles of bicep/role-definitions.json to service principals, and no others.
var assignableRoles = join(map(items(roleIds), role => role.value), ', ')
var write = '(!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${assignableRoles}} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase \'ServicePrincipal\')'
var delete = '(!(ActionMatches{\'Microsoft.Authorization/roleAssignments/delete\'})) OR (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${assignableRoles}})'

resource deploy 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'landfall-${environmentName}-deploy'
  location: location
  tags: tags

  resource fromEnvironment 'federatedIdentityCredentials' = {
    name: 'github-environment'
    properties: {
      issuer: issuer
      subject: 'repo:${repository}:environment:${environmentName}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
}

resource plan 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'landfall-${environmentName}-plan'
  location: location
  tags: tags

  resource fromPullRequest 'federatedIdentityCredentials' = {
    name: 'github-pull-request'
    properties: {
      issuer: issuer
      subject: 'repo:${repository}:pull_request'
      audiences: ['api://AzureADTokenExchange']
    }
  }
}

// What-if is an action that Reader lacks.
resource whatIf 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'landfall-what-if')
  properties: {
    roleName: 'Landfall what-if (${environmentName})'
    description: 'Asks what a deployment would change, and changes nothing.'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: [
          'Microsoft.Resources/deployments/whatIf/action'
          'Microsoft.Resources/deployments/validate/action'
          'Microsoft.Resources/deployments/read'
        ]
        notActions: []
      }
    ]
  }
}

resource planReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, plan.name, reader)
  properties: {
    principalId: plan.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', reader)
  }
}

resource planAsksWhatIf 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, plan.name, 'what-if')
  properties: {
    principalId: plan.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: whatIf.id
  }
}

resource deployContributes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, deploy.name, contributor)
  properties: {
    principalId: deploy.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributor)
  }
}

resource deployAssignsPolicies 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, deploy.name, policyContributor)
  properties: {
    principalId: deploy.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', policyContributor)
  }
}

resource deployAssignsRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, deploy.name, roleAdministrator)
  properties: {
    principalId: deploy.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleAdministrator)
    condition: '(${write}) AND (${delete})'
    conditionVersion: '2.0'
  }
}

@description('Client id of the identity that deploys.')
output deployClientId string = deploy.properties.clientId
@description('Client id of the identity that plans.')
output planClientId string = plan.properties.clientId
