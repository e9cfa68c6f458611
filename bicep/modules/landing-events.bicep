metadata description = 'Event Grid: what happens in Landing becomes a message in the queue landing.'

import { identityType, zoneAccountType } from '../types.bicep'

@description('Required. Region.')
param location string
@description('Required. Tags.')
param tags object
@description('Required. Accounts of the landing zone.')
param landingAccounts zoneAccountType[]
@description('Required. Account that keeps events nobody took.')
param operationsAccountName string
@description('Required. Service Bus namespace.')
param serviceBusName string
@description('Required. Identity that delivers. It must have its roles on the queue and the account already.')
param deliveryIdentity identityType
@description('Required. Log Analytics workspace.')
param workspaceId string

resource landings 'Microsoft.Storage/storageAccounts@2025-01-01' existing = [
  for account in landingAccounts: {
    name: account.name
  }
]

resource operations 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: operationsAccountName
}

resource landingQueue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = {
  name: '${serviceBusName}/landing'
}

// One system topic per account, all into one queue.
resource systemTopics 'Microsoft.EventGrid/systemTopics@2025-02-15' = [
  for (account, i) in landingAccounts: {
    name: '${account.name}-events'
    location: location
    tags: tags
    identity: { type: 'UserAssigned', userAssignedIdentities: { '${deliveryIdentity.id}': {} } }
    properties: { source: landings[i].id, topicType: 'Microsoft.Storage.StorageAccounts' }
  }
]

resource toLandingQueue 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [
  for (account, i) in landingAccounts: {
    parent: systemTopics[i]
    name: 'landing'
    properties: {
      eventDeliverySchema: 'CloudEventSchemaV1_0'
      deliveryWithResourceIdentity: {
        identity: { type: 'UserAssigned', userAssignedIdentity: deliveryIdentity.id }
        destination: { endpointType: 'ServiceBusQueue', properties: { resourceId: landingQueue.id } }
      }
      deadLetterWithResourceIdentity: {
        identity: { type: 'UserAssigned', userAssignedIdentity: deliveryIdentity.id }
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: { resourceId: operations.id, blobContainerName: 'event-grid-dead-letters' }
        }
      }
      // Everything that can be an arrival or a departure; the landing consumer looks at the blob and decides.
      filter: {
        includedEventTypes: [
          'Microsoft.Storage.BlobCreated'
          'Microsoft.Storage.BlobDeleted'
          'Microsoft.Storage.BlobRenamed'
          'Microsoft.Storage.DirectoryRenamed'
          'Microsoft.Storage.DirectoryDeleted'
        ]
        subjectBeginsWith: '/blobServices/default/containers/recordings/'
        isSubjectCaseSensitive: true
      }
      retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
    }
  }
]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = [
  for (account, i) in landingAccounts: {
    scope: systemTopics[i]
    name: 'to-workspace'
    properties: { workspaceId: workspaceId, logs: [{ category: 'DeliveryFailures', enabled: true }] }
  }
]

@description('Resource ids of the system topics.')
output systemTopicIds array = [for (account, i) in landingAccounts: systemTopics[i].id]
